"""The loopback server in front of the simulated accounts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from syncd.sandbox.crm import hubspot, wire
from syncd.sandbox.crm.call import CrmAccount, Reply, Request
from syncd.sandbox.crm.control import PREFIX, CallLog, Control
from syncd.sandbox.crm.faults import Fault, Faults
from syncd.sandbox.crm.limits import Limits, Meter, rate_limit
from syncd.sandbox.crm.model import CrmModel
from syncd.sandbox.crm.record import Lag, no_lag
from syncd.sandbox.crm.refusal import Refusal
from syncd.sandbox.crm.schema import standard
from syncd.sandbox.crm.tokens import OAuthApp, Tokens, missing_scope

MOST_BYTES = 10_000_000
MOST_CONNECTIONS = 128
IDLE_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class AccountSetup:
    """What an account is like. Its URL prefix is /<name>, its static token sandbox-<name> unless given."""

    name: str = "hubspot"
    token: str = field(default="", repr=False)
    app: OAuthApp | None = None
    referral_property: bool = True  # whether the admin has made `referral_id` and its companions
    unique: bool = True  # whether `referral_id` has unique values
    limits: Limits = field(default_factory=Limits)
    lag: Lag = no_lag
    partial_status: int = 207  # of a batch in which some rows failed; the vendor has answered 200 too


class Sandbox:
    """Simulated CRM accounts behind one port of 127.0.0.1.

    `now` is the CRM's time; `clock` counts the seconds of the rate limits. Same seed, same calls in the same order:
    same answers. Use it as a context manager, or `start` and `stop` it.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        seed: int = 42,
        port: int = 0,
        host: str = "127.0.0.1",
        accounts: Iterable[AccountSetup] = (AccountSetup(),),
    ) -> None:
        if host != "127.0.0.1":
            raise ValueError(f"the sandbox listens on 127.0.0.1 only, not on {host}: it has no real protection")
        self._now = now
        self.accounts: dict[str, CrmAccount] = {}
        for number, setup in enumerate(accounts):
            self.accounts[setup.name] = _open_account(setup, number, f"{seed}:{setup.name}", now, clock)
        self.faults = Faults(seed=str(seed), now=now)
        self.log = CallLog()
        self.control = Control(faults=self.faults, log=self.log, accounts=self.accounts)
        self.stopping = threading.Event()
        self._unsimulated = hubspot.Unsimulated()
        self._server = _Server((host, port), self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="sandbox-crm", daemon=True
        )

    def start(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End every connection, hanging ones too, and free the port."""
        self.stopping.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """Tell the port."""
        return int(self._server.server_address[1])

    def url(self, account: str = "hubspot") -> str:
        """Give the base URL of an account, or of the control API for "_ctl"."""
        return f"http://127.0.0.1:{self.port}/{account}"

    def model(self, account: str = "hubspot") -> CrmModel:
        """Give the records of an account, for those who work in the CRM by hand."""
        return self.accounts[account].model

    def token(self, account: str = "hubspot") -> str:
        """Give the static token of an account."""
        return self.accounts[account].token

    def answer(self, request: Request) -> tuple[Reply, Fault | None]:
        """Work out the answer to a request with its full path, log it, and say which fault spoils it on the wire."""
        if request.path.startswith(PREFIX):
            return self.control.answer(request), None
        name, _, rest = request.path.removeprefix("/").partition("/")
        request = Request(
            method=request.method, path=f"/{rest}", query=request.query, headers=request.headers, body=request.body
        )
        found = hubspot.find_route(request)
        account = self.accounts.get(name)
        if account is None or found is None:
            self._note(name, request, None, 501, fault=None, applied=False)
            return self._unsimulated.answer(request), None
        route, names = found
        fault = self.faults.pick(name, request.method, request.path)
        reply, applied = _spoiled(account, route, names, request, fault)
        silent = fault is not None and fault.action in {"drop_before", "drop_after", "hang"}
        self._note(name, request, route, None if silent else reply.code, fault=fault, applied=applied)
        dated = {"Date": format_datetime(self._now().astimezone(UTC), usegmt=True), **reply.headers}
        return replace(reply, headers=dated), fault

    def _note(
        self,
        account: str,
        request: Request,
        route: hubspot.Route | None,
        code: int | None,
        *,
        fault: Fault | None,
        applied: bool,
    ) -> None:
        path = hubspot.shown(request.path)
        self.log.add(
            at=self._now(),
            account=account,
            method=request.method,
            path=path,
            route=route.template if route else path,
            kind=route.kind if route else "unknown",
            code=code,
            applied=applied,
            fault=fault.action if fault else None,
        )


def _open_account(
    setup: AccountSetup, number: int, seed: str, now: Callable[[], datetime], clock: Callable[[], float]
) -> CrmAccount:
    portal = 9_000_001 + number
    token = setup.token or f"sandbox-{setup.name}"
    schema = standard(referral_property=setup.referral_property, unique=setup.unique)
    return CrmAccount(
        name=setup.name,
        portal=portal,
        token=token,
        model=CrmModel(now=now, seed=seed, schema=schema, lag=setup.lag),
        tokens=Tokens(now=now, static=token, app=setup.app, rng=Random(f"{seed}:tokens")),
        meter=Meter(setup.limits, clock, portal),
        rng=Random(f"{seed}:answers"),
        partial_status=setup.partial_status,
    )


def _spoiled(
    account: CrmAccount, route: hubspot.Route, names: dict[str, str], request: Request, fault: Fault | None
) -> tuple[Reply, bool]:
    """Give the answer that the account makes or a fault puts in its place, and whether the call took effect."""
    with account.model.lock:
        if fault and fault.action == "token_expire":
            account.tokens.expire(request.headers.get("authorization", ""))
        if fault and fault.action == "token_revoke":
            account.tokens.revoke()
        reply, applied = Reply(code=200), False
        if fault is None or fault.does_the_work:
            reply = hubspot.answer(account, route, names, request)
            applied = reply.code < 400
        if fault and fault.action == "scope_missing":
            reply = hubspot.refuse(account, missing_scope(fault.scope))
        if fault and fault.action == "status":
            reply = hubspot.refuse(account, _status(fault, account.portal))
        return reply, applied


def _status(fault: Fault, portal: int) -> Refusal:
    """Make the refusal that a `status` fault asks for."""
    refusal = Refusal(fault.code, "INTERNAL_ERROR", "internal error")
    if fault.code == 429:
        refusal = rate_limit(fault.policy, portal)
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    return replace(refusal, headers=headers)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    disable_nagle_algorithm = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(address, _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in its own thread, of which there is a limited number; the others wait."""
        while not self._room.acquire(timeout=0.1):
            if self.sandbox.stopping.is_set():
                self.shutdown_request(request)
                return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection and make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is daily life here, and no traceback."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    server: _Server

    def _answer(self) -> None:
        sandbox = self.server.sandbox
        request = self._read()
        reply, fault = (request, None) if isinstance(request, Reply) else sandbox.answer(request)
        stays = wire.send(self.wfile, reply, fault, sandbox.stopping)
        if not stays or isinstance(request, Reply) or sandbox.stopping.is_set():
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _answer

    def _read(self) -> Request | Reply:
        """Read the whole request before anything is decided, so that a dropped one looks the same before and after."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        if urlsplit(f"//{headers.get('host', '')}").hostname not in {"127.0.0.1", "localhost"}:
            return _bad(403, "The sandbox answers to 127.0.0.1 and localhost only")
        if "transfer-encoding" in headers:
            return _bad(411, "The sandbox reads bodies with a Content-Length only")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BYTES:
            return _bad(413, f"The sandbox reads bodies of {MOST_BYTES} bytes at most")
        body = self.rfile.read(int(length))
        url = urlsplit(self.path)
        query = parse_qs(url.query, keep_blank_values=True, max_num_fields=200)
        return Request(method=self.command, path=url.path, query=query, headers=headers, body=body)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: paths and queries may name people."""


def _bad(code: int, message: str) -> Reply:
    body = {"status": "error", "category": "VALIDATION_ERROR", "message": message}
    return Reply(code=code, body=body, headers={"Connection": "close"})
