"""The one place where the parts are put together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Final

from confide.access import decide as deciding
from confide.access.decide import Actor, Grant
from confide.access.models import Practice
from confide.access.roles import Action, Purpose
from confide.audit.journal import Journal
from confide.audit.sequencer import Sequencer
from confide.audit.tiles import Tiles
from confide.incidents.alerts import Alerts
from confide.incidents.assessments import Assessments
from confide.incidents.bundles import Bundles as Evidence
from confide.incidents.cases import Cases
from confide.incidents.deadlines import Deadlines
from confide.incidents.notices.campaigns import Campaigns
from confide.incidents.notices.clerk import Clerk
from confide.incidents.notices.mailings import Mailings
from confide.incidents.notices.offers import Offers
from confide.incidents.notices.sending import Sender
from confide.incidents.persons import Persons
from confide.incidents.remedies import Remedies
from confide.incidents.renewals import Renewals
from confide.incidents.scopes import Scopes
from confide.incidents.warnings import Warnings
from confide.protect.elements import Element
from confide.protect.kms import Kms
from confide.protect.kms.file import FileKms
from confide.protect.plan import plan
from confide.records.bundles import Bundles
from confide.records.charts import Charts
from confide.records.exports import Outgoing
from confide.records.finder import Finder
from confide.records.imports import Importer
from confide.records.packs import Downtime
from confide.records.rekeys import Rekeys
from confide.records.renumbers import Renumbers
from confide.records.rows import ChangedPatients, known_patients
from confide.records.search import Search
from confide.records.ties import ELEMENT_SYSTEM
from confide.records.traces import RecordShelves
from confide.vault.days import SealedDays
from confide.vault.disclosures import Disclosures
from confide.vault.door import Clock, Vault
from confide.vault.emergencies import Emergencies
from confide.vault.exports import Exports
from confide.vault.factors import FactorSeals
from confide.vault.host import HOST, Host
from confide.vault.index import IdentityIndex
from confide.vault.keepsakes import Keepsakes
from confide.vault.mailings import Mailings as MailingGate
from confide.vault.packs import Packs
from confide.vault.reasons import Reasons
from confide.vault.rekeying import Rekeying
from confide.vault.release import Release
from confide.vault.retokens import Retokens
from confide.vault.store import DatabaseDataKeys
from confide.vault.tokens import DatabaseTokenStore
from confide.vault.tracing import Tracer
from confide.vault.values import Values
from confide.watch.answers import Answers
from confide.watch.baits import Baits
from confide.watch.knowing import Known
from confide.watch.planting import Planter
from confide.watch.policy import Policy
from confide.watch.rounds import Rounds


def utc_now() -> datetime:
    """The system's clock, aware UTC."""
    return datetime.now(UTC)


@dataclass
class Indexes:
    """The identity indexes of this process, one per practice, made when first asked.

    Args:
        vault: Opens patients for them.
        clock: Returns now, aware UTC.
        most: Bytes of memory that all of them may take, roughly; those that were not asked for longest go,
            and are built again when they are. The one that is asked is there, however large it is.
    """

    vault: Vault
    clock: Clock
    most: int
    _made: OrderedDict[str, IdentityIndex] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def __call__(self, practice: str) -> IdentityIndex:
        with self._lock:
            index = self._made.get(practice)
            if index is None:
                self._make_room()
                index = IdentityIndex(self.vault, ChangedPatients(), practice, self.clock)
                self._made[practice] = index
            self._made.move_to_end(practice)
            return index

    def _make_room(self) -> None:
        size = sum(index.size for index in self._made.values())
        while size > self.most and self._made:
            _, gone = self._made.popitem(last=False)
            size -= gone.size


@dataclass(frozen=True)
class System:
    """One installation's parts, built once and passed."""

    clock: Clock
    journal: Journal
    vault: Vault
    values: Values
    charts: Charts
    indexes: Indexes
    search: Search
    finder: Finder
    bundles: Bundles
    emergencies: Emergencies
    disclosures: Disclosures
    exports: Exports
    outgoing: Outgoing
    downtime: Downtime
    mailings: Mailings
    sender: Sender
    campaigns: Campaigns
    offers: Offers
    clerk: Clerk
    tracer: Tracer
    factors: FactorSeals
    days: SealedDays
    sequencer: Sequencer
    cases: Cases
    scopes: Scopes
    keepsakes: Keepsakes
    baits: Baits
    watch: Rounds
    answers: Answers
    planter: Planter
    assessments: Assessments
    deadlines: Deadlines
    warnings: Warnings
    evidence: Evidence
    persons: Persons
    remedies: Remedies
    renewals: Renewals

    def decide(
        self,
        actor: Actor,
        action: Action,
        purpose: Purpose,
        patients: Collection[str] | None,
        elements: Iterable[Element],
    ) -> Grant:
        """Decide now, with the relationships of people to patients; see `access.decide.decide`."""
        return deciding.decide(actor, action, purpose, patients, elements, self.clock(), self.days)

    def importer(self, practice: str, source: str) -> Importer:
        return Importer(self.charts, practice, source, self.clock)

    def found_practice(self, name: str) -> Practice:
        """Make a practice and its keys."""
        practice = Practice.objects.create(name=name)
        self.vault.found(practice.pk)
        return practice


