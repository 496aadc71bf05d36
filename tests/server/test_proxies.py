"""Whose word counts on where a request comes from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from confide.errors import Misconfigured
from confide.server import config
from confide.server.proxies import Origin


@pytest.mark.asvs("4.1.3", "15.3.4")
@pytest.mark.parametrize(
    ("proxies", "peer", "told", "origin"),
    [
        ((), "127.0.0.1", "203.0.113.4", "127.0.0.1"),
        (("127.0.0.1",), "203.0.113.9", "198.51.100.1", "203.0.113.9"),
        (("127.0.0.1",), "127.0.0.1", "203.0.113.4", "203.0.113.4"),
        (("127.0.0.1",), "127.0.0.1", "198.51.100.1, 203.0.113.4", "203.0.113.4"),
        (("127.0.0.1", "10.0.0.0/8"), "127.0.0.1", "203.0.113.4, 10.1.2.3", "203.0.113.4"),
        (("127.0.0.1",), "127.0.0.1", "203.0.113.4, nonsense", "127.0.0.1"),
        (("127.0.0.1",), "127.0.0.1", "", "127.0.0.1"),
        (("10.0.0.0/8",), "10.0.0.1", "10.0.0.2", "10.0.0.2"),
        (("::1",), "::1", "2001:db8::7", "2001:db8::7"),
        (("127.0.0.1",), "", "203.0.113.4", ""),
    ],
)
def test_only_what_our_proxies_say_is_believed(rf, settings, proxies, peer, told, origin):
    settings.CONFIG = replace(settings.CONFIG, proxies=proxies)
    request = rf.get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=told)
    assert Origin(lambda each: each.META["REMOTE_ADDR"])(request) == origin


def test_a_proxy_is_an_address_or_a_network(tmp_path):
    data = {"CONFIDE_DATA": str(tmp_path)}
    assert config.read(data | {"CONFIDE_PROXIES": "127.0.0.1, 10.0.0.0/8"}).proxies == (
        "127.0.0.1",
        "10.0.0.0/8",
    )
    with pytest.raises(Misconfigured, match="CONFIDE_PROXIES"):
        config.read(data | {"CONFIDE_PROXIES": "proxy.example"})
    with pytest.raises(Misconfigured, match="CONFIDE_IDLE_MINUTES"):
        config.read(data | {"CONFIDE_IDLE_MINUTES": "61"})
