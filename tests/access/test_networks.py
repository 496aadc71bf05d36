"""Where a program may come from."""

from __future__ import annotations

import pytest

from confide.access.networks import MOST, covers, normalise
from confide.errors import Invalid


@pytest.mark.parametrize(
    ("networks", "inside", "outside"),
    [
        (["203.0.113.4"], ["203.0.113.4", "::ffff:203.0.113.4"], ["203.0.113.5", "::1", "2001:db8::1"]),
        (["10.20.0.0/16"], ["10.20.0.0", "10.20.255.255"], ["10.21.0.0", "10.19.255.255", "::a14:0"]),
        (["2001:db8::/32"], ["2001:db8::", "2001:db8:ffff::1"], ["2001:db9::", "32.1.13.184"]),
        (["10.0.0.0/8", "2001:db8::7"], ["10.1.1.1", "2001:db8::7"], ["2001:db8::8", "11.0.0.0"]),
        (["0.0.0.0/0"], ["203.0.113.4"], ["2001:db8::7"]),
        (["10.0.0.0/8"], [], ["", "nonsense", "10.0.0.1, 10.0.0.2", "10.0.0.1:443", " 10.0.0.1", "10.1"]),
    ],
)
def test_what_a_network_covers(networks: list[str], inside: list[str], outside: list[str]) -> None:
    kept = normalise(networks)
    assert all(covers(kept, address) for address in inside)
    assert not any(covers(kept, address) for address in outside)


def test_no_network_is_anywhere() -> None:
    assert covers([], "203.0.113.4")
    assert covers([], "")


def test_how_networks_are_kept() -> None:
    kept = ["203.0.113.4/32", "2001:db8::/32"]
    assert normalise(["203.0.113.4", "2001:DB8:0::/32", "203.0.113.4/32"]) == kept


@pytest.mark.parametrize(
    "text", ["", "proxy.example", "10.0.0.1/8", "10.0.0.0/33", "::ffff:10.0.0.0/104", "10.1"]
)
def test_what_is_no_network(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        normalise([text])
    assert not text or text not in str(refusal.value)


def test_there_are_not_too_many() -> None:
    with pytest.raises(Invalid, match="at most"):
        normalise(f"10.0.{number}.0/24" for number in range(MOST + 1))
