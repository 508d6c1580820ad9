"""Registrable domains by the public-suffix list (its private section included)."""

from __future__ import annotations

from functools import cache

from publicsuffixlist import PublicSuffixList

__all__ = ["registrable_domain"]


@cache
def _suffixes() -> PublicSuffixList:
    # 40 ms and 4 MiB: only who asks for a domain pays. The list is part of the package.
    return PublicSuffixList()


def registrable_domain(hostname: str) -> str:
    """``www.example.co.uk`` -> ``example.co.uk``; addresses and suffixes stand for themselves."""
    name = hostname.rstrip(".")
    if name.startswith("[") or name.rpartition(".")[2].isdigit():
        return hostname
    return _suffixes().privatesuffix(name) or name
