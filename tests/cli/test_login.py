"""`confide staff connect`: a login of the practice's identity provider, connected at the terminal."""

from __future__ import annotations

from tests.cli.office import Office
from tests.server.test_config import ELM

SUBJECT = "8f1c2e54-subject"


def test_a_login_elsewhere_is_connected_and_disconnected(office: Office) -> None:
    toml = office.confide.data / "confide.toml"
    toml.write_text(toml.read_text() + "\n" + ELM.replace('practices = ["p1"]', ""))
    connect = ("staff", "connect", "desk", "--at", "elm", "--subject", SUBJECT)
    assert "made   connection" in office(*connect)
    assert "kept   connection" in office(*connect)
    [(uid, provider, extra)] = office.ask("SELECT uid, provider, extra_data FROM socialaccount_socialaccount")
    assert (provider, extra) in (("elm", "{}"), ("elm", {}))
    assert SUBJECT not in uid
    [(reset,)] = office.ask("SELECT reset_at FROM access_account WHERE username = 'desk'")
    assert reset is not None, "whoever was connected by somebody else approves nothing yet"
    assert "another person" in office("staff", "connect", "mlopez", *connect[3:], exits=1)
    assert "there already" in office(*connect[:-1], "another", exits=1)
    assert "printable" in office(*connect[:-1], "a\tb", exits=2)
    assert "no such identity provider" in office(
        "staff", "connect", "desk", "--at", "oak", *connect[5:], exits=3
    )
    assert "no such person" in office("staff", "connect", "nobody", *connect[3:], exits=3)
    assert "ok     disconnected" in office("staff", "disconnect", "desk", "--at", "elm")
    assert "no login there" in office("staff", "disconnect", "desk", "--at", "elm", exits=3)
    told = office.ask(
        "SELECT action, credential FROM audit_journalentry WHERE action LIKE 'login-%' ORDER BY id"
    )
    assert told == [("login-connected", "terminal"), ("login-disconnected", "terminal")]
