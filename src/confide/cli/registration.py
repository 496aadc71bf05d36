"""`confide client add` and `change`: what a program may do, what it sees, and where it may come from."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from confide.access.roles import Purpose
from confide.cli import installation, keys, program, show
from confide.errors import Invalid
from confide.protect.elements import Element

if TYPE_CHECKING:
    from confide.access.models import Client

SCOPES: Final = "system/*.rs"
_PURPOSES: Final = (Purpose.TREAT, Purpose.HPAYMT, Purpose.HOPERAT, Purpose.PATRQT)
_ADD_EXAMPLE: Final = """\
examples:
  confide client add lab --scopes "system/Patient.rs system/Observation.cruds" \\
      --elements name,birth-date,mrn,date --networks 203.0.113.0/28 --key-out lab-key.json
  confide client add registry --scopes system/*.rs --jwks registry-public.json
  confide client add lab --authority lab-ca.pem --subject san_dns:emr.lab.example
  confide client add pharmacy --purpose HPAYMT --elements ssn --scopes "vault/tokenize vault/detokenize" \\
      --token-scopes lab-partner --key-out pharmacy-key.json

A program sees what it is registered for, up to its budget, and stand-ins otherwise. Without --jwks a key pair
(P-384, for ES384) is made; the private key is written once, for the program, and kept nowhere else. A key
holds for a year, unless --days says less (confide client key replaces it).
"""
_CHANGE_EXAMPLE: Final = """\
examples:
  confide client change lab --networks 203.0.113.0/28,2001:db8:7::/48
  confide client change lab --networks any
  confide client change lab --elements name,mrn --day-patients 40

What is not named stays. The program's tokens are void; it gets new ones by itself, as every few minutes.
"""


def register(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `confide client add` and `confide client change`."""
    parser = actions.add_parser("add", help="register a program")
    installation.describe(parser, "Register a program.", _ADD_EXAMPLE)
    parser.add_argument("name", metavar="NAME", help="what people call it")
    parser.add_argument("--practice", metavar="ID", help="id or name (needed where there are several)")
    _describe(parser, Purpose.TREAT.value, "", SCOPES)
    keys.describe(parser)
    parser.add_argument(
        "--subject", metavar="NAME",
        help="with --authority: the name in its certificate, san_dns:..., san_uri:... or dn:...",
    )  # fmt: skip
    parser.add_argument(
        "--bound", action="store_true",
        help="its tokens are good only on a connection with the certificate that they were got with"
        " (always so with --certificate and --authority)",
    )  # fmt: skip
    parser.set_defaults(run=add)
    parser = actions.add_parser("change", help="what it may do and see, and where it may come from")
    installation.describe(parser, "Change a program's registration.", _CHANGE_EXAMPLE)
    parser.add_argument("name", metavar="NAME", help="name or id of the program")
    _describe(parser, None, None, None)
    parser.set_defaults(run=change)


def _describe(
    parser: argparse.ArgumentParser, purpose: str | None, nothing: str | None, scopes: str | None
) -> None:
    parser.add_argument(
        "--purpose", metavar="CODE", choices=[p.value for p in _PURPOSES], default=purpose,
        help="what for: %(choices)s" + (" (default: %(default)s)" if purpose else ""),
    )  # fmt: skip
    parser.add_argument(
        "--elements", metavar="LIST", default=nothing,
        help="what it may see: all, none, or some of " + ", ".join(Element)
        + ("" if nothing is None else " (default: none, which is stand-ins only)"),
    )  # fmt: skip
    parser.add_argument(
        "--scopes", metavar="LIST", default=scopes,
        help="SMART scopes, and vault/tokenize, detokenize, protect, reveal"
        + (" (default: %(default)s)" if scopes else ""),
    )  # fmt: skip
    parser.add_argument(
        "--token-scopes", metavar="LIST", default=nothing,
        help="recipients whose tokens it may turn back into values, or none",
    )  # fmt: skip
    parser.add_argument(
        "--networks", metavar="LIST", default=nothing,
        help="addresses and networks that it may come from, or any"
        + ("" if nothing is None else " (default: any)"),
    )  # fmt: skip
    parser.add_argument("--day-patients", metavar="N", type=int, help="patients in 24 hours at most")
    parser.add_argument("--day-units", metavar="N", type=int, help="weighted units in 24 hours at most")


def add(args: argparse.Namespace) -> int:
    """Register a program."""
    installation.ready(args)
    from confide.access.models import Client
    from confide.audit import clients
    from confide.audit.journal import Journal
    from confide.wiring import utc_now

    name = args.name.strip()
    if not 0 < len(name) <= 200:
        raise Invalid("a program's name has 1 to 200 characters")
    if Client.objects.filter(name=name).exists():
        raise Invalid("there is a program of that name already (see confide client list)")
    client = Client(practice=installation.practice(args.practice), name=name, **_asked(args))
    client.method = keys.method(args)
    client.subject = _subject(args)
    client.bound = args.bound
    client.jwks = keys.obtain(args)
    clients.register(Journal(), client, utc_now())
    show.step("made", "client", f"{client.name}   {client.pk}")
    _tell(client)
    if args.key_out:
        show.step("made", "private key", f"{args.key_out}   (hand it to the program; there is no other copy)")
        show.advice((f"confide client token {name} --key {args.key_out}", "an access token"))
    return show.DONE


def change(args: argparse.Namespace) -> int:
    """Change a program's registration."""
    client = program.named(args)
    from confide.audit import clients
    from confide.audit.journal import Journal
    from confide.wiring import utc_now

    asked = _asked(args)
    if not asked:
        raise Invalid("say what is to be changed (see confide client change --help)")
    clients.change(Journal(), client, asked, utc_now())
    show.step("ok", "changed", f"{client.name}   (its tokens are void)")
    _tell(client)
    return show.DONE


def _subject(args: argparse.Namespace) -> str:
    from confide.server import certificates

    if bool(args.authority) != bool(args.subject):
        raise Invalid("--authority and --subject belong together: who issues, and for which name")
    return certificates.read_subject(args.subject) if args.subject else ""


def _tell(client: Client) -> None:
    how = f"{client.method} {client.subject}".strip()
    show.step("note", "proves itself", how + (", tokens bound to its certificate" if client.bound else ""))
    show.step("note", "may", client.scopes)
    show.step("note", "sees", ", ".join(client.elements) or "stand-ins only")
    show.step("note", "comes from", ", ".join(client.networks) or "anywhere (--networks says less)")
    if client.token_scopes:
        show.step("note", "turns back", f"tokens of {', '.join(client.token_scopes)}")


def _asked(args: argparse.Namespace) -> dict[str, Any]:
    """What the options say of a registration; those that were not given are left out."""
    from confide.access import limits, networks

    asked: dict[str, Any] = {}
    if args.purpose is not None:
        asked["purpose"] = args.purpose
    if args.elements is not None:
        asked["elements"] = _elements(args.elements)
    if args.scopes is not None:
        asked["scopes"] = _scopes(args.scopes)
    if args.token_scopes is not None:
        asked["token_scopes"] = _token_scopes(args.token_scopes)
    if args.networks is not None:
        asked["networks"] = networks.normalise(_words(args.networks, "any"))
    if args.day_patients is not None:
        if not 0 <= args.day_patients <= limits.client_ceiling():
            raise Invalid(
                f"--day-patients is 0 to {limits.client_ceiling()} (budget.client_ceiling_patients raises it)"
            )
        asked["day_patients"] = args.day_patients
    if args.day_units is not None:
        most = limits.client_ceiling() * limits.UNITS_PER_PATIENT
        if not 0 <= args.day_units <= most:
            raise Invalid(f"--day-units is 0 to {most} (budget.client_ceiling_patients raises it)")
        asked["day_units"] = args.day_units
    return asked


def _words(text: str, nothing: str) -> list[str]:
    """The words of a list; one word says that there are none."""
    return [] if text.strip() == nothing else text.replace(",", " ").split()


def _scopes(text: str) -> str:
    from confide.server import smart

    if smart.narrowed(text):
        raise Invalid("--scopes with search parameters (system/Type.rs?...) are not supported")
    if not smart.parse(text) or smart.strangers(text):
        raise Invalid(
            "--scopes are SMART scopes of programs, such as system/Patient.rs or system/*.read,"
            " and vault/tokenize, vault/detokenize, vault/protect, vault/reveal"
        )
    return " ".join(text.split())


def _elements(text: str) -> list[str]:
    if text.strip() == "all":
        return [element.value for element in Element]
    wanted = _words(text, "none")
    if set(wanted) - {element.value for element in Element}:
        raise Invalid(f"--elements are all, none, or some of {', '.join(Element)}")
    return wanted


def _token_scopes(text: str) -> list[str]:
    from confide.protect.tokens import is_scope

    wanted = _words(text, "none")
    if not all(map(is_scope, wanted)):
        raise Invalid("--token-scopes are names in a-z, 0-9 and hyphens, at most 63 characters each")
    return list(dict.fromkeys(wanted))
