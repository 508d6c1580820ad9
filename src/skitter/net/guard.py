"""The guard: no socket is opened to an address that the request may not reach.

The engine asks nobody whose address it has judged and refused (:mod:`skitter.rules.addresses`). Names may
change their answers between that judgement and the connection, and literal addresses pass no resolver: so
the same rule stands once more where sockets are made, for every attempt. Of a kept connection it is known
where it leads by its host's name.
"""

from __future__ import annotations

import errno
import socket
from collections import OrderedDict
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, Protocol
from urllib.parse import urlsplit

from skitter.rules.addresses import is_open, kind_named, kind_of, kind_of_all
from skitter.rules.groups import literal_address
from skitter.rules.url import hostname_of, origin_of

__all__ = ["Guard", "RefusedAddress", "Traveller"]

# Names whose kind is remembered: longer than any connection to them is kept.
_MOST = 20_000


class RefusedAddress(OSError):
    """This address is not to be contacted."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "refused")


class Traveller(Protocol):
    """A request on its way: what it may reach, and whether the guard has stopped it."""

    reach: str  # the kind of addresses that it was found to lead to when it was admitted
    refused: bool


# aiohttp says for which address a socket is wanted, and not for which request. Tasks that it starts to try
# several addresses inherit this.
_traveller: ContextVar[Traveller] = ContextVar("traveller")


class Guard:
    """Judges addresses for one fetcher."""

    def __init__(self, proxy: str | None, *, private: bool) -> None:
        """``private`` is --allow-private. ``proxy`` is the operator's own, and may be anywhere."""
        self._private = private
        place = urlsplit(proxy) if proxy else None
        self._proxy = (place.hostname or "").rstrip(".") if place else None
        self._proxies: set[str] = set()  # its addresses
        if proxy and self._proxy and (literal := literal_address(_origin(self._proxy))):
            self._proxies.add(literal)
        self._kinds: OrderedDict[str, str] = OrderedDict()

    def admit(self, url: str, traveller: Traveller) -> None:
        """A request sets out for ``url`` (canonical). Raises RefusedAddress."""
        _traveller.set(traveller)
        named = kind_named(origin_of(url)) if self._proxy is not None else None
        kind = named if named is not None else self._known(url)
        if kind is not None and not self._opens(kind, traveller):
            raise self._refusal(traveller)

    def _known(self, url: str) -> str | None:
        """What is known of where a URL leads, without a question to anybody."""
        host = hostname_of(url)
        literal = literal_address(origin_of(url))
        return self._kinds.get(host) if literal is None else kind_of(literal)

    def judge(self, host: str, addresses: Iterable[str]) -> None:
        """``host`` has been resolved. Raises RefusedAddress if one of its addresses is not for the traveller
        (THREATS S4)."""
        addresses = tuple(addresses)
        if self._proxy is not None:
            if host.rstrip(".") == self._proxy:
                self._proxies.update(addresses)
            return
        kind = kind_of_all(addresses)
        self._kinds[host] = kind
        self._kinds.move_to_end(host)
        if len(self._kinds) > _MOST:
            self._kinds.popitem(last=False)
        traveller = _traveller.get(None)
        if traveller is not None and not self._opens(kind, traveller):
            raise self._refusal(traveller)

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for an address that is about to be dialled. Raises RefusedAddress."""
        family, kind, protocol, _, where = info
        traveller = _traveller.get()
        address = where[0].partition("%")[0]
        if self._proxy is not None:
            open_ = address in self._proxies and kind_of(address) != "metadata"
        else:
            open_ = self._opens(kind_of(address), traveller)
        if not open_:
            raise self._refusal(traveller)
        return socket.socket(family, kind, protocol)

    def _opens(self, kind: str, traveller: Traveller) -> bool:
        return is_open(kind, traveller.reach, private=self._private)

    @staticmethod
    def _refusal(traveller: Traveller) -> RefusedAddress:
        traveller.refused = True
        return RefusedAddress()


def _origin(host: str) -> str:
    return f"http://[{host}]" if ":" in host else f"http://{host}"
