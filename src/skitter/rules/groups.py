"""Hosts at one address are one server, and share a window.

A thousand sites on one machine would otherwise be asked a thousand times as much at once. Networks where
an address says nothing of the machine behind it are exempt: each of their hosts has a window of its own.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from weakref import WeakValueDictionary

from skitter.config import Politeness
from skitter.rules.host import new_window
from skitter.rules.url import hostname_of
from skitter.rules.window import Window

__all__ = ["NETWORKS", "Groups", "group_address", "literal_address"]

Network = IPv4Network | IPv6Network

# Front ends that stand for many servers, as their operators publish them (as of 2026): Cloudflare
# (cloudflare.com/ips), Fastly (api.fastly.com/public-ip-list; GitHub Pages is behind it, and has
# 185.199.108.0/22 of its own), Amazon CloudFront (ip-ranges.json, its larger networks).
_CDN = """
173.245.48.0/20 103.21.244.0/22 103.22.200.0/22 103.31.4.0/22 141.101.64.0/18 108.162.192.0/18
190.93.240.0/20 188.114.96.0/20 197.234.240.0/22 198.41.128.0/17 162.158.0.0/15 104.16.0.0/13
104.24.0.0/14 172.64.0.0/13 131.0.72.0/22
2400:cb00::/32 2606:4700::/32 2803:f800::/32 2405:b500::/32 2405:8100::/32 2a06:98c0::/29 2c0f:f248::/32
23.235.32.0/20 43.249.72.0/22 103.244.50.0/24 103.245.222.0/23 103.245.224.0/24 104.156.80.0/20
140.248.64.0/18 140.248.128.0/17 146.75.0.0/17 151.101.0.0/16 157.52.64.0/18 167.82.0.0/17
167.82.128.0/20 167.82.160.0/20 167.82.224.0/20 172.111.64.0/18 185.31.16.0/22 199.27.72.0/21
199.232.0.0/16 2a04:4e40::/32 2a04:4e42::/32 185.199.108.0/22 2606:50c0:8000::/46
13.32.0.0/15 13.35.0.0/16 13.224.0.0/14 13.249.0.0/16 18.64.0.0/14 18.160.0.0/15 18.164.0.0/15
18.172.0.0/15 18.238.0.0/15 18.244.0.0/15 52.84.0.0/15 52.222.128.0/17 54.182.0.0/16 54.192.0.0/16
54.230.0.0/16 54.239.128.0/18 54.240.128.0/18 65.8.0.0/16 65.9.0.0/17 99.84.0.0/16 99.86.0.0/16
108.138.0.0/15 108.156.0.0/14 143.204.0.0/16 205.251.192.0/19 2600:9000::/28
"""
_LOOPBACK = "127.0.0.0/8 ::1/128"

# What --separate knows by name.
NETWORKS = {
    "cdn": tuple(_CDN.split()),
    "loopback": tuple(_LOOPBACK.split()),
    "all": ("0.0.0.0/0", "::/0"),
    "none": (),
}
_DEFAULT = ("cdn", "loopback")


class Groups:
    """The windows that are shared, by address. A window is gone when no host has it any more."""

    def __init__(self, settings: Politeness) -> None:
        self._settings = settings
        names = settings.separate or _DEFAULT
        texts = [network for name in names for network in NETWORKS.get(name, (name,))]
        self._separate: list[Network] = [ip_network(text, strict=False) for text in texts]
        self._shared: WeakValueDictionary[str, Window] = WeakValueDictionary()
        # Nothing is shared anywhere: then nobody needs to know addresses.
        self.are_off = "all" in names

    def window_at(self, address: str | None) -> Window | None:
        """The window that all hosts at ``address`` share; None if each has its own there."""
        if address is None or self._is_separate(address):
            return None
        window = self._shared.get(address)
        if window is None:
            window = self._shared[address] = new_window(self._settings)
        return window

    def _is_separate(self, address: str) -> bool:
        place = ip_address(address)
        if place.version == 6 and place.ipv4_mapped is not None:
            place = place.ipv4_mapped
        return any(place in network for network in self._separate if network.version == place.version)


def literal_address(origin: str) -> str | None:
    """The address that an origin names itself; None if it has a name to be looked up."""
    host = hostname_of(f"{origin}/")
    if host.startswith("["):
        return str(ip_address(host[1:-1]))
    # Of a canonical host, a last label of digits makes an IPv4 address (URL Standard, "ends in a number").
    return host if host.rpartition(".")[2].isdigit() else None


def group_address(addresses: Collection[str]) -> str | None:
    """The address that stands for a host with several: the same for all hosts that have the same ones."""
    return min((address.partition("%")[0] for address in addresses), default=None)
