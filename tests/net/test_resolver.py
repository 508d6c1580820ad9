"""Who is at which address."""

from __future__ import annotations

import asyncio
import socket

from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver

from skitter.clock import SystemClock
from skitter.config import Http, Limits
from skitter.net import AiohttpFetcher
from skitter.net.resolver import Resolver
from skitter.rules.groups import group_address


class Counting(ThreadedResolver):
    asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked += 1
        return await super().resolve(host, port, family)


def test_a_name_is_looked_up_once_a_minute() -> None:
    async def main() -> None:
        resolver = Resolver()
        resolver._resolver = counting = Counting()
        first = await resolver.resolve("localhost", 80)
        second = await resolver.resolve("localhost", 8080)
        assert counting.asked == 1
        assert {result["port"] for result in first} == {80}
        assert {result["port"] for result in second} == {8080}
        assert set(await resolver.addresses("localhost")) <= {"127.0.0.1", "::1"}

    asyncio.run(main())


def test_a_name_that_nobody_knows_has_no_address_and_is_asked_for_again() -> None:
    async def main() -> None:
        resolver = Resolver()
        resolver._resolver = counting = Counting()
        assert await resolver.addresses("nobody.invalid") == []
        assert await resolver.addresses("nobody.invalid") == []
        assert counting.asked == 1, "whoever connects sees what whoever has judged has seen"
        assert await resolver.addresses("nobody.invalid") == []
        assert counting.asked == 2, "and the next one asks again"

    asyncio.run(main())


def test_the_addresses_of_an_origin() -> None:
    async def main() -> None:
        fetcher = AiohttpFetcher(Http(), Limits(), SystemClock())
        assert await fetcher.addresses("http://127.0.0.9:8080") == ("127.0.0.9",)
        assert await fetcher.addresses("https://[2001:db8::1]:8443") == ("2001:db8::1",)
        assert set(await fetcher.addresses("http://localhost:1234")) <= {"127.0.0.1", "::1"}
        assert list(await fetcher.addresses("http://nobody.invalid")) == []
        await fetcher.close()
        proxied = AiohttpFetcher(Http(proxy="http://127.0.0.1:9"), Limits(), SystemClock())
        assert await proxied.addresses("http://127.0.0.9:8080") == (), "that is the proxy's to know"

    asyncio.run(main())


def test_hosts_with_the_same_addresses_have_the_same_one() -> None:
    assert group_address(["192.0.2.2", "192.0.2.1"]) == group_address(["192.0.2.1", "192.0.2.2"])
    assert group_address(["fe80::1%eth0"]) == "fe80::1"
    assert group_address([]) is None
