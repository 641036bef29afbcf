"""The one HTTP session through which the daemon talks to CRMs: bounded in time and size, counted, without redirects."""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
import tenacity
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from syncd.contract import AccessToken, Misconfigured, Throttled, Transient, is_loopback, retry_after

_TRIES = 3
_LONGEST_WAIT = 10.0  # seconds that a repetition within one call may wait; a longer one is the outbox's business
_CONNECT = 10.0
_CHUNK = 64 * 1024


class Grant(Protocol):
    """Whoever gets, renews and keeps the access tokens of one connector; as `contract.Http.access_token` says."""

    def access_token(self, instead_of: AccessToken | None = None) -> AccessToken: ...


class Gate(Protocol):
    """Whoever decides when a call may go out; see `governor.Governor`."""

    def enter(self, method: str, url: str, patience: float) -> None: ...
    def note(self, answer: requests.Response) -> None: ...


class Session(requests.Session):
    """A `requests.Session` that cannot hang, be flooded, be led elsewhere or tell secrets; fulfils `contract.Http`.

    * `deadline` seconds are all that one call may take, from connecting to the last byte, repetitions included.
    * An answer of more than `max_bytes`, once decompressed, is broken off.
    * Nothing comes from the environment: no proxy, no .netrc (which would replace our credential), no CA bundle.
      `proxies` names a proxy, `ca_bundle` a file of further authorities; TLS is always verified.
    * Whatever happens to the connection is a `Transient` that names the host and nothing else of the request.
    * With a `gate` every call, each repetition too, waits at it for at most half of the time that it has.

    `calls` counts what was sent: "total", "reads", "writes". `skew` is how far the server's clock is ahead of ours.
    """

    def __init__(
        self,
        *,
        deadline: float = 30.0,
        max_bytes: int = 10 * 1024 * 1024,
        ca_bundle: str | None = None,
        proxies: Mapping[str, str] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__()
        self.trust_env = False
        self.verify = ca_bundle or True
        self.proxies.update(proxies or {})
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # one call leaves nothing to the next
        self.headers["User-Agent"] = "syncd"
        for scheme in ("https://", "http://"):
            self.mount(scheme, Adapter(pool_maxsize=16, max_retries=0))
        self.calls: Counter[str] = Counter()
        self.skew: timedelta | None = None
        self.grant: Grant | None = None
        self.gate: Gate | None = None
        self._deadline, self._max_bytes = deadline, max_bytes
        self._now, self._monotonic, self._sleep = now, monotonic, sleep
        self._lock = threading.Lock()

    def request(self, method: Any, url: Any, *args: Any, idempotent: bool = False, **kwargs: Any) -> requests.Response:
        """Send one request and return its answer, whatever its status; raise `Transient` if none arrived whole.

        With `idempotent` a lost answer, a 502, 503, 504, and a 429 that names a wait of at most ten seconds are tried
        again, three times in all and within the deadline.
        """
        end = self._monotonic() + self._deadline

        def attempt() -> requests.Response:
            kwargs["timeout"] = end - self._monotonic()
            return super(Session, self).request(method, url, *args, **kwargs)

        if not idempotent:
            return attempt()
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_worth_repeating) | tenacity.retry_if_result(_asks_for_repetition),
            wait=_wait,
            stop=lambda state: state.attempt_number >= _TRIES or self._monotonic() + (state.upcoming_sleep or 0) >= end,
            sleep=self._sleep,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        answer: requests.Response = retrying(attempt)
        return answer

    def access_token(self, instead_of: AccessToken | None = None) -> AccessToken:
        """Give an access token of this connector's, as `contract.Http` says."""
        if self.grant is None:
            raise Misconfigured("nothing here gives access tokens", yaml_path="oauth")
        return self.grant.access_token(instead_of)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send what is prepared, once; an SDK that is given this session ends here as well."""
        parts = urlsplit(request.url or "")
        host = parts.hostname or ""
        if parts.scheme != "https" and not is_loopback(host):
            raise ValueError(f"{host} must be called by https; plain http is for loopback addresses only")
        if kwargs.get("verify", True) is False:
            raise ValueError("TLS certificates are always verified; name a CA bundle instead")
        total = self._wait_at_gate(request, self._total(kwargs.get("timeout")))
        self._count(request.method or "", parts.path)
        timeout = urllib3.Timeout(connect=min(_CONNECT, total), total=total)
        try:
            answer = super().send(request, **{**kwargs, "timeout": timeout, "allow_redirects": False, "stream": True})
            self._note_clock(answer)
            self._read(answer, host)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            if isinstance(error, ValueError):
                raise  # a URL or a body that cannot be sent: nothing happened to a connection
            certain = isinstance(error, requests.exceptions.SSLError)
            # Not `from error`: its text holds the URL with its query.
            raise _Fault(_sentence(error, host, total), certain=certain) from None
        if self.gate is not None:
            self.gate.note(answer)
        return answer

    def _wait_at_gate(self, request: requests.PreparedRequest, total: float) -> float:
        """Wait for the call's turn; give what is left of its time. Raises `Throttled` if nothing is."""
        if self.gate is None:
            return total
        began = self._monotonic()
        self.gate.enter(request.method or "", request.url or "", patience=total / 2)
        left = total - (self._monotonic() - began)
        if left <= 0:  # a call whose answer nobody awaits has its effect all the same
            raise Throttled("no time was left for an answer; this call was not made")
        return left

    def _total(self, timeout: object) -> float:
        total = min(timeout, self._deadline) if isinstance(timeout, int | float) else self._deadline
        return max(total, 0.001)  # urllib3 takes 0 for an error in the program

    def _count(self, method: str, path: str) -> None:
        with self._lock:
            self.calls["total"] += 1
            self.calls["reads" if is_read(method, path) else "writes"] += 1

    def _note_clock(self, answer: requests.Response) -> None:
        try:
            told = parsedate_to_datetime(answer.headers["Date"])
        except (KeyError, ValueError):
            return
        self.skew = told.replace(tzinfo=told.tzinfo or UTC) - self._now()

    def _read(self, answer: requests.Response, host: str) -> None:
        body = bytearray()
        try:
            for part in answer.raw.stream(_CHUNK, decode_content=True):
                body += part
                if len(body) > self._max_bytes:
                    limit = self._max_bytes / 2**20
                    raise _Fault(f"{host} sent an answer of more than {limit:g} MiB; it was broken off", certain=True)
        except BaseException:
            answer.close()  # what is left unread must not be taken for the next answer
            raise
        # Where requests itself keeps a body that was read; there is no public way to hand it one.
        answer._content = bytes(body)
        answer._content_consumed = True  # type: ignore[attr-defined]
        answer.raw.release_conn()


