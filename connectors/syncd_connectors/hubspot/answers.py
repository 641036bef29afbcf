"""Judging answers: what a status, an error and the error of a row mean for the work at hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from syncd.contract import (
    ConnectorError,
    JsonObject,
    Misconfigured,
    Parked,
    Rejected,
    Throttled,
    Transient,
    Unauthorized,
    answered_at,
    json_object,
    retry_after,
    status_error,
    veiled,
)
from syncd_connectors.hubspot.leads import split_field
from syncd_connectors.hubspot.records import as_object
from syncd_connectors.hubspot.settings import VERSION, HubSpotPush

if TYPE_CHECKING:
    import requests

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Complaint:
    """What HubSpot found fault with, in a whole request or in the rows `rows`. Each part of it may be missing."""

    text: str  # may repeat values that were sent
    category: str
    codes: frozenset[str]
    names: frozenset[str]  # of properties
    rows: Sequence[str]
    existing: str  # the id of the contact that holds the e-mail address already


class Refused(Misconfigured):
    """A 400 or 409 for a whole request; where no row can be at fault, it is ours."""

    def __init__(self, complaint: Complaint) -> None:
        hint = "HubSpot's API may have changed; look for a newer version"
        super().__init__(f"HubSpot refuses a request: {veiled(complaint.text, ())}", yaml_path="type", hint=hint)
        self.complaint = complaint


def read_answer(answer: requests.Response, credential: str) -> JsonObject:
    """Read an answer's JSON object, or raise what its status means. A 2xx says nothing of rows: see `errors`.

    https://developers.hubspot.com/docs/api-reference/error-handling
    """
    if 200 <= answer.status_code < 300:
        return json_object(answer)
    body: JsonObject = {}
    try:
        body = json_object(answer)
    except Transient:
        if answer.status_code in {400, 409}:  # a proxy's page, on which no lead is at fault
            raise
    if answer.status_code in {400, 409}:
        raise Refused(read_complaint(body))
    raise _failure(answer, body, credential)


def _failure(answer: requests.Response, body: JsonObject, credential: str) -> ConnectorError:
    status, wait, now = answer.status_code, retry_after(answer), answered_at(answer)
    said = f" ({body['category']})" if body.get("category") else ""
    match status:
        case 401:
            hint = "create a new service key" if credential == "token" else "let an admin of the account consent anew"
            return Unauthorized("HubSpot refuses the token", yaml_path=credential, hint=hint)
        case 403:
            # In a list, a text or the message, by the kind of token.
            scopes = sorted(set(re.findall(r"\bcrm\.[a-z_]+(?:\.[a-z_]+)+", json.dumps(body, default=str))))
            hint = f"needed: {', '.join(scopes) or 'see the settings of the key'}"
            return Misconfigured(f"the token lacks a scope{said}", yaml_path=credential, hint=hint)
        case 404 | 410:
            hint = f"is it HubSpot's address, and does HubSpot still serve version {VERSION}?"
            return Misconfigured("HubSpot has no such path", yaml_path="base_url", hint=hint)
        case 423:
            return Transient("HubSpot holds a lock on this record", retry_after=max(wait or 0, 2.0))
        case 429 if body.get("policyName") == "DAILY":
            # No answer tells the account's time zone, so its midnight is found by asking.
            why = "the daily limit of API calls is spent, and resets at midnight of the account's time zone"
            next_hour = now and now.replace(minute=0, second=0) + _HOUR
            return _parked(f"{why}; HubSpot is asked again each hour", next_hour)
        case 429:  # https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
            seconds = wait or (1.0 if body.get("policyName") == "SECONDLY" else 10.0)
            return Throttled("HubSpot asks for fewer calls", retry_after=min(seconds, 3600.0))
        case 477:  # the account is being moved to another data centre; up to a day
            pause = timedelta(seconds=min(wait, 86400)) if wait else _HOUR
            return _parked("HubSpot moves this account", now and now + pause)
        case _:
            error = status_error(status, f"HubSpot answers with status {status}{said}", retry_after=wait)
            return error or Transient("HubSpot gives no answer")


def _parked(why: str, until: datetime | None) -> ConnectorError:
    """Wait until a time by HubSpot's clock, not ours; an hour where its answer told none."""
    if until is None:
        return Throttled(why, retry_after=_HOUR.total_seconds())
    return Parked(f"{why}; until {until:%Y-%m-%d %H:%M} UTC nothing is sent", until=until)


