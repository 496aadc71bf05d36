"""The settings that keep people and cookies safe."""

import pytest
from django.conf import settings
from django.contrib.auth.hashers import identify_hasher, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from confide.access.models import Account


@pytest.mark.asvs("13.4.2")
def test_there_is_no_debug_switch():
    assert settings.DEBUG is False


def test_passwords_are_hashed_by_argon2():
    assert identify_hasher(make_password("correct horse battery")).algorithm == "argon2"


@pytest.mark.asvs("6.2.1")
@pytest.mark.parametrize("password", ["fourteen chars", "1234567890", "qwertyuiop"])
def test_short_and_common_passwords_are_refused(password):
    with pytest.raises(ValidationError):
        validate_password(password)


@pytest.mark.asvs("6.2.5", "6.2.9")
def test_a_long_password_needs_no_composition():
    validate_password("only small letters")


@pytest.mark.asvs("3.3.2")
def test_cookies_are_for_this_host_and_no_script():
    assert settings.SESSION_COOKIE_HTTPONLY
    assert settings.CSRF_COOKIE_HTTPONLY
    assert {settings.SESSION_COOKIE_SAMESITE, settings.CSRF_COOKIE_SAMESITE} <= {"Lax", "Strict"}


@pytest.mark.asvs("3.3.1")
def test_cookies_travel_by_tls_unless_it_is_loopback(tmp_path):
    import os
    import subprocess
    import sys

    program = (
        "from confide.server import settings as s\n"
        "print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE)\n"
        "print(s.SECURE_SSL_REDIRECT, s.SECURE_HSTS_SECONDS > 0)"
    )
    for environment, expected in [
        ({}, "True"),
        ({"CONFIDE_PLAIN_HTTP": "1"}, "False"),
        ({"CONFIDE_PLAIN_HTTP": "1", "CONFIDE_HOST": "0.0.0.0"}, "True"),
    ]:
        kept = {k: v for k, v in os.environ.items() if k != "CONFIDE_PLAIN_HTTP"}
        run = subprocess.run(
            [sys.executable, "-c", program],
            env=kept | {"CONFIDE_DATA": str(tmp_path / "none")} | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert set(run.stdout.split()) == {expected}


@pytest.mark.django_db
def test_logins_are_found_in_any_case():
    account = Account.objects.create_user("Desk@Elm.example", "only small letters", email="Desk@Elm.example")
    assert account.username == "desk@elm.example"
    assert Account.objects.get_by_natural_key("DESK@elm.example") == account
    assert account.check_password("only small letters")
    assert not Account.objects.create_user("nobody").has_usable_password()


@pytest.mark.django_db
def test_a_frozen_account_does_not_sign_in(rf):
    from django.utils import timezone

    from confide.server.adapter import Adapter

    request = rf.get("/")
    adapter = Adapter(request)
    account = Account.objects.create_user("desk@elm.example")
    arguments = {
        "email_verification": "none",
        "signal_kwargs": {},
        "email": "",
        "signup": False,
        "redirect_url": "",
    }
    assert adapter.pre_login(request, account, **arguments) is None
    account.frozen_at = timezone.now()
    stopped = []
    adapter.respond_user_inactive = lambda *people: stopped.append(people) or "stopped"
    assert adapter.pre_login(request, account, **arguments) == "stopped"
    assert not adapter.is_open_for_signup(request)
