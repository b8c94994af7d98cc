"""Which addresses strangers may make this machine talk to: public ones, and nothing that only looks so.

After the registries of special-purpose addresses that IANA keeps for IPv4 and IPv6 (RFC 6890), written out
because the standard library's own reading of them differs from release to release.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_NOT_PUBLIC_4 = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            # Link-local, and with it the metadata of most clouds.
            "169.254.0.0/16",
            # What Azure's machines get their secrets from.
            "168.63.129.16/32",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            # Relays of 6to4: whoever talks to one talks to an address that stands elsewhere.
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            # Multicast, what is reserved, broadcast.
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)

#: The only block that global unicast addresses are given out of. IPv4-mapped ones, NAT64, unique local,
#: link-local and multicast addresses lie outside of it.
_PUBLIC_6 = ip_network("2000::/3")
#: Teredo and other protocols, documentation, 6to4: an IPv4 address may hide in some of these.
_NOT_PUBLIC_6 = tuple(map(ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))


def is_public(address: str) -> bool:
    """Whether this is an address that anybody on the Internet could have; never for what is no address."""
    try:
        known = ip_address(address)
    except ValueError:
        return False
    if isinstance(known, IPv4Address):
        return not any(known in network for network in _NOT_PUBLIC_4)
    return _is_public_6(known)


def _is_public_6(known: IPv6Address) -> bool:
    # An address with a zone is one of this machine's own links.
    inside = known.scope_id is None and known in _PUBLIC_6
    return inside and not any(known in network for network in _NOT_PUBLIC_6)
