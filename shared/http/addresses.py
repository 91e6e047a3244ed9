"""Which addresses and names an outward connection may go to. Pure.

In: an IP address or a host name as it is dialled or asked for. Out: yes or no.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

#: Ranges of IPv6 that the standard library calls global, and that lead inside: IPv4 addresses
#: written as `::a.b.c.d`, and networks that translate to IPv4 locally.
_INSIDE = (IPv6Network("::/96"), IPv6Network("64:ff9b:1::/48"))


def is_public(address: str) -> bool:
    """Tell whether an address is out on the internet, whichever way it is written."""
    ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        embedded = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        # 64:ff9b::/96 is how a translating network writes an IPv4 address.
        if embedded is None and ip.packed.startswith(bytes.fromhex("0064ff9b0000000000000000")):
            embedded = IPv4Address(ip.packed[-4:])
        if embedded is not None:
            return is_public(str(embedded))
        if ip.is_site_local or any(ip in network for network in _INSIDE):
            return False
    return ip.is_global and not ip.is_multicast


def is_one_of(host: str, patterns: Sequence[str]) -> bool:
    """Tell whether a host fits a pattern: a whole name, or `*.name` for whatever is below it.

    A trailing dot and capitals change nothing; `*.name` is not `name` itself.
    """
    asked = host.lower().removesuffix(".")
    for pattern in patterns:
        named = pattern.lower()
        if named.startswith("*."):
            if asked.endswith(named[1:]) and len(asked) > len(named) - 1:
                return True
        elif asked == named:
            return True
    return False
