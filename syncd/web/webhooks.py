"""Webhooks of senders: believed when signed, kept before they are answered, taken at their word once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import Connection as Transaction
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from syncd import signing
from syncd.config import Sender
from syncd.flow import happenings
from syncd.flow.app import DECIDE, App
from syncd.signing import BadSignature
from syncd.store import access, work
from syncd.store.engine import retrying
from syncd.web import pokes
from syncd.web.incoming import json_bytes, single, understand
from syncd.web.models import Delivery, DeliveryData, HappeningTaken
from syncd.web.problems import Problem
from syncd.web.report import Tally
from syncd.web.strict_json import BadJson, parse

log = logging.getLogger("syncd")

Answer = Literal["accepted", "repeated", "conflict", "ignored"]

_VERDICTS = {"referral.qualified": "qualified", "referral.disqualified": "disqualified"}
_KEPT = 4096  # bytes of a body that cannot be used


class Unusable(Exception):
    """An authentic delivery says nothing that we can act on."""


async def endpoint(request: Request) -> Response:
    """Answer POST /webhooks/{name} of senders and connectors, and /webhooks/{name}/{secret} of connectors."""
    app: App = request.app.state.installation
    name = request.path_params["name"]
    if name in app.connections:
        return await pokes.endpoint(request, app.connections[name])
    sender = next((s for s in app.config.senders if s.name == name and "secret" not in request.path_params), None)
    if sender is None:
        raise Problem(404, "not_found", "no sender or connector of this name takes webhooks here")
    return await _of_sender(request, app, sender)


async def _of_sender(request: Request, app: App, sender: Sender) -> Response:
    tally: Tally = request.app.state.tally
    body = await json_bytes(request)
    headers = single(request)
    try:
        answer = await run_in_threadpool(receive, app, sender, headers, body)
    except Problem as problem:
        tally.add(sender.name, problem.code)
        raise
    tally.add(sender.name, answer)
    return JSONResponse({"result": answer}, 200 if answer in {"repeated", "conflict"} else 202)


def receive(app: App, sender: Sender, headers: Mapping[str, str], body: bytes) -> Answer:
    """Take a delivery: it is in the inbox, to be decided soon, when this returns. Raises `Problem`."""
    try:
        id = signing.verify(headers, body, sender.keys, app.clock())
    except BadSignature as bad:
        code = "stale" if bad.reason == "stale" else "bad_signature"
        raise Problem(401, code, str(bad)) from None
    digest = app.opaque(body.decode("latin-1"))
    try:
        payload = _read(id, body)
    except Unusable as unusable:
        why = str(unusable)
        retrying(app.database, lambda tx: _bury(tx, app, sender, id, digest, body, why))
        raise Problem(400, "unusable", f"{why}; the delivery is kept as a dead letter") from None
    if payload is None:
        return "ignored"
    answer = retrying(app.database, lambda tx: _keep(tx, app, sender, id, digest, body, payload))
    if answer == "accepted":
        app.nudge(DECIDE)
    return answer


def _read(id: str, body: bytes) -> dict[str, Any] | None:
    """Give what a body says as the inbox keeps it, None for a type that is not ours. Raises `Unusable`."""
    try:
        delivery = understand(Delivery, parse(body))
        if delivery.type in happenings.ABOUT:
            taken = understand(HappeningTaken, {**delivery.data, "id": id, "type": delivery.type})
            return {"happening": happenings.dump(taken.happening())}
        return _decision(delivery)
    except BadJson as bad:
        raise Unusable(str(bad)) from None
    except Problem as problem:
        raise Unusable(problem.detail) from None


def _decision(delivery: Delivery) -> dict[str, Any] | None:
    verdict = _VERDICTS.get(delivery.type)
    if verdict is None:
        return None
    data = understand(DeliveryData, delivery.data)
    if not (data.referral or data.email or (data.connector and data.record is not None)):
        raise Unusable("data names no referral: give referral, email, or connector and record")
    payload = {"verdict": verdict, **data.model_dump()}
    payload["record"] = None if data.record is None else str(data.record)
    return payload


def _keep(
    tx: Transaction, app: App, sender: Sender, id: str, digest: str, body: bytes, payload: Mapping[str, Any]
) -> Answer:
    """Put a delivery into the inbox, unless one of its id was there."""
    now, name = app.clock(), _name(app, sender, id)
    # The inbox forgets what a row held once it is decided; this is what remembers it.
    if access.keep_answer(tx, name, access.Answer(fingerprint=digest, status=202, body={}), now):
        work.told(tx, key=name, kind="delivery", source=sender.name, payload=payload, now=now)
        return "accepted"
    known = access.answered(tx, name)
    if known is not None and known.fingerprint == digest:
        return "repeated"
    log.warning("sender %s used the id of an earlier delivery for another body; the first one stands", sender.name)
    _bury(tx, app, sender, id, digest, body, "an earlier delivery with this webhook-id had another body")
    return "conflict"


def _bury(tx: Transaction, app: App, sender: Sender, id: str, digest: str, body: bytes, why: str) -> None:
    """Keep what cannot be used, once, for whoever looks into it."""
    text = body[:_KEPT].decode("utf-8", "replace").replace("\0", "")
    key, payload = f"{_name(app, sender, id)}:{digest[:16]}", {"raw": text}
    work.told(tx, key=key, kind="delivery", source=sender.name, payload=payload, now=app.clock(), dead=why)


def _name(app: App, sender: Sender, id: str) -> str:
    # A slash is in no connector's name, so no key of a stage fact or of a timer can be the same. Hashed since the name
    # outlives the message, as that of the event which it becomes, and senders may put anything into an id.
    return f"sender/{sender.name}:{app.opaque(id)}"