class _Fault(Transient):
    """A call that brought no whole answer; a `certain` one would end in the same way if it were repeated at once."""

    def __init__(self, message: str, *, certain: bool) -> None:
        super().__init__(message)
        self.certain = certain


# --- decisions -------------------------------------------------------------------------------------------------------


def is_read(method: str, path: str) -> bool:
    """Tell whether a call only reads: by its method, or by the last word of its path, as CRMs also read by POST."""
    return method in {"GET", "HEAD", "OPTIONS"} or path.rstrip("/").rsplit("/", 1)[-1] in {
        "read",
        "search",
        "query",
        "coql",
    }


def _is_worth_repeating(error: BaseException) -> bool:
    return isinstance(error, _Fault) and not error.certain


def _asks_for_repetition(answer: requests.Response) -> bool:
    wait = retry_after(answer)
    if answer.status_code == 429:
        return wait is not None and wait <= _LONGEST_WAIT
    return answer.status_code in {502, 503, 504} and (wait is None or wait <= _LONGEST_WAIT)


_BACK_OFF = tenacity.wait_random_exponential(multiplier=0.25, max=2.0)
_JITTER = tenacity.wait_random(0.0, 0.25)


def _wait(state: tenacity.RetryCallState) -> float:
    outcome = state.outcome
    asked = retry_after(outcome.result()) if outcome and not outcome.failed else None
    return _BACK_OFF(state) if asked is None else asked + _JITTER(state)


def _sentence(error: Exception, host: str, total: float) -> str:
    match error:
        case requests.exceptions.SSLError():
            return f"the TLS certificate or handshake of {host} was refused"
        case requests.exceptions.ProxyError():
            return f"the proxy did not open a way to {host}"
        case requests.exceptions.ConnectTimeout():
            return f"no connection to {host} within {min(total, _CONNECT):.3g} s"
        case requests.exceptions.Timeout() | urllib3.exceptions.TimeoutError() | TimeoutError():
            return f"no whole answer from {host} within {total:.3g} s"
        case requests.exceptions.ConnectionError():
            return f"the connection to {host} failed"
        case urllib3.exceptions.DecodeError() | requests.exceptions.ContentDecodingError():
            return f"the answer of {host} could not be decompressed"
        case _:
            return f"the answer of {host} broke off"


# --- the total deadline ----------------------------------------------------------------------------------------------


class _Reader(io.RawIOBase):
    """Reads a socket until a moment, not for a while: a socket's own time-out begins anew with every byte."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self._raw = sock, sock.makefile("rb", buffering=0)
        # urllib3 has just set what is left of the call's total. Sockets wait in real time, hence no injected clock.
        self._end = time.monotonic() + (sock.gettimeout() or 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the call's time is spent")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Reply(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_Reader(sock))


class Plain(HTTPConnection):
    response_class = _Reply


class Tls(HTTPSConnection):
    response_class = _Reply


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = Plain


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = Tls


_POOLS = {"http": _PlainPool, "https": _TlsPool}


class Adapter(HTTPAdapter):
    """Sends through connections that keep the total deadline; `pools` has them connect in a way of their own."""

    def __init__(self, *, pools: Mapping[str, type[urllib3.HTTPConnectionPool]] = _POOLS, **kwargs: Any) -> None:
        self._pools = dict(pools)  # before the base class builds its pools
        super().__init__(**kwargs)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager
