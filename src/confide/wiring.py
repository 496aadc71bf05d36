"""The one place where the parts are put together."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from confide.access import decide as deciding
from confide.access.decide import Actor, Grant
from confide.access.models import Practice
from confide.access.roles import Action, Purpose
from confide.audit.journal import Journal
from confide.audit.sequencer import Sequencer
from confide.audit.tiles import Tiles
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
from confide.vault.host import Host
from confide.vault.index import IdentityIndex
from confide.vault.packs import Packs
from confide.vault.release import Release
from confide.vault.store import DatabaseDataKeys
from confide.vault.tokens import DatabaseTokenStore
from confide.vault.tracing import Tracer
from confide.vault.values import Values


def utc_now() -> datetime:
    """The system's clock, aware UTC."""
    return datetime.now(UTC)


@dataclass
class Indexes:
    """The identity indexes of this process, one per practice, made when first asked."""

    vault: Vault
    clock: Clock
    _made: dict[str, IdentityIndex] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def __call__(self, practice: str) -> IdentityIndex:
        with self._lock:
            index = self._made.get(practice)
            if index is None:
                index = self._made[practice] = IdentityIndex(
                    self.vault, ChangedPatients(), practice, self.clock
                )
            return index


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
    tracer: Tracer
    factors: FactorSeals
    days: SealedDays
    sequencer: Sequencer

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


@dataclass(frozen=True, slots=True)
class Log:
    """The journal's tree: its name, and the folder in which it is published."""

    origin: str
    folder: Path


def build(kms: Kms, log: Log, code_systems: frozenset[str] = frozenset(), clock: Clock = utc_now) -> System:
    """Put the parts together.

    Args:
        kms: Holds the root key.
        log: The journal's tree.
        code_systems: Local code systems that are registered here.
        clock: Returns now, aware UTC.
    """
    journal = Journal()
    keys = DatabaseDataKeys()
    host = Host(kms, keys)
    vault = Vault(kms, keys, journal, plan(), clock)
    days = SealedDays(vault)
    charts = Charts(vault, days, clock, code_systems | {ELEMENT_SYSTEM})
    indexes = Indexes(vault, clock)
    search = Search(charts, indexes, clock)
    exports = Exports(journal, clock)
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
        downtime=Downtime(Packs(vault, journal, days, clock), clock),
        tracer=Tracer(vault, RecordShelves(), journal, clock),
        factors=FactorSeals(host),
        sequencer=Sequencer(lambda: host.log_key(log.origin), Tiles(log.folder)),
        days=days,
    )


def open_file_kms(path: Path, passphrase: str | None) -> Kms:
    """Unlock the key file.

    Raises:
        KeyUnavailable: It is missing, or the passphrase is wrong.
    """
    return FileKms.open(path, passphrase)
