"""The edge: what may come near the application at all, and what every answer carries. Pure ASGI."""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncd.web.problems import Problem
from syncd.web.tokens import PREFIX

log = logging.getLogger("syncd")

SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}
_BEARER = {"WWW-Authenticate": "Bearer"}
_CLOSE = {"Connection": "close"}  # the rest of a body that was given up on must not be taken for the next request
_SECRET_NAMES = {"token", "access_token", "api_token", "api_key", "apikey", "auth", "authorization", "secret"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much of the daemon one caller, and all of them, can take."""

    body: int = 1024 * 1024  # bytes
    webhook: int = 256 * 1024
    seconds: float = 10  # for the whole of a body to arrive
    at_once: int = 200  # requests


class Edge:
    """Bounds requests in size, time and number, refuses what no address here takes, and answers when all else fails."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        outgoing = _Outgoing(send)
        self._inside += 1
        try:
            # Whoever asks whether the process lives must not hear that it is busy: it would be restarted for that.
            if self._inside > self._limits.at_once and scope["path"] != "/livez":
                raise Problem(503, "busy", "too many requests at once; try again", headers={"Retry-After": "1"})
            await self._pass_on(scope, receive, outgoing)
        except Problem as problem:
            await problem.response()(scope, receive, outgoing.send)
        except Exception:
            await _apologise(scope, receive, outgoing)
        finally:
            self._inside -= 1

    async def _pass_on(self, scope: Scope, receive: Receive, outgoing: _Outgoing) -> None:
        headers = Headers(scope=scope)
        if _names_a_secret(scope["query_string"]):
            raise Problem(
                401, "token_in_address", "a token in an address ends up in logs; send it as a header", headers=_BEARER
            )
        if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
            raise Problem(415, "encoded", "a body is taken as it is, without Content-Encoding")
        body = await self._body(scope, receive, headers)
        if body is not None:
            await self._app(scope, _replay(body, receive), outgoing.send)

    async def _body(self, scope: Scope, receive: Receive, headers: Headers) -> bytes | None:
        """Read the body, within its bounds; None if the caller is gone."""
        limit = self._limits.webhook if scope["path"].startswith("/webhooks/") else self._limits.body
        declared = headers.get("content-length", "")
        if declared.isdecimal() and len(declared) < 20 and int(declared) > limit and "expect" in headers:
            raise _too_large(limit)  # asked for before it was sent, so it never will be
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._limits.seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    chunk: bytes = message.get("body", b"")
                    size += len(chunk)
                    # What is too much is dropped, yet read a little further: most callers look for the answer only
                    # when they have sent all, and closing on them would reset the connection under it.
                    if size > 2 * limit:
                        raise _too_large(limit)
                    if size <= limit:
                        chunks.append(chunk)
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise Problem(
                408, "too_slow", f"the body took more than {self._limits.seconds:g} seconds", headers=_CLOSE
            ) from None
        if size > limit:
            raise _too_large(limit)
        return b"".join(chunks)


class _Outgoing:
    """An answer on its way out: whether it has begun, and the headers that every answer has."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the body that was read once more, then whatever else comes."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again


def _too_large(limit: int) -> Problem:
    return Problem(413, "too_large", f"a body has at most {limit // 1024} KiB here", headers=_CLOSE)


def _names_a_secret(query: bytes) -> bool:
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return any(name.lower() in _SECRET_NAMES or value.startswith(PREFIX) for name, value in pairs)


async def _apologise(scope: Scope, receive: Receive, outgoing: _Outgoing) -> None:
    """Answer where the fault is ours: the log has what happened, the answer only where to find it there."""
    id = secrets.token_hex(8)
    log.exception("request %s failed: %s", id, scope["method"])
    if not outgoing.begun:
        problem = Problem(500, "internal", f"something went wrong here; the log has it under {id}")
        await problem.response(id=id)(scope, receive, outgoing.send)
