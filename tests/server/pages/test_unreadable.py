"""What no browser sends, as somebody sends it who looks for cracks: refused in words, and no error."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode

import pytest
from django.conf import settings
from django.test import Client as Http

from tests.server.pages.surgery import browser

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
CANARY = "Zwx7Kq9Plm3Vb2Tn"


def written(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


CLIENT = b'{"type":"webauthn.get","challenge":"AAAA","origin":"http://localhost"}'


def passkey(client: bytes = CLIENT, data: bytes = bytes(37), handle: bytes = b"x") -> str:
    parts = {"clientDataJSON": client, "authenticatorData": data, "signature": b"s", "userHandle": handle}
    response = {name: written(part) for name, part in parts.items()}
    return json.dumps({"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": response})


PASSKEYS = {
    "deep": "[" * 19_000,
    "deep within": passkey(client=b"[" * 9_000),
    "a key that breaks off": passkey(data=bytes(32) + b"\x40" + bytes(22)),
    "extensions without an end": passkey(data=bytes(32) + b"\x80" + bytes(4) + b"\x81" * 3_000),
    "a NUL in whose it is": passkey(handle=b"a\0b"),
    "a number": "1" * 9_000,
}


@pytest.mark.parametrize("what", PASSKEYS)
def test_a_passkey_that_is_none_is_a_try_that_failed(surgery, what):
    from confide.access.entrances import Attempt

    http = browser()
    http.get("/sign-in/passkey")
    before = Attempt.objects.count()
    assert http.post("/sign-in/passkey", {"prove-credential": PASSKEYS[what]})["Location"] == "/sign-in"
    assert Attempt.objects.count() == before + 1
    doctor = surgery.sign_in("doctor")
    doctor.get("/prove")
    assert b"That did not prove it" in doctor.post("/prove", {"prove-credential": PASSKEYS[what]}).content


@pytest.mark.parametrize("path", ["/", "/sign-in", "/fhir/R4/metadata"])
@pytest.mark.parametrize("key", [f'"{"a" * 31}\\000"', '"\\377' * 9 + '"', "../../" * 6, "A" * 32])
def test_a_cookie_that_we_did_not_make_is_nobodys(path, key):
    response = Http().get(path, headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}={key}"})
    assert response.status_code == Http().get(path).status_code


@pytest.mark.parametrize(
    ("path", "form"),
    [
        (f"/incidents/{CANARY}%00/notices", None),
        (f"/letters/{CANARY}%00", None),
        (f"/watch/{CANARY}%00", None),
        (f"/journal/search?actor={CANARY}%00", None),
        ("/watch", {"finding": f"{CANARY}\0", "answer": "own"}),
        ("/emergencies", {"allow": f"{CANARY}\0"}),
    ],
)
def test_a_nul_is_in_no_text(surgery, path, form):
    http = surgery.sign_in("privacy")
    response = http.get(path) if form is None else http.post(path, form)
    assert response.status_code == 400
    assert CANARY.encode() not in response.content


@pytest.mark.parametrize("wanted", ["foo", "a/b", "?"])
def test_a_word_leads_to_no_view(surgery, wanted):
    assert surgery.sign_in("doctor").post("/prove", {"next": wanted})["Location"] == wanted


@pytest.mark.parametrize("number", ["9" * 5_000, "9" * 30, "-1", "\u0663"])
def test_a_number_that_no_row_has(surgery, number):
    privacy = surgery.sign_in("privacy")
    assert "The last one stays" in privacy.post("/factors", {"remove": number}).content.decode()
    assert privacy.post("/people", {"approve": number}).status_code in {403, 404}
