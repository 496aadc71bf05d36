"""Second factors: no session without one, the first by invitation alone, each code good once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from confide.access import invitations
from confide.access.entrances import Invitation, Session
from confide.access.invitations import Opens
from confide.audit.models import JournalEntry
from tests.server.crowd import Clock, everything_stored, follow
from tests.server.factored import code_of, enrol, sign_in
from tests.server.pages.surgery import PASSWORD, browser

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
SPELLED = re.compile(r'class="spelled">([A-Z2-7 ]+)<')
RECOVERY = re.compile(r"<li><code>([a-z0-9-]+)</code>")


@pytest.fixture(autouse=True)
def nobody_enrolled(surgery):
    from confide.server import factors

    for name in ("doctor", "desk"):
        factors.remove_all(surgery.account(name))


@pytest.fixture
def clock(monkeypatch, surgery):
    made = Clock()
    follow(monkeypatch, made)
    return made


def password(http, name="doctor"):
    return http.post("/sign-in", {"login": name, "password": PASSWORD})


def invite(surgery, clock, name="doctor", opens=Opens.FACTOR):
    return invitations.invite(surgery.account(name), opens, None, clock())


def secret_of(page):
    return SPELLED.search(page.content.decode())[1].replace(" ", "")


def events(name):
    account = JournalEntry.objects.filter(resource_type="SignIn").order_by("id")
    return [entry.action for entry in account.filter(actor=name)]


def inside(http):
    return http.get("/find").status_code == 200


@pytest.mark.asvs("2.3.1")
def test_a_password_alone_opens_nothing_but_the_question_for_an_invitation(surgery, clock):
    http = browser()
    assert password(http)["Location"] == "/sign-in/set-up"
    page = http.get("/sign-in/set-up").content.decode()
    assert "Enter your invitation" in page
    assert "data-passkey=" not in page, "nothing to enrol with is offered yet"
    for path in ("/find", "/", "/sessions", "/choose", f"/patients/{surgery.patient}", "/password"):
        assert http.get(path)["Location"].startswith("/sign-in"), path
    for form in (
        {"code": "123456"},
        {"credential": "{}"},
        {"password1": "eight letters", "password2": "eight letters", "code": "123456"},
        {"words": "not the words"},
    ):
        http.post("/sign-in/set-up", form)
    assert not Session.objects.exists()
    assert not surgery.account("doctor").authenticator_set.exists()
    assert not inside(http)


def test_an_invitation_enrols_an_app_once(surgery, clock):
    words = invite(surgery, clock)
    http = browser()
    password(http)
    assert http.post("/sign-in/set-up", {"words": f"  {words.upper()} "}).status_code == 302
    secret = secret_of(http.get("/sign-in/set-up"))
    wrong = http.post("/sign-in/set-up", {"code": "000000"})
    assert "not the code" in wrong.content.decode()
    assert secret_of(wrong) == secret, "whoever mistyped need not read the square again"
    done = http.post("/sign-in/set-up", {"code": code_of(secret, clock())})
    codes = RECOVERY.findall(done.content.decode())
    assert len(set(codes)) == 10
    assert inside(http)
    row = Session.objects.get()
    assert (row.factor, row.proved_at) == ("totp", clock())
    doctor = surgery.account("doctor")
    assert doctor.reset_at is None, "a first factor is no reset"
    told = events(doctor.pk)
    assert told[-4:] == ["invitation-used", "factor-added", "codes-made", "sign-in"]
    # Another browser, with the password and the same words: they are used up.
    other = browser()
    assert password(other)["Location"] == "/sign-in/factor"
    stored = list(everything_stored())
    assert not [cell for row in stored for cell in row.split() if secret in cell or words in cell]
    assert not [row for row in stored for code in codes if code in row or code.replace("-", "") in row]


def test_whoever_comes_and_goes_is_alarmed_by_nothing(surgery, clock):
    app, http = enrol(surgery.account("doctor")), browser()
    password(http)
    http.post("/sign-in/factor", {"prove-code": app.recovery[0]})
    assert inside(http)
    assert 'class="trouble"' not in http.get("/factors").content.decode()
    http.post("/sign-out")
    assert "You are not signed in" not in http.get("/sign-in").content.decode()


@pytest.mark.asvs("6.6.2")
def test_an_invitation_lapses_is_for_one_person_and_good_once(surgery, clock):
    words = invite(surgery, clock)
    http = browser()
    password(http, "desk")
    assert http.post("/sign-in/set-up", {"words": words}).status_code == 200, "another person's"
    clock.advance(hours=72)
    late = browser()
    password(late)
    assert "No good invitation" in late.post("/sign-in/set-up", {"words": words}).content.decode()
    words = invite(surgery, clock)
    first, second = browser(), browser("192.0.2.9")
    for each in (first, second):
        password(each)
        each.post("/sign-in/set-up", {"words": words})
    one, two = (secret_of(each.get("/sign-in/set-up")) for each in (first, second))
    first.post("/sign-in/set-up", {"code": code_of(one, clock())})
    assert inside(first)
    second.post("/sign-in/set-up", {"code": code_of(two, clock())})
    assert not inside(second)
    assert Invitation.objects.filter(used_at__isnull=False).count() == 1
    # A new one makes the earlier one void.
    older, newer = invite(surgery, clock, "desk"), invite(surgery, clock, "desk")
    assert invitations.find(surgery.account("desk"), older, clock()) is None
    assert invitations.find(surgery.account("desk"), newer, clock()) is not None


@pytest.mark.asvs("6.5.1")
def test_a_code_signs_in_once(surgery, clock):
    app = enrol(surgery.account("doctor"), clock())
    http = browser()
    assert password(http)["Location"] == "/sign-in/factor"
    assert not inside(http)
    assert "Is it you?" in http.get("/sign-in/factor").content.decode()
    assert http.post("/sign-in/factor", {"prove-code": "000000"}).status_code == 200
    assert not inside(http)
    code = app.code(clock())
    http.post("/sign-in/factor", {"prove-code": f"{code[:3]} {code[3:]}"})
    assert inside(http)
    again = browser()
    password(again)
    assert again.post("/sign-in/factor", {"prove-code": code}).status_code == 200, "a replay"
    assert not inside(again)
    clock.advance(seconds=60)
    again.post("/sign-in/factor", {"prove-code": app.code(clock())})
    assert inside(again)
    doctor = surgery.account("doctor")
    failed = JournalEntry.objects.filter(actor=doctor.pk, action="sign-in-failed")
    assert {entry.resource_id for entry in failed} == {"code"}


@pytest.mark.asvs("6.5.1")
def test_a_recovery_code_stands_in_once(surgery, clock):
    app = enrol(surgery.account("doctor"), clock())
    http = browser()
    password(http)
    http.post("/sign-in/factor", {"prove-code": app.recovery[3].replace("-", "").upper()})
    assert inside(http)
    assert Session.objects.get().factor == "recovery"
    again = browser()
    password(again)
    assert again.post("/sign-in/factor", {"prove-code": app.recovery[3]}).status_code == 200
    again.post("/sign-in/factor", {"prove-code": app.recovery[4]})
    assert inside(again)


@pytest.mark.asvs("6.6.3")
def test_guessing_codes_is_slowed_and_then_refused(surgery, clock):
    enrol(surgery.account("doctor"), clock())
    http = browser("203.0.113.7")
    password(http)
    answers = []
    for number in range(60):
        answer = http.post("/sign-in/factor", {"prove-code": f"{number:06}"})
        answers.append(answer.status_code)
        clock.advance(seconds=int(answer.headers.get("Retry-After", 1)))
        if number % 10 == 9:
            password(http)
    looked_at = JournalEntry.objects.filter(action="sign-in-failed").count()
    assert 429 in answers
    assert looked_at <= 50
    assert not Session.objects.exists()


@pytest.mark.asvs("6.3.3")
def test_a_session_without_a_factor_is_worth_nothing(surgery):
    http = sign_in(browser(), surgery.account("doctor"))
    assert inside(http)
    Session.objects.update(factor="")
    assert http.get("/find")["Location"].startswith("/sign-in")
    assert not Session.objects.exists()
    assert JournalEntry.objects.filter(action="session-end", resource_id="unproved").exists()


@pytest.mark.asvs("6.4.4")
def test_a_reset_opens_both_and_the_old_ones_are_gone(surgery, clock):
    from confide.server import factors

    doctor = surgery.account("doctor")
    app = enrol(doctor, clock())
    factors.remove_all(doctor)
    words = invite(surgery, clock, opens=Opens.BOTH)
    doctor.set_unusable_password()
    doctor.save()
    http = browser()
    wrong = http.post("/invitation", {"login": "doctor", "words": "not these words"})
    assert "No good invitation" in wrong.content.decode()
    assert "doctor" in wrong.content.decode()
    assert http.post("/invitation", {"login": "doctor", "words": words})["Location"] == "/sign-in/set-up"
    secret = secret_of(http.get("/sign-in/set-up"))
    form = {"password1": "short", "password2": "short", "code": code_of(secret, clock())}
    assert "at least 8" in http.post("/sign-in/set-up", form).content.decode()
    form["password1"] = "a kite over"
    assert "differ" in http.post("/sign-in/set-up", form).content.decode()
    form["password2"] = "a kite over"
    assert RECOVERY.search(http.post("/sign-in/set-up", form).content.decode())
    assert inside(http)
    doctor.refresh_from_db()
    assert doctor.check_password("a kite over")
    assert doctor.reset_at == clock()
    assert app.secret != secret


@pytest.mark.asvs("6.4.3")
def test_a_forgotten_password_leaves_the_factor_asked_for(surgery, clock):
    app = enrol(surgery.account("doctor"), clock())
    words = invite(surgery, clock, opens=Opens.PASSWORD)
    http = browser()
    http.post("/invitation", {"login": "doctor", "words": words})
    page = http.get("/sign-in/set-up").content.decode()
    assert "data-passkey=" not in page
    answer = http.post("/sign-in/set-up", {"password1": "a kite over it", "password2": "a kite over it"})
    assert answer["Location"] == "/sign-in/factor"
    assert not inside(http)
    http.post("/sign-in/factor", {"prove-code": app.code(clock())})
    assert inside(http)


@pytest.mark.asvs("7.5.1")
def test_one_more_is_added_with_a_proof_of_the_last_minute_however_long_its_page_takes(surgery, clock):
    """Scanning, typing and touching a key take their time; whoever has the session alone has not the page."""
    app = enrol(surgery.account("doctor"), clock())
    http = browser()
    password(http)
    http.post("/sign-in/factor", {"prove-code": app.recovery.pop()})

    def asks(answer):
        return "Prove that it is you" in answer.content.decode()

    def opened():
        """Press Add, and prove it; return the page's mark and the secret of the new app."""
        clock.advance(minutes=1)
        assert asks(http.get("/factors/add"))
        gone = http.post("/prove", {"next": "/factors/add", "prove-code": app.recovery.pop()})
        page = http.get(gone["Location"])
        return re.search(r'name="opened" value="(\w{64})"', page.content.decode())[1], secret_of(page)

    def add(secret, **more):
        return http.post("/factors/add", {"code": code_of(secret, clock()), **more})

    other, _ = opened()
    mark, secret = opened()
    clock.advance(minutes=9)
    for more in ({}, {"opened": ""}, {"opened": other}):
        assert asks(add(secret, **more))
    assert RECOVERY.search(add(secret, opened=mark).content.decode())
    clock.advance(minutes=1)
    assert asks(add(secret, opened=mark)), "ten minutes are the end of it"


