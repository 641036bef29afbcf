"""Connecting to a receiver: its name is looked up once, every address is checked, and a checked one is called.

A name that is looked up a second time to connect may mean another address by then (DNS rebinding).
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from syncd.config.reach import address_fault
from syncd.http import Adapter, Plain, Tls

LookUp = Callable[[str, int], Sequence[str]]

_PATIENCE = 10.0  # seconds for a name to be looked up, where the call itself has no shorter time


class Unreachable(Exception):
    """A receiver may not be called: one of its addresses is not where it may be. The text is fit to be shown."""


def look_up(host: str, port: int) -> Sequence[str]:
    """Give the addresses that a name means now. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def allowed(host: str, addresses: Sequence[str], *, private: bool, plain: bool) -> Sequence[str]:
    """Give the addresses if all of them may be called. Raises `Unreachable` otherwise, naming none of them.

    One that may not be called is enough to refuse: which one is taken would be chance.
    """
    for text in addresses:
        address = ip_address(text.partition("%")[0])
        if fault := address_fault(address, private=private):
            hint = "; say private: true if it is meant" if fault == "is in a private network" else ""
            raise Unreachable(f"{host} is not called: an address behind its name {fault}{hint}")
        if plain and not address.is_loopback:
            raise Unreachable(f"{host} is not called: plain http is for this machine only")
    if not addresses:
        raise Unreachable(f"{host} is not called: there is no address behind its name")
    return addresses


def adapter(*, private: bool, resolve: LookUp = look_up) -> Adapter:
    """Make what connects a session to allowed addresses only; certificates are still checked against the name."""

    def connect(connection: HTTPConnection, *, plain: bool) -> socket.socket:
        host = connection.host.strip("[]")
        found = _in_time(connection, lambda: resolve(host, connection.port or 0))
        some = allowed(host, found, private=private, plain=plain)
        sys.audit("http.client.connect", connection, connection.host, connection.port)
        return _first(connection, some)

    class PlainThere(Plain):
        def _new_conn(self) -> socket.socket:
            return connect(self, plain=True)

    class TlsThere(Tls):
        def _new_conn(self) -> socket.socket:
            return connect(self, plain=False)

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = PlainThere

    class TlsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = TlsThere

    return Adapter(pools={"http": PlainPool, "https": TlsPool}, pool_maxsize=1, max_retries=0)


def _first(connection: HTTPConnection, addresses: Sequence[str]) -> socket.socket:
    """Connect to the first address that answers."""
    for number, address in enumerate(addresses, 1):
        try:
            # An address as its host, so nothing is looked up any more.
            return create_connection(
                (address, connection.port or 0),
                connection.timeout,
                source_address=connection.source_address,
                socket_options=connection.socket_options,
            )
        except TimeoutError:
            raise ConnectTimeoutError(connection, "the time to connect is spent") from None
        except OSError as error:
            if number == len(addresses):
                raise NewConnectionError(connection, "no address answers") from error
    raise AssertionError("there is at least one address")


def _in_time(connection: HTTPConnection, resolve: Callable[[], Sequence[str]]) -> Sequence[str]:
    """Look a name up within the call's time; the system's own look-up knows no time-out, and goes on by itself."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(resolve())
        except OSError as error:  # that a name cannot be had is one of them
            found.append(error)

    seconds = connection.timeout if isinstance(connection.timeout, int | float) else _PATIENCE
    looking = threading.Thread(target=run, name="look-up", daemon=True)
    looking.start()
    looking.join(seconds)
    if not found:
        raise ConnectTimeoutError(connection, "the name was not looked up in time")
    if isinstance(found[0], OSError):
        raise NameResolutionError(connection.host, connection, socket.gaierror()) from None
    addresses: Sequence[str] = found[0]
    return addresses
