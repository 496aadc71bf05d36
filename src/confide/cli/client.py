"""`confide client`: programs that use the FHIR API or the vault, and how one gets a token."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from confide.access.roles import Purpose
from confide.cli import installation, raises, show, standing
from confide.errors import Invalid, Misconfigured, Unavailable
from confide.protect.elements import Element

if TYPE_CHECKING:
    from confide.access.models import Client

ADD_EXAMPLE: Final = """\
examples:
  confide client add lab --scopes "system/Patient.rs system/Observation.cruds" \\
      --elements name,birth-date,mrn,date --key-out lab-key.json
  confide client add registry --scopes system/*.rs --jwks registry-public.json
  confide client add pharmacy --purpose HPAYMT --elements ssn --scopes "vault/tokenize vault/detokenize" \\
      --token-scopes lab-partner --key-out pharmacy-key.json

A program sees what it is registered for, up to its budget, and stand-ins otherwise. Without --jwks a key pair
(P-384, for ES384) is made; the private key is written once, for the program, and kept nowhere else.
"""
EXCHANGE_EXAMPLE: Final = """\
example:
  curl -H "Authorization: Bearer $(confide client token lab --key lab-key.json)" \\
      http://localhost:8100/fhir/R4/Patient?_count=5

The same exchange as a program's (private_key_jwt). Only the token is printed.
"""
LIST_EXAMPLE: Final = """\
example:
  confide client list
"""
SCOPES: Final = "system/*.rs"
_ALL_SCOPES: Final = "system/*.cruds vault/tokenize vault/detokenize vault/protect vault/reveal"
_PURPOSES: Final = (Purpose.TREAT, Purpose.HPAYMT, Purpose.HOPERAT, Purpose.PATRQT)
_PATIENCE: Final = 30
_ASSERTION_SECONDS: Final = 240


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser(
        "client", help="programs that use the API: add, token, list, freeze, thaw, raise", description=__doc__
    )
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    _register_add(actions.add_parser("add", help="register a program"))
    parser = actions.add_parser("token", help="get an access token, as the program does")
    installation.describe(parser, "Get an access token.", EXCHANGE_EXAMPLE)
    parser.add_argument("name", metavar="NAME", help="name or id of the program")
    parser.add_argument("--key", metavar="FILE", type=Path, required=True, help="its private key, a JWK")
    parser.add_argument("--url", default="http://localhost:8100", help="the server (default: %(default)s)")
    parser.add_argument(
        "--scopes", metavar="LIST", default=_ALL_SCOPES,
        help="what to ask for (default: all that it is registered for)",
    )  # fmt: skip
    parser.set_defaults(run=token)
    parser = actions.add_parser("list", help="programs, scopes and states")
    installation.describe(parser, "List the programs of all practices.", LIST_EXAMPLE)
    parser.set_defaults(run=show_all)
    standing.register_client(actions)
    raises.register_client(actions)


def _register_add(parser: argparse.ArgumentParser) -> None:
    installation.describe(parser, "Register a program of one practice.", ADD_EXAMPLE)
    parser.add_argument("name", metavar="NAME", help="what people call it")
    parser.add_argument("--practice", metavar="ID", help="id or name (needed where there are several)")
    parser.add_argument(
        "--purpose", metavar="CODE", choices=[p.value for p in _PURPOSES], default=Purpose.TREAT.value,
        help="what for: %(choices)s (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--elements", metavar="LIST", default="",
        help="what it may see: all, or some of " + ", ".join(Element) + " (default: nothing but stand-ins)",
    )  # fmt: skip
    parser.add_argument(
        "--scopes", metavar="LIST", default=SCOPES,
        help="SMART scopes, and vault/tokenize, detokenize, protect, reveal (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--token-scopes", metavar="LIST", default="",
        help="recipients whose tokens it may turn back into values (default: none)",
    )  # fmt: skip
    parser.add_argument("--day-patients", metavar="N", type=int, help="patients in 24 hours at most")
    keys = parser.add_mutually_exclusive_group(required=True)
    keys.add_argument(
        "--key-out", metavar="FILE", type=Path, help="make a key pair; the private one goes here"
    )
    keys.add_argument("--jwks", metavar="FILE", type=Path, help="public keys that the program has made")
    parser.set_defaults(run=add)


def add(args: argparse.Namespace) -> int:
    """Register a program."""
    installation.ready(args)
    from confide.access import budget
    from confide.access.models import Client

    name = args.name.strip()
    if not 0 < len(name) <= 200:
        raise Invalid("a program's name has 1 to 200 characters")
    if Client.objects.filter(name=name).exists():
        raise Invalid("there is a program of that name already (see confide client list)")
    if args.day_patients is not None and not 0 <= args.day_patients <= budget.client_ceiling():
        raise Invalid(
            f"--day-patients is 0 to {budget.client_ceiling()} (budget.client_ceiling_patients raises it)"
        )
    client = Client(
        practice=installation.practice(args.practice),
        name=name,
        scopes=_scopes(args.scopes),
        elements=_elements(args.elements),
        purpose=args.purpose,
        day_patients=args.day_patients,
        token_scopes=_token_scopes(args.token_scopes),
    )
    client.jwks = _keys(args.jwks) if args.jwks else make_key(args.key_out)
    client.save(force_insert=True)
    show.step("made", "client", f"{client.name}   {client.pk}")
    show.step("made", "may", client.scopes)
    show.step("made", "sees", ", ".join(client.elements) or "stand-ins only")
    if client.token_scopes:
        show.step("made", "turns back", f"tokens of {', '.join(client.token_scopes)}")
    if args.key_out:
        show.step("made", "private key", f"{args.key_out}   (hand it to the program; there is no other copy)")
        show.advice((f"confide client token {name} --key {args.key_out}", "an access token"))
    return show.DONE


def make_key(path: Path) -> dict[str, Any]:
    """Make a key pair, write the private key for its owner only, and return the public key set."""
    from joserfc.jwk import ECKey

    key = ECKey.generate_key(
        "P-384", {"kid": secrets.token_hex(8), "alg": "ES384", "use": "sig"}, private=True
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as problem:
        raise Misconfigured(
            f"{path} cannot be made ({type(problem).__name__}; an existing key is kept)"
        ) from None
    with os.fdopen(descriptor, "w") as file:
        json.dump(key.as_dict(private=True), file, indent=1)
        file.write("\n")
    return {"keys": [key.as_dict(private=False)]}


def token(args: argparse.Namespace) -> int:
    """Get an access token over HTTP and print it."""
    client_id = args.name if _is_id(args.name) else named(args).pk
    show.line(exchange(args.url, client_id, _read_json(args.key), args.scopes))
    return show.DONE


def exchange(url: str, client_id: str, private: Any, scopes: str) -> str:
    """Return an access token, by the exchange that a program makes.

    Args:
        url: The server, such as ``http://localhost:8100``.
        client_id: The program's id.
        private: Its private key, a JWK with a ``kid``.
        scopes: What to ask for, separated by spaces.

    Raises:
        Invalid: The key is none, or the server refused.
        Unavailable: The server does not answer.
    """
    endpoint = url.rstrip("/") + "/oauth/token"
    if urlsplit(endpoint).scheme not in {"http", "https"}:
        raise Invalid("--url begins with http:// or https://")
    form = {
        "grant_type": "client_credentials",
        "scope": scopes,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": sign(private, client_id, endpoint),
    }
    accept = {"Accept": "application/json"}
    request = Request(endpoint, urlencode(form).encode(), accept)  # noqa: S310 - see above
    try:
        with build_opener(_Stay).open(request, timeout=_PATIENCE) as response:
            answer = json.load(response)
    except HTTPError as refusal:
        raise Invalid(f"the server gave no token: {_error(refusal)}") from None
    except (URLError, OSError, ValueError):
        raise Unavailable(f"no server answers at {url} (see confide serve)") from None
    return str(answer["access_token"])


class _Stay(HTTPRedirectHandler):
    """An assertion goes to the server that it was made for, and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def sign(private: Any, client_id: str, audience: str) -> str:
    """Return a client assertion, signed, for one use within four minutes."""
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey

    try:
        key = ECKey.import_key(private) if private.get("kty") == "EC" else RSAKey.import_key(private)
        header = {"typ": "JWT", "alg": "ES384" if private["kty"] == "EC" else "RS384", "kid": private["kid"]}
        now = int(time.time())
        claims = {"iss": client_id, "sub": client_id, "aud": audience, "iat": now}
        claims |= {"exp": now + _ASSERTION_SECONDS, "jti": secrets.token_urlsafe(24)}
        return jwt.encode(header, claims, key, algorithms=[header["alg"]])
    except (JoseError, ValueError, KeyError, TypeError, AttributeError):
        raise Invalid("the key is not a private JWK with a kid (confide client add writes one)") from None


def show_all(args: argparse.Namespace) -> int:
    """List programs."""
    installation.ready(args)
    from confide.access.models import Client

    rows = [
        (c.name, c.pk, c.practice.name, c.purpose, c.scopes, ", ".join(c.elements) or "stand-ins",
         ", ".join(c.token_scopes), _state(c))
        for c in Client.objects.select_related("practice").order_by("name")
    ]  # fmt: skip
    show.table(("name", "id", "practice", "purpose", "may", "sees", "tokens of", ""), rows)
    return show.DONE


def named(args: argparse.Namespace) -> Client:
    """Return the program that a command means by ``name``."""
    installation.ready(args)
    from confide.access.models import Client

    field = "pk" if _is_id(args.name) else "name"
    found = list(Client.objects.filter(**{field: args.name})[:2])
    if len(found) != 1:
        raise Misconfigured("there is no such program, or several of that name (see confide client list)")
    return found[0]


def _state(client: Client) -> str:
    if client.frozen_at is not None:
        return "frozen"
    if client.suspect_at is not None:
        return "suspect"
    return "" if client.active else "inactive"


def _is_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _scopes(text: str) -> str:
    from confide.server import smart

    if not smart.parse(text) or smart.strangers(text):
        raise Invalid(
            "--scopes are SMART scopes of programs, such as system/Patient.rs or system/*.read,"
            " and vault/tokenize, vault/detokenize, vault/protect, vault/reveal"
        )
    return " ".join(text.split())


def _elements(text: str) -> list[str]:
    if text.strip() == "all":
        return [element.value for element in Element]
    wanted = text.replace(",", " ").split()
    if set(wanted) - {element.value for element in Element}:
        raise Invalid(f"--elements are all, or some of {', '.join(Element)}")
    return wanted


def _token_scopes(text: str) -> list[str]:
    from confide.protect.tokens import is_scope

    wanted = text.replace(",", " ").split()
    if not all(map(is_scope, wanted)):
        raise Invalid("--token-scopes are names in a-z, 0-9 and hyphens, at most 63 characters each")
    return list(dict.fromkeys(wanted))


def _keys(path: Path) -> dict[str, Any]:
    from confide.server import oauth

    return oauth.read_keys(_read_json(path))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise Misconfigured(f"{path} cannot be read ({type(problem).__name__})") from None
    except ValueError:
        raise Invalid(f"{path} is not JSON") from None


def _error(refusal: HTTPError) -> str:
    try:
        answer = json.load(refusal)
        return f"{answer['error']} ({answer['error_description']})"
    except (ValueError, KeyError, TypeError):
        return f"HTTP {refusal.code}"