@pytest.mark.asvs("16.5.3")
def test_without_the_keys_nobody_proves_anything(surgery, clock):
    from confide.errors import ConfideError
    from confide.server import factors
    from confide.vault.models import DataKey

    doctor, desk = surgery.account("doctor"), surgery.account("desk")
    app = enrol(doctor, clock())
    other = enrol(desk, clock())
    stolen = doctor.authenticator_set.get(type="totp")
    # A sealed secret that is moved to another account opens nothing there.
    theirs = desk.authenticator_set.get(type="totp")
    theirs.data = stolen.data
    theirs.save()
    with pytest.raises(ConfideError):
        factors.check_code(desk, app.code(clock()), clock())
    assert other.secret not in str(theirs.data)
    DataKey.objects.filter(practice="host").delete()
    factors.system().factors._host.keyring().forget()
    with pytest.raises(ConfideError):
        factors.check_code(doctor, app.code(clock()), clock())


def test_the_clock_may_be_off_by_one_step():
    from confide.server.factors import new_secret, step_of

    secret, now = new_secret(), datetime(2026, 3, 2, 9, 1, tzinfo=UTC)
    for off, good in ((-61, False), (-30, True), (0, True), (30, True), (61, False)):
        code = code_of(secret, now + timedelta(seconds=off))
        assert (step_of(secret, code, now) is not None) is good
    # RFC 6238 appendix B, the last six of its eight digits.
    known = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    for second, code in ((59, "287082"), (1111111109, "081804"), (20000000000, "353130")):
        at = datetime.fromtimestamp(second, UTC)
        assert code_of(known, at) == code
        assert step_of(known, code, at) == second // 30


