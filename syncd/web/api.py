"""The API: referrals in, decisions in, everything that is known out."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel
from sqlalchemy import Connection as Transaction

from syncd.flow.app import App
from syncd.flow.capture import capture, enrol
from syncd.flow.decisions import Decision, Verdict, decide_now
from syncd.flow.refusal import Refusal
from syncd.store import access, books, referrals
from syncd.store.access import Token
from syncd.store.engine import read, retrying
from syncd.web import models, paging, report
from syncd.web.incoming import IdempotencyKey, Installation, Reader, ReferralId, Writer, body
from syncd.web.models import AdvocateTaken, DecisionTaken, ReferralTaken
from syncd.web.problems import MEDIA_TYPE, Problem, ProblemBody

_SCHEMAS = "#/components/schemas/"
_PROBLEM = {"schema": {"$ref": f"{_SCHEMAS}{ProblemBody.__name__}"}}
_KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "With the same key the same request has its effect once, and another one is refused.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}

RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {"description": "What went wrong", "content": {MEDIA_TYPE: _PROBLEM}}
}
router = APIRouter(prefix="/api/v1", responses=RESPONSES)


def takes(model: type[BaseModel], *, keyed: bool = True) -> dict[str, Any]:
    """Describe the body, which the framework never sees, for the OpenAPI document."""
    content = {"application/json": {"schema": {"$ref": f"{_SCHEMAS}{model.__name__}"}}}
    required = any(field.is_required() for field in model.model_fields.values())
    return {
        "requestBody": {"required": required, "content": content},
        "parameters": [_KEY_HEADER] if keyed else [],
    }


@router.post("/referrals", status_code=201, openapi_extra=takes(ReferralTaken))
def refer(
    app: Installation,
    caller: Writer,
    key: IdempotencyKey,
    taken: Annotated[ReferralTaken, Depends(body(ReferralTaken))],
    response: Response,
) -> models.ReferralGiven:
    """Refer a friend: 201 if the referral is new, 200 if it was there."""
    if key is not None:
        key = f"key:{key}"
    elif taken.external_id is not None:
        key = f"ext:{taken.campaign or taken.code}:{taken.external_id}"
    captured = capture(app, taken.invitation(), cause=f"api:{caller.name}", key=key)
    response.status_code = 201 if captured.created else 200
    return models.ReferralGiven.of(captured.referral)


@router.post("/advocates", openapi_extra=takes(AdvocateTaken, keyed=False))
def join(
    app: Installation, caller: Writer, taken: Annotated[AdvocateTaken, Depends(body(AdvocateTaken))]
) -> models.AdvocateGiven:
    """Make a person an advocate of a campaign; one who is one already keeps the codes they have."""
    who, codes = enrol(app, taken.campaign, taken.person(), cause=f"api:{caller.name}", code=taken.new_code())
    return models.AdvocateGiven(id=who.id, campaign=taken.campaign, codes=codes)


Decided = Annotated[DecisionTaken, Depends(body(DecisionTaken))]


@router.post("/referrals/{id}/qualify", openapi_extra=takes(DecisionTaken))
def qualify(
    app: Installation, caller: Writer, id: ReferralId, key: IdempotencyKey, taken: Decided
) -> models.ReferralGiven:
    """Say that a friend did the qualifying thing."""
    return _decide(app, caller, "qualified", id, key, taken)


@router.post("/referrals/{id}/disqualify", openapi_extra=takes(DecisionTaken))
def disqualify(
    app: Installation, caller: Writer, id: ReferralId, key: IdempotencyKey, taken: Decided
) -> models.ReferralGiven:
    """Say that a referral counts for nothing."""
    return _decide(app, caller, "disqualified", id, key, taken)


@router.get("/referrals")
def list_referrals(app: Installation, _: Reader, wanted: Annotated[models.ReferralFilter, Query()]) -> models.Referrals:
    """List referrals, newest first."""
    filters = ("referrals", wanted.campaign, wanted.standing)
    try:
        before = paging.unseal(app.pepper, filters, wanted.cursor) if wanted.cursor is not None else None
    except paging.BadCursor:
        raise Problem(
            422, "bad_cursor", "cursor: take it from the same list's last answer, unchanged", path="cursor"
        ) from None
    with read(app.database) as tx:
        found = referrals.find(
            tx, campaign=wanted.campaign, standing=wanted.standing, before=before, limit=wanted.limit + 1
        )
    shown, more = found[: wanted.limit], found[wanted.limit :]
    cursor = paging.seal(app.pepper, filters, (shown[-1].captured_at, shown[-1].id)) if more else None
    return models.Referrals(referrals=[models.ReferralGiven.of(referral) for referral in shown], next=cursor)


@router.get("/referrals/{id}")
def show_referral(app: Installation, _: Reader, id: ReferralId) -> models.ReferralWithHistory:
    """Show a referral, and all that happened to it."""
    with read(app.database) as tx:
        referral, lines = referrals.get(tx, id), referrals.changes(tx, referral=id)
    if referral is None:
        raise Problem(404, "not_found", "there is no such referral")
    return models.ReferralWithHistory.with_history(referral, lines)


@router.get("/rewards")
def list_rewards(app: Installation, _: Reader, wanted: Annotated[models.RewardFilter, Query()]) -> models.Rewards:
    """List rewards in their present state, the newest change first."""
    with read(app.database) as tx:
        found = books.rewards(
            tx, campaign=wanted.campaign, status=wanted.status, approval=wanted.approval, limit=wanted.limit
        )
    return models.Rewards(rewards=[models.RewardGiven.of(reward) for reward in found])


@router.get("/history")
def list_history(app: Installation, _: Reader, wanted: Annotated[models.HistoryFilter, Query()]) -> models.History:
    """Read what happened to whom, and who or what caused it; ids only."""
    with read(app.database) as tx:
        lines = referrals.changes(tx, after=wanted.after, limit=wanted.limit)
    shown = [models.ChangeGiven.of(line) for line in lines]
    return models.History(history=shown, next=lines[-1].id if lines else wanted.after)


@router.get("/status")
def show_status(
    app: Installation, _: Reader, tally: Annotated[report.Tally, Depends(report.tally)]
) -> models.StatusGiven:
    """Tell how the installation fares."""
    return report.report(app, tally)


def _decide(
    app: App, caller: Token, verdict: Verdict, id: str, key: str | None, taken: DecisionTaken
) -> models.ReferralGiven:
    decision = Decision(verdict=verdict, via="api", referral=id, reason=taken.reason)
    if key is not None:
        fingerprint = app.opaque(json.dumps(asdict(decision), sort_keys=True))
        held = app.opaque(f"key:{key}")  # as capture keeps it: one key is good for one request of either kind
        retrying(app.database, lambda tx: _hold_key(tx, app, held, fingerprint))
    # The key names the event, so a crash between holding it and deciding is mended by the repetition.
    event = f"api:{app.opaque(key) if key is not None else secrets.token_hex(16)}"
    return models.ReferralGiven.of(decide_now(app, decision, id=event, cause=f"api:{caller.name}"))


def _hold_key(tx: Transaction, app: App, key: str, fingerprint: str) -> None:
    """Keep an idempotency key for one request. Raises `Refusal` if it is another's."""
    answer = access.Answer(fingerprint=fingerprint, status=200, body={})
    if access.keep_answer(tx, key, answer, app.clock()):
        return
    known = access.answered(tx, key)
    if known is None or known.fingerprint != fingerprint:
        raise Refusal("key_reused", "this idempotency key was used for another request; nothing was changed")
