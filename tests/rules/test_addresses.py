"""Which addresses are of which kind, and what leads where."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitter.rules.addresses import ANY, PUBLIC, is_open, kind_named, kind_of, kind_of_all


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("8.8.8.8", ""), ("127.0.0.1", "loopback"), ("10.1.1.1", "private"), ("100.64.0.1", "private"),
        ("169.254.169.254", "metadata"), ("169.254.1.1", "link-local"), ("192.0.0.192", "metadata"),
        ("0.0.0.0", "this network"), ("::1", "loopback"), ("::", "this network"),
        ("fe80::1%eth0", "link-local"),
        ("fd00::1", "private"), ("fd00:ec2::254", "metadata"), ("::ffff:10.0.0.1", "private"),
        ("64:ff9b::a00:1", "private"), ("64:ff9b::808:808", ""), ("2002:a00:1::", "private"),
        ("::ffff:0:8.8.8.8", "translated"), ("::8.8.8.8", "translated"), ("4000::1", "reserved"),
        ("2606:4700::1", ""),
    ],
)  # fmt: skip
def test_the_kind_of_an_address(address: str, kind: str) -> None:
    assert kind_of(address) == kind


_WRAPS = [ip_network("2002::/16"), ip_network("64:ff9b::/96"), ip_network("::ffff:0:0/96")]


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_nothing_that_python_calls_private_is_public(address: IPv4Address | IPv6Address) -> None:
    """Its table is smaller than ours; it does not look into what wraps another address."""
    wraps = address.version == 6 and any(address in network for network in _WRAPS)
    if kind_of(str(address)) == PUBLIC and not wraps:
        assert address.is_global
        assert not address.is_multicast


@pytest.mark.parametrize(
    ("origin", "kind"),
    [
        ("http://127.0.0.1:8080", "loopback"), ("http://[::1]", "loopback"), ("http://localhost", "loopback"),
        ("http://a.localhost.", "loopback"), ("http://metadata.google.internal", "metadata"),
        ("http://8.8.8.8", ""), ("http://example.com", None), ("http://notlocalhost", None),
    ],
)  # fmt: skip
def test_what_a_name_shows(origin: str, kind: str | None) -> None:
    assert kind_named(origin) == kind


def test_names_with_several_answers() -> None:
    assert kind_of_all(()) == PUBLIC
    assert kind_of_all(("127.0.0.1", "::1")) == "loopback"
    assert kind_of_all(("8.8.8.8", "2606:4700::1")) == PUBLIC
    assert kind_of_all(("8.8.8.8", "10.0.0.1")) == "mixed"
    assert kind_of_all(("192.168.1.9", "fe80::1")) == "link-local+private"
    assert kind_of_all(("8.8.8.8", "169.254.169.254")) == "metadata"


def test_what_leads_where() -> None:
    for kind in ("", "loopback", "private", "multicast"):
        assert is_open(kind, ANY)
        assert is_open(kind, kind)
        assert is_open(kind, PUBLIC) is (kind == "")
        assert is_open(kind, PUBLIC, private=True)
        assert is_open(PUBLIC, kind)
    assert not is_open("private", "loopback")
    assert is_open("private", "link-local+private")
    assert not is_open("link-local+private", "private")
    for never in ("metadata", "mixed"):
        assert not any(is_open(never, reach, private=True) for reach in (ANY, PUBLIC, never))
