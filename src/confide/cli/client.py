"""`confide client`: programs that use the FHIR API or the vault, and how one gets a token."""

from __future__ import annotations

import argparse
import json
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from confide.cli import installation, keys, raises, reach, registration, show, standing
from confide.cli.program import is_id, named, read_json
from confide.errors import Invalid, Unavailable

if TYPE_CHECKING:
    from confide.access.models import Client

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
_ALL_SCOPES: Final = "system/*.cruds vault/tokenize vault/detokenize vault/protect vault/reveal"
_PATIENCE: Final = 30
_ASSERTION_SECONDS: Final = 240


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser(
        "client",
        help="programs that use the API: add, change, key, admit, dismiss, token, list, freeze, thaw, raise",
        description=__doc__,
    )
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    registration.register(actions)
    reach.register(actions)
    keys.register(actions)
    parser = actions.add_parser("token", help="get an access token, as the program does")
    installation.describe(parser, "Get an access token.", EXCHANGE_EXAMPLE)
    parser.add_argument("name", metavar="NAME", help="name or id of the program")
    parser.add_argument("--key", metavar="FILE", type=Path, required=True, help="its private key, a JWK")
    parser.add_argument("--url", default="http://localhost:8100", help="the server (default: %(default)s)")
    parser.add_argument(
        "--scopes", metavar="LIST", default=_ALL_SCOPES,
        help="what to ask for (default: all that it is registered for)",
    )  # fmt: skip
    parser.add_argument(
        "--resource", metavar="URN", default="",
        help="in which practice it is to act, urn:uuid:ID (default: the program's own)",
    )  # fmt: skip
    parser.set_defaults(run=token)
    parser = actions.add_parser("list", help="programs, scopes and states")
    installation.describe(parser, "List the programs of all practices.", LIST_EXAMPLE)
    parser.set_defaults(run=show_all)
    standing.register_client(actions)
    raises.register_client(actions)


def token(args: argparse.Namespace) -> int:
    """Get an access token over HTTP and print it."""
    client_id = args.name if is_id(args.name) else named(args).pk
    show.line(exchange(args.url, client_id, read_json(args.key), args.scopes, args.resource))
    return show.DONE


def exchange(url: str, client_id: str, private: Any, scopes: str, resource: str = "") -> str:
    """Return an access token, by the exchange that a program makes.

    Args:
        url: The server, such as ``http://localhost:8100``.
        client_id: The program's id.
        private: Its private key, a JWK with a ``kid``.
        scopes: What to ask for, separated by spaces.
        resource: The practice in which the token is to act, ``urn:uuid:...``; empty is the program's own.

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
    if resource:
        form["resource"] = resource
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
         ", ".join(c.token_scopes), ", ".join(c.networks) or "anywhere", _state(c))
        for c in Client.objects.select_related("practice").order_by("name")
    ]  # fmt: skip
    show.table(("name", "id", "practice", "purpose", "may", "sees", "tokens of", "from", ""), rows)
    return show.DONE


def _state(client: Client) -> str:
    if client.frozen_at is not None:
        return "frozen"
    if client.suspect_at is not None:
        return "suspect"
    return "" if client.active else "inactive"


def _error(refusal: HTTPError) -> str:
    try:
        answer = json.load(refusal)
        return f"{answer['error']} ({answer['error_description']})"
    except (ValueError, KeyError, TypeError):
        return f"HTTP {refusal.code}"
