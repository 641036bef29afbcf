"""What the daemon may call for an admin: which URLs a receiver can have, and which addresses may stand behind its name.

A URL in a file can lead anywhere the daemon's machine gets to: to a cloud's metadata service, which hands out
credentials, or to what listens on this machine only. Names are therefore looked at when the file is read, and the
addresses that they mean whenever one is called. https://owasp.org/www-community/attacks/Server_Side_Request_Forgery
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from syncd.contract import is_loopback

Address = IPv4Address | IPv6Address

_SECURE = 443
_LONGEST = 2000  # characters of a URL
# RFC 3986 without the brackets, which stand around an IPv6 address only.
_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?@!$&'()*+,;=%-]+")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"(?:0[xX][0-9A-Fa-f]*|[0-9]+)")


def _networks(*texts: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(text) for text in texts)


# Behind these is this machine or a network of its owner's: allowed where the admin says so.
_PRIVATE = _networks(
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",  # shared by a provider's customers, and by private overlay networks
    "::1/128",
    "fc00::/7",
)
# Metadata services that hide in the ranges above, or among public addresses.
_METADATA = _networks("100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::254/128", "fd20:ce::254/128")
# What is_global of the standard library says has changed between versions of Python, so the list is our own.
# https://www.iana.org/assignments/iana-ipv4-special-registry/iana-ipv4-special-registry.xhtml
_SPECIAL = _networks(
    "0.0.0.0/8",
    "169.254.0.0/16",  # link-local: most metadata services are here
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "2001::/23",  # Teredo and others that lead to an IPv4 address, or to nobody
    "2001:db8::/32",
    "2002::/16",  # 6to4: an IPv4 address in disguise
    "3fff::/20",
)
# All other IPv6 is either private or special, mapped IPv4 (::ffff:0:0/96) and NAT64 (64:ff9b::/96) among it.
(_GLOBAL,) = _networks("2000::/3")


def address_fault(address: Address, *, private: bool) -> str | None:
    """Say why an address may not be called, or None if it may; `private` allows this machine and private networks."""
    if _in(address, _METADATA) or (isinstance(address, IPv4Address) and _in(address, _SPECIAL)):
        return "is no address of a host that may be called"
    if _in(address, _PRIVATE):
        return None if private else "is in a private network"
    if isinstance(address, IPv6Address) and (address not in _GLOBAL or _in(address, _SPECIAL)):
        return "is no address of a host that may be called"
    return None


def url_fault(url: str, *, private: bool) -> str | None:
    """Say what is wrong with the URL of a receiver, as far as can be told without looking its name up; or None."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "this is no URL"
    if "@" in parts.netloc or "\\" in url:
        return "a user or password cannot stand in this URL; messages are signed instead"
    if len(url) > _LONGEST or not _CHARACTERS.fullmatch(re.sub(r"^([a-z]+://)\[([0-9a-fA-F:.]+)\]", r"\1\2", url)):
        return f"a URL has at most {_LONGEST} characters, all of them ASCII, and write others as %XX (xn-- in a name)"
    if "#" in url or not host or parts.scheme not in {"http", "https"}:
        return "write a URL such as https://host/path"
    return _host_fault(host, private=private) or _way_fault(parts, host, port, private=private)


def _host_fault(host: str, *, private: bool) -> str | None:
    """Take only what every reader takes for the same host: 127.1 and 0x7f000001 are this machine to some."""
    try:
        address = ip_address(host)
    except ValueError:
        labels = host.split(".")
        if len(host) <= 253 and all(map(_LABEL.fullmatch, labels)) and not _NUMBER.fullmatch(labels[-1]):
            return None
        return "this is no name of a host, and no address in its usual form"
    fault = address_fault(address, private=private)
    return fault and f"this address {fault}{_hint(address, private)}"


def _hint(address: Address, private: bool) -> str:
    return "; say private: true if it is meant" if not private and not address_fault(address, private=True) else ""


def _way_fault(parts: SplitResult, host: str, port: int | None, *, private: bool) -> str | None:
    if parts.scheme == "http" and not is_loopback(host):
        return "the URL must begin with https://; http:// is for loopback addresses only"
    if private:
        return "port 0 is none" if port == 0 else None
    if parts.scheme == "http" or host == "localhost":
        return "this is a receiver on this machine; say private: true if it is meant"
    if port not in (None, _SECURE):
        return "only port 443 is called; say private: true for a receiver of your own on another one"
    return None


def _in(address: Address, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return any(address in network for network in networks)
