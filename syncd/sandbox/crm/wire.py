"""How an answer goes onto the wire, whole or with a fault."""

from __future__ import annotations

import json
import threading
import zlib
from functools import lru_cache
from http import HTTPStatus
from typing import Protocol

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.faults import Fault


class Sink(Protocol):
    """Where bytes go: a connection."""

    def write(self, data: bytes, /) -> int:
        """Send these bytes now."""
        ...


_AS_MADE = {"status", "token_expire", "token_revoke", "scope_missing", "row_locked"}
"""Faults that show in what is said, not in how it is sent."""

_PAGE = b"<!doctype html><title>Be right back</title><p>We are doing some work on our side.</p>"


def encode(reply: Reply) -> tuple[bytes, bytes]:
    """Give head and body of an answer as HTTP/1.1."""
    if reply.body is None:
        body = b""
    else:
        body = (reply.body if reply.media else json.dumps(reply.body, separators=(",", ":"))).encode()
    return _head(reply.code, body, reply.media or "application/json;charset=utf-8", dict(reply.headers)), body


def _head(code: int, body: bytes, kind: str, headers: dict[str, str]) -> bytes:
    try:
        phrase = HTTPStatus(code).phrase
    except ValueError:  # 477 is the vendor's own
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {code} {phrase}"]
    if code not in {204, 304}:
        lines += [f"Content-Length: {len(body)}"]
    if body:
        lines += [f"Content-Type: {kind}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def send(out: Sink, reply: Reply, fault: Fault | None, stopping: threading.Event) -> bool:
    """Send an answer, one write for all of it unless a fault says otherwise; say whether the connection may stay.

    `stopping` ends every wait.
    """
    head, body = encode(reply)
    action = fault.action if fault else None
    if fault is None or action in _AS_MADE:
        out.write(head + body)
        return True
    if action in {"drop_before", "drop_after"}:
        return False
    if action == "hang":
        stopping.wait(fault.seconds)
        return False
    if action == "slow_headers":
        stopping.wait(fault.seconds)
        out.write(head + body)
        return True
    if action == "drip":
        return _drip(out, head + body, fault.rate, stopping)
    if action == "truncate":
        out.write(head + body[: min(fault.keep, max(len(body) - 1, 0))])
        return False
    out.write(_false_answer(fault))
    return True


def _drip(out: Sink, text: bytes, rate: float, stopping: threading.Event) -> bool:
    for place in range(len(text)):
        out.write(text[place : place + 1])
        if stopping.wait(1 / rate):
            return False
    return True


def _false_answer(fault: Fault) -> bytes:
    """An answer that is none of the API's."""
    body, kind, headers = b"", "application/json;charset=utf-8", {}
    if fault.action == "garbage":
        body = bytes(range(128, 256)) + b'{"results": [}'
    elif fault.action in {"html_200", "html"}:
        body, kind = _PAGE, "text/html;charset=utf-8"
    elif fault.action == "gzip_bomb":
        body, headers = _blanks(fault.size), {"Content-Encoding": "gzip"}
    return _head(fault.code if fault.action == "html" else 200, body, kind, headers) + body


@lru_cache(maxsize=2)
def _blanks(size: int) -> bytes:
    """Compress `size` blanks, a piece at a time: the sandbox itself never holds them."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = b" " * 65_536
    packed = [squeeze.compress(piece) for _ in range(size // len(piece))]
    packed.append(squeeze.compress(piece[: size % len(piece)]))
    return b"".join([*packed, squeeze.flush()])
