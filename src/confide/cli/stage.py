"""What lies in the demo's folder beside an installation: the sign-ins, and how far the filling is."""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from confide.access.passwords import make_words
from confide.access.roles import Role
from confide.cli import client, keys, staff
from confide.errors import Damaged

if TYPE_CHECKING:
    from confide.access.models import Practice

FILE: Final = "demo.json"
KEY: Final = "loader-key.json"
SEED: Final = 1
SCOPES: Final = "system/*.c"
LOADER: Final = "Demo loader"


@dataclass(frozen=True)
class SignIn:
    """Somebody who works in the demo's practice.

    Attributes:
        secret: That of their code app, in Base32; nobody has the telephone, so the demo shows its codes.
    """

    title: str
    username: str
    name: str
    role: str
    passphrase: str
    secret: str = ""


CAST: Final = (
    ("front desk", "frontdesk", "Dana Whitfield", Role.FRONT_DESK),
    ("clinician", "clinician", "Miriam Okafor, MD", Role.CLINICIAN),
    ("privacy officer", "privacy", "Peter Lindgren", Role.PRIVACY_OFFICER),
)


@dataclass
class Stage:
    """The demo's own file; nothing in it is about a patient.

    Attributes:
        today: The day around which the practice was made, so that a continued filling makes the same people.
        ids: What the server called the practice's own resources, once they are there.
        bundles: Households that the server has acknowledged, in order.
        done: All of them are there.
    """

    patients: int
    today: str
    seed: int = SEED
    sign_ins: list[SignIn] = field(default_factory=list)
    client: str = ""
    ids: dict[str, str] | None = None
    bundles: int = 0
    filled: int = 0
    done: bool = False

    @property
    def day(self) -> date:
        return date.fromisoformat(self.today)

    def save(self, folder: Path) -> None:
        """Write it whole, or leave the old one."""
        fresh = folder / f"{FILE}.new"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(self), file, indent=1)
        fresh.replace(folder / FILE)


def load(folder: Path, patients: int) -> Stage:
    """Read the demo's file, or begin one.

    Raises:
        Damaged: It is not ours.
    """
    try:
        content = json.loads((folder / FILE).read_text())
        content["sign_ins"] = [SignIn(**{"secret": _secret(), **each}) for each in content["sign_ins"]]
        return Stage(**content)
    except FileNotFoundError:
        today = datetime.now(UTC).date().isoformat()
        people = [SignIn(*each, make_words(3), _secret()) for each in CAST]
        return Stage(patients, today, sign_ins=people)
    except (OSError, ValueError, TypeError, KeyError):
        raise Damaged(f"{folder / FILE} is not the demo's (remove the folder to begin anew)") from None


def _secret() -> str:
    return base64.b32encode(secrets.token_bytes(20)).decode()


def code_of(secret: str, now: datetime) -> tuple[str, int]:
    """Return what an app with this secret shows now, and for how many more seconds.

    Source:
        RFC 6238 with SHA-1, steps of 30 seconds, six digits.
    """
    step, gone = divmod(int(now.timestamp()), 30)
    mac = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), "sha1")
    offset = mac[-1] & 15
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**6:06}", 30 - gone


def cast(stage: Stage, practice: Practice) -> None:
    """Make the accounts that are not there yet, each with a code app."""
    from confide.server import factors
    from confide.wiring import utc_now

    for each in stage.sign_ins:
        account, _ = staff.account(practice, each.username, each.name, each.passphrase)
        staff.found(account, practice, Role(each.role))
        if not factors.enrolled(account):
            factors.add_totp(account, each.secret, 0, utc_now())


def hire(stage: Stage, folder: Path, practice: Practice) -> None:
    """Register the program that fills the practice, with a key pair of its own."""
    from confide.access.models import Client

    if stage.client and (folder / KEY).exists():
        return
    (folder / KEY).unlink(missing_ok=True)
    Client.objects.filter(practice=practice, name=LOADER).update(active=False)
    made = Client(practice=practice, name=LOADER, scopes=SCOPES)
    made.jwks = keys.make(folder / KEY)
    made.save(force_insert=True)
    stage.client = made.pk


def dismiss(stage: Stage, folder: Path) -> None:
    """Switch the program off: it has done what it was for."""
    from confide.access.models import AccessToken, Client

    Client.objects.filter(pk=stage.client).update(active=False)
    AccessToken.objects.filter(client=stage.client).delete()
    (folder / KEY).unlink(missing_ok=True)


def tokens(stage: Stage, folder: Path, url: str) -> Callable[[], str]:
    """Return what gets the program an access token."""
    key = json.loads((folder / KEY).read_text())
    return lambda: client.exchange(url, stage.client, key, SCOPES)


class Rest:
    """What of the synthetic practice is not on the server yet; ends early when told to stop."""

    def __init__(self, stage: Stage, folder: Path, stopped: Callable[[], bool]) -> None:
        from confide.drill.synthetic import SyntheticPractice

        self._whole = SyntheticPractice(stage.patients, stage.seed, stage.day)
        self._stage, self._folder, self._stopped = stage, folder, stopped

    @property
    def count(self) -> int:
        return self._stage.patients

    def practice_bundle(self) -> dict[str, Any]:
        return self._whole.practice_bundle()

    def patient_bundles(self, ids: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        self._stage.ids = dict(ids)
        self._stage.save(self._folder)
        skipped = self._stage.bundles
        for number, bundle in enumerate(self._whole.patient_bundles(ids)):
            if self._stopped():
                return
            if number >= skipped:
                yield bundle


def somebody(stage: Stage) -> str:
    """Return the name of the first patient who comes today: something to search for, and to open."""
    from confide.drill.synthetic import bundles

    made = bundles(stage.patients, stage.seed, stage.day)
    next(made)
    first = ""
    for bundle in made:
        entries = bundle["entry"]
        coming = {
            participant["actor"]["reference"]
            for entry in entries
            if entry["resource"]["resourceType"] == "Appointment"
            and entry["resource"]["start"].startswith(stage.today)
            for participant in entry["resource"]["participant"]
        }
        for entry in entries:
            if entry["resource"]["resourceType"] == "Patient":
                name = entry["resource"]["name"][0]
                said = f"{name['given'][0]} {name['family']}"
                first = first or said
                if entry["fullUrl"] in coming:
                    return said
    return first


def introduce(stage: Stage) -> None:
    """Say of the clinician which Practitioner of the records she is: her own visits are hers for years."""
    from confide.access.models import Client, Membership
    from confide.drill.practice import practice as laid_out

    if stage.ids is None:
        return
    who = laid_out(stage.seed, stage.ids).clinicians[0].reference.partition("/")[2]
    practices = Client.objects.filter(pk=stage.client).values("practice")
    clinicians = Membership.objects.filter(practice__in=practices, role=Role.CLINICIAN, practitioner="")
    clinicians.update(practitioner=who)
