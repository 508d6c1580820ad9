"""Which addresses a stranger may send us to: the address table, and the rule of the guard.

An address is of a *kind*: ``""`` for the public Internet, else a word such as ``loopback`` or
``private``. The user opens a kind by naming a seed there; what is found on a host of a kind may lead
to that kind again, and to the public. So a public page never leads to a private address, also if
another seed of the same run is private. Metadata services are opened by nothing.

The table follows the IANA special-purpose registries (iana.org/assignments/iana-ipv4-special-registry
and iana-ipv6-special-registry). ``ipaddress.is_global`` differs between versions of Python and lets
multicast, site-local and translated addresses through.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from skitter.rules.groups import literal_address
from skitter.rules.url import hostname_of

__all__ = ["ANY", "PUBLIC", "REFUSED", "is_open", "kind_named", "kind_of", "kind_of_all"]

PUBLIC = ""
# For what the user has named himself, wherever it is.
ANY = "any"
# The same for all, whatever is there: no page is to learn from our records what a network looks like (S5).
REFUSED = "this address is not contacted"
# Answers of one name that are of several kinds: whatever points inside and outside is an attack or an error.
_MIXED = "mixed"
_METADATA = "metadata"
_NEVER = frozenset({_MIXED, _METADATA})

# Services that hand out a machine's credentials to whoever asks from it: AWS, GCP, Azure and most others
# (169.254.169.254), AWS ECS and EKS, AWS DNS and time, Oracle, Azure's wire server, Alibaba, AWS and
# GCP over IPv6. As their manuals name them (2026).
_METADATA_ADDRESSES = """
169.254.169.254 169.254.170.2 169.254.170.23 169.254.169.253 169.254.169.123 192.0.0.192
168.63.129.16 100.100.100.200 fd00:ec2::254 fd00:ec2::253 fd00:ec2::123 fd00:ec2::23 fd20:ce::254
"""
# Names of the same; behind a proxy nothing but the name is known.
_METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})

_IPV4 = (
    ("0.0.0.0/8", "this network"), ("10.0.0.0/8", "private"), ("100.64.0.0/10", "private"),
    ("127.0.0.0/8", "loopback"), ("169.254.0.0/16", "link-local"), ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol"), ("192.0.2.0/24", "documentation"), ("192.88.99.0/24", "6to4 relay"),
    ("192.168.0.0/16", "private"), ("198.18.0.0/15", "benchmark"), ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"), ("224.0.0.0/4", "multicast"), ("240.0.0.0/4", "reserved"),
)  # fmt: skip
# Global unicast is 2000::/3 and nothing else (RFC 4291, 2.4): whatever is missing here outside of it is
# reserved. Within 2001::/23 a few blocks are global, and none has web servers.
_IPV6 = (
    ("::/128", "this network"), ("::1/128", "loopback"), ("::/96", "translated"),
    ("::ffff:0:0:0/96", "translated"), ("64:ff9b:1::/48", "translated"), ("100::/64", "discard"),
    ("2001::/32", "Teredo"), ("2001::/23", "protocol"), ("2001:db8::/32", "documentation"),
    ("3fff::/20", "documentation"), ("5f00::/16", "segment routing"), ("fc00::/7", "private"),
    ("fe80::/10", "link-local"), ("fec0::/10", "site-local"), ("ff00::/8", "multicast"),
)  # fmt: skip

_Table = list[tuple[IPv4Network | IPv6Network, str]]
_TABLES: dict[int, _Table] = {
    4: [(ip_network(network), kind) for network, kind in _IPV4],
    6: [(ip_network(network), kind) for network, kind in _IPV6],
}
_SERVICES = frozenset(ip_address(address) for address in _METADATA_ADDRESSES.split())
_GLOBAL_UNICAST = ip_network("2000::/3")
# An IPv4 address within an IPv6 one, and how many bits follow it: mapped (RFC 4291, 2.5.5.2), NAT64
# (RFC 6052, 2.1), 6to4 (RFC 3056, 2).
_WRAPPED = (
    (IPv6Network("::ffff:0:0/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("2002::/16"), 80),
)


@lru_cache(maxsize=4096)
def kind_of(address: str) -> str:
    """The kind of an address; ``""`` is public. A zone (``fe80::1%eth0``) is ignored. Raises ValueError for
    what is no address."""
    place = _unwrapped(ip_address(address.partition("%")[0]))
    if place in _SERVICES:
        return _METADATA
    for network, kind in _TABLES[place.version]:
        if place in network:
            return kind
    return PUBLIC if place.version == 4 or place in _GLOBAL_UNICAST else "reserved"


def _unwrapped(place: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The address that a translator on the way would send to."""
    if isinstance(place, IPv6Address):
        for network, bits in _WRAPPED:
            if place in network:
                return IPv4Address(int(place) >> bits & 0xFFFFFFFF)
    return place


def kind_of_all(addresses: Collection[str]) -> str:
    """The kind of a name with these addresses; that of none is public. Several kinds that are all inside
    (``192.168.1.9`` and ``fe80::1`` of one machine) are one, as in ``link-local+private``."""
    kinds = set(map(kind_of, addresses))
    if _METADATA in kinds:
        return _METADATA
    if PUBLIC in kinds and len(kinds) > 1:
        return _MIXED
    return "+".join(sorted(kinds))


def kind_named(origin: str) -> str | None:
    """The kind that an origin shows itself, by a literal address or a name that stands for one (RFC 6761,
    6.3: localhost); None if its name has to be looked up."""
    literal = literal_address(origin)
    if literal is not None:
        return kind_of(literal)
    name = hostname_of(f"{origin}/").rstrip(".")
    if name in _METADATA_NAMES:
        return _METADATA
    return "loopback" if name == "localhost" or name.endswith(".localhost") else None


def is_open(kind: str, reach: str, *, private: bool = False) -> bool:
    """May a host of ``kind`` be contacted? ``reach`` is the kind of the host that has led there, ANY for a
    seed that the user named; ``private`` is --allow-private."""
    if kind in _NEVER:
        return False
    if private or reach == ANY or kind in (PUBLIC, reach):
        return True
    return set(kind.split("+")) <= set(reach.split("+"))
