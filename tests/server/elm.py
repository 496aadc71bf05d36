"""Elm Clinic's own identity provider: django-oauth-toolkit as a program of its own, on loopback.

``python -m tests.server.elm FOLDER PORT RETURN`` serves until it is stopped. It signs in by a password, or by
a password and a code, and its ID tokens say which. A few of its people have a provider that lies about them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLIENT, SECRET, PASSWORD, CODE = "confide", "elm-knows-this-secret", "seven tall elms in a row", "271828"
PEOPLE: dict[str, dict[str, Any]] = {
    "miriam": {},
    "jonas": {},
    "stale": {"auth_time": int(time.time()) - 3600},
    "undated": {"auth_time": None},
    "other-audience": {"aud": "another-program"},
    "two-audiences": {"aud": [CLIENT, "another-program"]},
    "other-issuer": {"iss": "https://login.elsewhere.example"},
    "other-nonce": {"nonce": "not-what-was-sent"},
    "expired": {"exp": int(time.time()) - 3600},
    "other-key": {},
}
"""Username -> what its ID token says instead of the truth; None leaves it out."""

PATIENCE = 1200
"""Times that a twentieth of a second is waited for it: other suites may share the machine."""

PAGE = """<link rel="icon" href="data:,"><form method="post">
<input type="hidden" name="csrfmiddlewaretoken" value="{}">
<input name="username"><input name="password" type="password"><input name="code">
<button>Sign in</button></form>"""


@dataclass(frozen=True)
class Clinic:
    """The provider as it runs.

    Attributes:
        subjects: Username -> the ``sub`` by which it knows that person.
    """

    url: str
    subjects: dict[str, str]


@contextmanager
def running(folder: Path, back: str) -> Iterator[Clinic]:
    """Start it in a process of its own, with *back* as the address to which it may send browsers back."""
    from tests.server import processes
    from tools.outside import free_port

    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.server.elm", str(folder), str(port), back],
        env=environment | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        cwd=Path(__file__).parents[2],
        stderr=subprocess.DEVNULL,
    )
    try:
        processes.wait(port, process, PATIENCE)
        yield Clinic(f"http://127.0.0.1:{port}", json.loads((folder / "subjects.json").read_text()))
    finally:
        process.terminate()
        process.wait(30)


def issuer(clinic: Clinic, folder: Path, practice: str) -> Any:
    """What ``confide.toml`` would say of it."""
    from confide.server.issuers import Issuer

    secret = folder / "elm.secret"
    secret.touch(0o600)
    secret.write_text(SECRET)
    return Issuer("elm", "Elm Clinic", clinic.url, CLIENT, secret, practices=(practice,))


# The program


def configure(folder: Path, port: int) -> None:
    from django.conf import settings
    from joserfc.jwk import RSAKey

    key = RSAKey.generate_key(2048).as_pem(private=True).decode()
    settings.configure(
        SECRET_KEY="the key of a provider in a test",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        USE_TZ=True,
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "elm.sqlite3")}
        },
        # Tables at once instead of some forty migrations.
        MIGRATION_MODULES=dict.fromkeys(("auth", "contenttypes", "sessions", "oauth2_provider")),
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        INSTALLED_APPS=[
            "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        LOGIN_URL="/login",
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_RSA_PRIVATE_KEY": key,
            "OIDC_ISS_ENDPOINT": f"http://127.0.0.1:{port}",
            "OAUTH2_VALIDATOR_CLASS": f"{__name__}.validator",
            "SCOPES": {"openid": "who it is"},
            "PKCE_REQUIRED": True,
        },
    )  # fmt: skip


def login(request: Any) -> Any:
    """Ask for a password and, from whoever has one, a code."""
    from django.contrib.auth import authenticate
    from django.contrib.auth import login as enter
    from django.http import HttpResponse, HttpResponseRedirect
    from django.middleware.csrf import get_token

    if request.method != "POST":
        return HttpResponse(PAGE.format(get_token(request)))
    person = authenticate(username=request.POST["username"], password=request.POST["password"])
    code = request.POST["code"]
    if person is None or code not in {"", CODE}:
        return HttpResponse("no", status=403)
    person.first_name = "pwd otp mfa" if code else "pwd"
    person.save()
    enter(request, person)
    return HttpResponseRedirect(request.GET["next"])


def _validator() -> type:
    from joserfc import jwt
    from joserfc.jwk import RSAKey
    from oauth2_provider.oauth2_validators import OAuth2Validator

    stranger = RSAKey.generate_key(2048)

    class Validator(OAuth2Validator):
        def get_id_token_dictionary(self, token: Any, token_handler: Any, request: Any) -> Any:
            claims, until = super().get_id_token_dictionary(token, token_handler, request)
            claims |= {"amr": request.user.first_name.split()} | PEOPLE[request.user.username]
            return {name: claim for name, claim in claims.items() if claim is not None}, until

        def finalize_id_token(self, id_token: Any, token: Any, token_handler: Any, request: Any) -> str:
            made = super().finalize_id_token(id_token, token, token_handler, request)
            if request.user.username != "other-key":
                return str(made)
            header = {"alg": "RS256", "kid": request.client.jwk_key.thumbprint()}
            return jwt.encode(header, id_token, stranger)

    return Validator


def __getattr__(name: str) -> Any:
    """What Django asks this module for, once it is set up."""
    if name == "validator":
        return _validator()
    if name == "urlpatterns":
        from django.urls import include, path

        return [path("login", login), path("", include("oauth2_provider.urls"))]
    raise AttributeError(name)


def populate(back: str) -> None:
    from django.contrib.auth.models import User
    from oauth2_provider.models import Application

    for name in PEOPLE:
        User.objects.create_user(name, password=PASSWORD, email="miriam@elm.example")
    Application.objects.create(
        client_id=CLIENT, client_secret=SECRET, client_type="confidential", redirect_uris=back,
        authorization_grant_type="authorization-code", algorithm="RS256", skip_authorization=True,
    )  # fmt: skip


def serve(folder: Path, port: int, back: str) -> None:
    configure(folder, port)
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    call_command("migrate", run_syncdb=True, verbosity=0)
    populate(back)
    # The subject is the row's id, as django-oauth-toolkit has it.
    (folder / "subjects.json").write_text(
        json.dumps({name: str(pk) for pk, name in User.objects.values_list("pk", "username")})
    )
    httpd = ThreadedWSGIServer(("127.0.0.1", port), WSGIRequestHandler)
    httpd.set_app(get_wsgi_application())
    httpd.serve_forever()


if __name__ == "__main__":
    # Under its name, so that Django imports no second one.
    from tests.server import elm

    elm.serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
