"""Where a program may come from: addresses and networks, IPv4 and IPv6. None registered is anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from confide.errors import Invalid

MOST: Final = 64
_Address = IPv4Address | IPv6Address


def normalise(texts: Iterable[str]) -> list[str]:
    """Return networks as they are kept, each once.

    Args:
        texts: Such as ``203.0.113.4``, ``10.20.0.0/16`` or ``2001:db8::/32``.

    Raises:
        Invalid: One is no network, has bits set behind its prefix, or there are too many.
    """
    found: list[str] = []
    for text in texts:
        try:
            network = ip_network(text)
        except ValueError:
            raise Invalid(
                "a network is an address or has a prefix, such as 203.0.113.4, 10.20.0.0/16 or 2001:db8::/32"
                " (with zeros behind the prefix)"
            ) from None
        if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped:
            raise Invalid("an IPv4 network is written as one, not as ::ffff:...")
        if str(network) not in found:
            found.append(str(network))
    if len(found) > MOST:
        raise Invalid(f"a program has {MOST} networks at most")
    return found


def covers(networks: Iterable[str], address: str) -> bool:
    """Tell whether a request from *address* comes from one of *networks*.

    Args:
        networks: As `normalise` has made them; none at all is anywhere.
        address: The address that a request came from. One that cannot be read is in no network.
    """
    listed = tuple(networks)
    if not listed:
        return True
    here = _read(address)
    if here is None:
        return False
    return any(here.version == network.version and here in network for network in map(ip_network, listed))


def _read(address: str) -> _Address | None:
    try:
        found = ip_address(address)
    except ValueError:
        return None
    # A server that listens on IPv6 sees IPv4 so.
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
