"""The configuration: file, environment, and what is refused."""

from pathlib import Path

import pytest

from confide.errors import Misconfigured
from confide.server import config


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def read(data, text="", **environ):
    (data / "confide.toml").write_text(text)
    return config.read({"CONFIDE_DATA": str(data), **environ})


def test_defaults_keep_the_keyring_out_of_the_data(data):
    found = config.read({"CONFIDE_DATA": str(data)})
    assert found.keyring == data.parent / "data-keys" / "keyring.json"
    assert found.secret == data.parent / "data-keys" / "session.key"
    assert found.database_url == f"sqlite:///{data}/confide.sqlite3"
    assert found.keys_database_url == f"sqlite:///{data}/keys.sqlite3"
    assert (found.host, found.port, found.plain_http) == ("127.0.0.1", 8100, False)


def test_without_a_variable_it_is_in_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert config.read({}).data == tmp_path / ".confide"


def test_the_environment_wins(data):
    text = '[server]\nport = 9000\nlog_level = "debug"\n[budget]\nclient_ceiling_patients = 300\n'
    found = read(data, text, CONFIDE_PORT="9001", CONFIDE_ALLOWED_HOSTS="a.example, b.example")
    assert (found.port, found.log_level, found.client_ceiling_patients) == (9001, "DEBUG", 300)
    assert found.allowed_hosts == ("a.example", "b.example")


def test_a_relative_keyring_is_beside_the_file(data):
    assert read(data, '[keys]\nkeyring = "../k/keyring.json"\n').keyring == data / "../k/keyring.json"


def test_what_is_written_is_read_back(data):
    found = read(
        data,
        CONFIDE_PORT="9001",
        CONFIDE_DEMO="true",
        CONFIDE_CODE_SYSTEMS="https://elm.example/codes",
        CONFIDE_KEYRING='/srv/a "quoted" \\ name',
        DATABASE_URL="postgres://u:p%40@db.example/confide",
    )
    assert read(data, config.format(found)) == found


@pytest.mark.asvs("1.3.3")
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[server]\nport = 0\n", "server.port"),
        ("[server]\nport = true\n", "server.port"),
        ('[server]\nport = "http"\n', "server.port"),
        ('[server]\nhost = ""\n', "server.host"),
        ('[server]\nallowed_hosts = ["*"]\n', "server.allowed_hosts"),
        ('[server]\nlog_level = "LOUD"\n', "server.log_level"),
        ('[server]\nplain_http = "perhaps"\n', "server.plain_http"),
        ("[server]\nprot = 1\n", "server.prot"),
        ("top = 1\n", "top"),
        ("[server\n", "confide.toml"),
    ],
)
def test_what_is_wrong_is_named(data, text, place):
    with pytest.raises(Misconfigured, match=place):
        read(data, text)


def test_a_wrong_value_is_not_repeated(data):
    for text in ('[server]\nlog_level = "S3cret"\n', '[server]\nport = "S3cret"\n', "S3cret"):
        with pytest.raises(Misconfigured) as caught:
            read(data, text)
        assert "S3cret" not in str(caught.value)


@pytest.mark.asvs("13.3.1")
def test_secrets_do_not_show(data):
    found = read(data, DATABASE_URL="postgres://u:S3cret@h/n", CONFIDE_PASSPHRASE="S3cret")
    assert "S3cret" not in repr(found)
    assert found.passphrase == "S3cret"


# What may be served


def test_a_sound_installation_may_be_served(data):
    found = read(data)
    config.create_secret(found.secret)
    found.check()
    assert found.secret.stat().st_mode & 0o777 == 0o600
    assert found.secret.parent.stat().st_mode & 0o777 == 0o700


def test_the_secret_is_made_once(data):
    secret = read(data).secret
    config.create_secret(secret)
    first = config.read_secret(secret)
    config.create_secret(secret)
    assert config.read_secret(secret) == first


def test_a_keyring_among_the_data_is_refused_outside_the_demo(data):
    text = '[keys]\nkeyring = "keyring.json"\n'
    config.create_secret(read(data, text).secret)
    with pytest.raises(Misconfigured, match="keyring"):
        read(data, text).check()
    read(data, text, CONFIDE_DEMO="true").check()


@pytest.mark.asvs("12.2.1")
def test_plain_http_is_for_loopback(data):
    found = read(data, CONFIDE_PLAIN_HTTP="yes", CONFIDE_HOST="0.0.0.0")
    config.create_secret(found.secret)
    with pytest.raises(Misconfigured, match="plain_http"):
        found.check()


def test_a_secret_that_is_missing_short_or_open_is_refused(data):
    found = read(data)
    with pytest.raises(Misconfigured, match="cannot be read"):
        found.check()
    config.create_secret(found.secret)
    found.secret.chmod(0o640)
    with pytest.raises(Misconfigured, match="others"):
        found.check()
    found.secret.chmod(0o600)
    found.secret.write_text("short")
    with pytest.raises(Misconfigured, match="short"):
        found.check()


ELM = """[oidc.elm]
name = "Elm Clinic"
issuer = "https://login.elm.example/realms/elm"
client_id = "confide"
secret_file = "../elm.secret"
acr = ["urn:elm:two-factors"]
amr = ["mfa", "hwk"]
practices = ["p1"]
"""


def test_an_identity_provider_is_read_and_written(data):
    found = read(data, ELM)
    assert found.issuers[0].secret_file == data / "../elm.secret"
    assert found.issuers[0].amr == ("mfa", "hwk")
    assert read(data, config.format(found)) == found
    silent = read(data, ELM.partition("acr")[0])
    assert (silent.issuers[0].acr, silent.issuers[0].amr, silent.issuers[0].practices) == ((), ("mfa",), ())


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("https://login", "http://login", "oidc.elm.issuer"),
        ("realms/elm", "realms/elm?x=1", "oidc.elm.issuer"),
        ("https://login.elm.example/realms/elm", "elm", "oidc.elm.issuer"),
        ('client_id = "confide"', "client_id = 7", "oidc.elm.client_id"),
        ('secret_file = "../elm.secret"', 'secret = "in clear"', "oidc.elm.secret is not a setting"),
        ('amr = ["mfa", "hwk"]', 'amr = "mfa"', "oidc.elm.amr"),
        ("[oidc.elm]", "[oidc.openid_connect]", "1 to 32"),
        ("[oidc.elm]", "[oidc]", "for each provider"),
        ("[oidc.elm]", "[oidc.other]\n" + ELM.partition("\n")[2] + "[oidc.elm]", "two tables"),
    ],
)
def test_what_is_wrong_about_an_identity_provider_is_named(data, old, new, place):
    with pytest.raises(Misconfigured, match=place) as caught:
        read(data, ELM.replace(old, new))
    assert "in clear" not in str(caught.value)


@pytest.mark.asvs("13.3.2")
def test_its_secret_is_its_owners_alone(data):
    [issuer] = read(data, ELM).issuers
    with pytest.raises(Misconfigured, match="cannot be read"):
        issuer.secret()
    issuer.secret_file.touch(0o600)
    with pytest.raises(Misconfigured, match="empty"):
        issuer.secret()
    issuer.secret_file.write_text("a secret\n")
    assert issuer.secret() == "a secret"
    issuer.secret_file.chmod(0o640)
    with pytest.raises(Misconfigured, match="by others"):
        issuer.secret()
    assert "a secret" not in repr(issuer)