def test_without_the_journal_nothing_is_enrolled_and_the_invitation_is_kept(surgery, clock):
    from tests.practice import without_journal

    words = invite(surgery, clock)
    http = browser()
    password(http)
    http.post("/sign-in/set-up", {"words": words})
    secret = secret_of(http.get("/sign-in/set-up"))
    with without_journal():
        assert http.post("/sign-in/set-up", {"code": code_of(secret, clock())}).status_code == 503
    doctor = surgery.account("doctor")
    assert not doctor.authenticator_set.exists()
    assert Invitation.objects.get().used_at is None
    assert not Session.objects.exists()
    http.post("/sign-in/set-up", {"code": code_of(secret, clock())})
    assert inside(http)


def test_forged_passkeys_and_guessed_invitations_are_counted_and_slowed(surgery, clock):
    import json
    from base64 import urlsafe_b64encode

    from confide.access.entrances import Attempt

    http = browser("203.0.113.8")
    handle = urlsafe_b64encode(surgery.account("doctor").pk.encode()).decode().rstrip("=")
    forged = json.dumps({"id": "AA", "rawId": "AA", "type": "public-key", "response": {"userHandle": handle}})
    met = []
    for credential in (forged, "{}", "[]", "not JSON", "x" * 30_000, forged, forged, forged, forged):
        http.get("/sign-in/passkey")
        met.append(http.post("/sign-in/passkey", {"prove-credential": credential}).status_code)
    assert 429 in met
    assert 500 not in met
    guessed = [
        browser("203.0.113.9").post("/invitation", {"login": "desk", "words": f"guess {n}"}).status_code
        for n in range(6)
    ]
    assert guessed[-1] == 429
    kinds = set(Attempt.objects.filter(outcome="failed").values_list("kind", flat=True))
    assert kinds == {"passkey", "invitation"}
    assert not Session.objects.exists()
