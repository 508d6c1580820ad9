"""A small Internet for tests of the guard: one loopback address stands for a public one, names resolve to
what a test says, and every address that is about to be dialled is noted.

Nothing but the test's own server is ever connected to: what the guard lets through to any other address is
noted, and refused here.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp.abc import ResolveResult

from skitter.net import resolver as resolving
from skitter.net.guard import Guard
from skitter.rules import addresses

__all__ = ["FORBIDDEN", "PUBLIC", "World", "world"]

PUBLIC = "127.0.0.77"  # "public" while a world is there

_FORBIDDEN = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.254 127.0.0.1 127.0.0.2 127.255.255.254
169.254.0.1 169.254.169.254 169.254.170.2 169.254.170.23 172.16.0.1 172.31.255.255 192.0.0.8 192.0.0.192
192.0.2.1 192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9
224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 168.63.129.16 100.100.100.200
::1 :: fe80::1 febf::1 fec0::1 fc00::1 fd00:ec2::254 fd12:3456::1 fdff::1 ff02::1 ff0e::1 2001:db8::1
2001::1 2001:2::1 2001:10::1 3fff::1 5f00::1 100::1 64:ff9b::a9fe:a9fe 64:ff9b::7f00:1 64:ff9b:1::a9fe:a9fe
2002:a9fe:a9fe:: 2002:7f00:1:: 2002:a00:1:: ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:10.0.0.1
::169.254.169.254 ::127.0.0.1 ::ffff:0:169.254.169.254 4000::1 8000::1
"""
FORBIDDEN = _FORBIDDEN.split()


class World:
    """``names`` has the answers of each name, one list a look-up, the last one for ever; ``dials`` what the
    guard let through; ``asked`` the names that were looked up."""

    def __init__(self) -> None:
        self.names: dict[str, list[list[str]]] = {}
        self.dials: list[tuple[str, int]] = []
        self.asked: list[str] = []
        self.ours: set[str] = {PUBLIC}

    def name(self, host: str, *answers: list[str]) -> None:
        self.names[host] = list(answers)

    @property
    def strangers(self) -> list[tuple[str, int]]:
        """Dials that went to neither the public address nor what a test has allowed."""
        return [dial for dial in self.dials if dial[0] not in self.ours]


@contextmanager
def world() -> Iterator[World]:
    made = World()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(addresses, "_TABLES", {**addresses._TABLES, 4: _without(PUBLIC)})
        patch.setattr(resolving, "ThreadedResolver", lambda names: _Names(made))
        patch.setattr(resolving, "_KEPT", -1.0)
        real = Guard.socket

        def stub(guard: Guard, info: tuple[Any, ...]) -> socket.socket:
            opened = real(guard, info)
            made.dials.append((info[4][0], info[4][1]))
            if info[4][0] in made.ours:
                return opened
            opened.close()
            raise ConnectionRefusedError(f"a test must not dial {info[4][0]}")

        patch.setattr(Guard, "socket", stub)
        addresses.kind_of.cache_clear()
        try:
            yield made
        finally:
            patch.undo()
            addresses.kind_of.cache_clear()


def _without(address: str) -> list[Any]:
    table: list[Any] = []
    network: Any
    for network, kind in addresses._TABLES[4]:
        if kind == "loopback":
            table += [(rest, kind) for rest in network.address_exclude(ip_network(address))]
        else:
            table.append((network, kind))
    return table


class _Names:
    def __init__(self, made: World) -> None:
        self._world = made

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        self._world.asked.append(host)
        answers = self._world.names.get(host)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            ResolveResult(
                hostname=host, host=address, port=port, proto=0, flags=0,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
            )
            for address in answer
        ]  # fmt: skip