POLICY: Final = Policy()
"""The watch masks by itself, and freezes nobody."""

INDEX_BYTES: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Log:
    """The journal's tree: its name, and the folder in which it is published."""

    origin: str
    folder: Path


def build(
    kms: Kms,
    log: Log,
    code_systems: frozenset[str] = frozenset(),
    clock: Clock = utc_now,
    policy: Policy = POLICY,
    index_bytes: int = INDEX_BYTES,
) -> System:
    """Put the parts together.

    Args:
        kms: Holds the root key.
        log: The journal's tree.
        code_systems: Local code systems that are registered here.
        clock: Returns now, aware UTC.
        policy: How far the watch goes by itself, and whom it tells.
        index_bytes: Memory that the identity indexes of this process may take.
    """
    journal = Journal()
    keys = DatabaseDataKeys()
    host = Host(kms, keys)
    vault = Vault(kms, keys, journal, plan(), clock)
    days = SealedDays(vault)
    charts = Charts(vault, days, clock, code_systems | {ELEMENT_SYSTEM})
    indexes = Indexes(vault, clock, index_bytes)
    search = Search(charts, indexes, clock)
    exports = Exports(journal, clock)
    gate, offers = MailingGate(vault, journal, clock), Offers(vault)
    sender = Sender(gate, offers, clock)
    cases = Cases(vault, journal, clock)
    deadlines = Deadlines(cases, clock)
    rekeying = Rekeying(vault, journal, clock)
    keepsakes = Keepsakes(lambda name: host.keyring() if name == HOST else vault.keyring(name))
    baits = Baits(keepsakes)
    known = Known(indexes, ChangedPatients().last_changes, baits, days)
    return System(
        clock=clock,
        journal=journal,
        vault=vault,
        values=Values(vault, DatabaseTokenStore(), known_patients, journal, clock),
        charts=charts,
        indexes=indexes,
        search=search,
        finder=Finder(charts, indexes),
        bundles=Bundles(charts, search),
        emergencies=Emergencies(vault, journal, clock),
        disclosures=Disclosures(vault, journal, clock),
        exports=exports,
        outgoing=Outgoing(Release(vault, exports, journal, days, clock), clock),
        mailings=Mailings(gate, clock),
        sender=sender,
        campaigns=Campaigns(gate, sender, clock),
        offers=offers,
        clerk=Clerk(journal, offers, clock),
        downtime=Downtime(Packs(vault, journal, days, clock), clock),
        tracer=Tracer(vault, RecordShelves(), journal, clock, baits.of),
        factors=FactorSeals(host),
        sequencer=Sequencer(lambda: host.log_key(log.origin), Tiles(log.folder)),
        days=days,
        cases=cases,
        scopes=Scopes(cases, journal, clock, baits.among),
        keepsakes=keepsakes,
        baits=baits,
        watch=Rounds(journal, known, keepsakes, lambda: policy, Alerts(cases, clock)),
        answers=Answers(journal, Reasons(vault, "finding"), keepsakes),
        planter=Planter(
            vault, lambda practice, source: Importer(charts, practice, source, clock), baits, journal
        ),
        assessments=Assessments(cases, clock),
        deadlines=deadlines,
        warnings=Warnings(deadlines, lambda: policy),
        evidence=Evidence(cases, clock),
        persons=Persons(cases, vault, clock),
        remedies=Remedies(cases, Retokens(vault, journal, clock), journal, clock),
        renewals=Renewals(cases, rekeying, Rekeys(rekeying), Renumbers(charts, rekeying), clock),
    )


def open_file_kms(path: Path, passphrase: str | None) -> Kms:
    """Unlock the key file.

    Raises:
        KeyUnavailable: It is missing, or the passphrase is wrong.
    """
    return FileKms.open(path, passphrase)
