"""Which addresses are out on the internet, and which names a pin lets through."""

import pytest

from shared.http.addresses import is_one_of, is_public


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff0e::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),
        ("::7f00:1", False),
        ("fec0::1", False),
        ("64:ff9b:1::a00:1", False),
    ],
)
def test_only_addresses_on_the_internet_are_public(address: str, public: bool) -> None:
    """Private, loopback, link-local, metadata, multicast; also when written as IPv6."""
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("host", "patterns", "allowed"),
    [
        pytest.param("api.example.com", ["api.example.com"], True, id="the name itself"),
        pytest.param("API.Example.com.", ["api.example.COM"], True, id="capitals and final dot"),
        pytest.param("x.example.com", ["api.example.com"], False, id="another name"),
        pytest.param("api.example.com.evil.org", ["api.example.com"], False, id="as a beginning"),
        pytest.param("evilexample.com", ["*.example.com"], False, id="no dot before the end"),
        pytest.param("eu.api.example.com", ["*.example.com"], True, id="two below"),
        pytest.param("example.com", ["*.example.com"], False, id="not below but itself"),
        pytest.param(".example.com", ["*.example.com"], False, id="nothing below"),
        pytest.param("b.example.net", ["a.example.net", "*.example.net"], True, id="one of two"),
        pytest.param("api.example.com", [], False, id="no pattern, no host"),
    ],
)
def test_a_pin_lets_through_what_it_names(host: str, patterns: list[str], allowed: bool) -> None:
    """A whole name, or whatever is below one; a look-alike is neither."""
    assert is_one_of(host, patterns) is allowed