_TRY_AGAIN = frozenset({"INTERNAL_ERROR", "RATE_LIMITS", "RATE_LIMIT", "TIMEOUT", "SERVICE_UNAVAILABLE"})


def verdict_on(complaint: Complaint, push: HubSpotPush, sent: Iterable[str]) -> ConnectorError:
    """Tell whether a complaint is about the settings, so that it befalls every lead, or about one lead's values."""
    text = veiled(complaint.text, sent)
    if "non-unique property" in complaint.text:
        hint = "its values must be unique, on contacts and on deals"
        return Misconfigured(f"the property {push.referral_id} is not unique", yaml_path="push.referral_id", hint=hint)
    if complaint.codes & {"PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"}:
        name = min(complaint.names, default="")
        hint = "correct the mapping, or create the property in HubSpot"
        return Misconfigured(f"HubSpot cannot take {name or 'a field'}: {text}", yaml_path=_path(name, push), hint=hint)
    if at_fault := complaint.names & {"dealstage", "pipeline"}:
        return Misconfigured(text, yaml_path=_path(max(at_fault), push), hint="ids of HubSpot are needed, not labels")
    if complaint.category in _TRY_AGAIN:
        return Transient(text)
    return Rejected(text)


def _path(name: str, push: HubSpotPush) -> str:
    """Name the setting through which a property came to be written."""
    for field in push.fields:
        if split_field(field)[1] == name:
            return f"push.fields.{field}"
    own = {push.referral_id: "push.referral_id", "dealstage": "push.stage", "pipeline": "push.pipeline"}
    return own.get(name, "push.fields")


_DOES_NOT_EXIST = re.compile(r'property "?(\w+)"? does not exist', re.IGNORECASE)
_EXISTING = re.compile(r"Existing ID: ?([0-9]{1,20})")


def read_complaint(error: JsonObject) -> Complaint:
    """Read an error, of a request or of a row. "All should be treated as optional in any error parsing." """
    message, details = str(error.get("message") or ""), _details(error)
    context = context_of(error)
    unknown = _DOES_NOT_EXIST.findall(message)
    text = "; ".join(f"{name}: {said or code}" if name else said or code for name, code, said in details)
    codes = {code for _, code, _ in details} | {str(error.get("subCategory") or "")}
    names = {name for name, _, _ in details} | {str(name) for name in context.get("properties", ())} | set(unknown)
    existing = _EXISTING.search(message)
    correlation = f" (correlation id {error['correlationId']})" if error.get("correlationId") else ""
    return Complaint(
        text=(text or message or "no reason given")[:300] + correlation,
        category=str(error.get("category") or ""),
        codes=frozenset(codes | ({"PROPERTY_DOESNT_EXIST"} if unknown else set())) - {""},
        names=frozenset(names) - {""},
        rows=tuple(str(row) for row in context.get("objectWriteTraceId", ())),
        existing=existing[1] if existing else "",
    )


def _details(error: JsonObject) -> list[tuple[str, str, str]]:
    """Find (property, code, message) of each fault: in `errors`, or as JSON inside the message."""
    found = []
    for it in _objects(error.get("errors")):
        names = context_of(it).get("propertyName") or [""]
        found.append((str(names[0]), str(it.get("code") or ""), str(it.get("message") or "")))
    message = str(error.get("message") or "")
    if not found and (start := message.find("[{")) >= 0:
        try:
            faults = _objects(json.loads(message[start:]))
        except (ValueError, RecursionError):
            return []
        found = [(str(it.get("name", "")), str(it.get("error", "")), str(it.get("message", ""))) for it in faults]
    return found


def context_of(error: JsonObject) -> Mapping[str, Sequence[Any]]:
    return {name: value for name, value in as_object(error.get("context")).items() if isinstance(value, list)}


def _objects(value: object) -> list[JsonObject]:
    return [it for it in value if isinstance(it, dict)] if isinstance(value, list) else []
