"""Judging answers: what a status and a text of Pipedrive mean for the work at hand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from syncd.contract import (
    ConnectorError,
    JsonObject,
    Lead,
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
from syncd_connectors.pipedrive.fields import CompanyField, Kind

if TYPE_CHECKING:
    import requests

_HOUR, _BLOCKED = timedelta(hours=1), timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What Pipedrive answered, and when by its own clock."""

    body: JsonObject
    at: datetime | None


class Refused(Misconfigured):
    """A request that Pipedrive finds wrong; where no lead can be at fault, it is ours."""

    def __init__(self, text: str) -> None:
        hint = "Pipedrive's API may have changed; look for a newer version"
        super().__init__(f"Pipedrive refuses a request: {veiled(text, ())[:300]}", yaml_path="type", hint=hint)
        self.text = text


class Missing(Misconfigured):
    """An id, or a path, that Pipedrive does not know."""


def read_answer(answer: requests.Response, credential: str) -> Answer:
    """Read an answer, or raise what its status means. Error pages are HTML, and some come with a 200.

    `credential` is the setting that holds it.

    https://pipedrive.readme.io/docs/core-api-concepts-http-status-codes
    """
    is_good = 200 <= answer.status_code < 300
    try:
        body = json_object(answer)
    except Transient:
        if is_good:
            raise
        body = {}
    if not is_good:
        raise _failure(answer, body, credential)
    if body.get("success") is False:
        raise Refused(_said(body))
    if body.get("success") is not True:
        raise Transient("Pipedrive's answer does not say that it succeeded")
    return Answer(body=body, at=answered_at(answer))


def _failure(answer: requests.Response, body: JsonObject, credential: str) -> ConnectorError:
    status, said, code = answer.status_code, veiled(_said(body), ())[:200], str(body.get("code") or "")
    match status:
        case 400 | 422 if body:
            return Refused(_said(body))
        case 401:
            hint = "copy the token anew: Personal preferences, API; a new one ends the old one everywhere"
            hint = hint if credential == "api_token" else "sign in anew: syncd connectors auth"
            return Unauthorized("Pipedrive refuses the token", yaml_path=credential, hint=hint)
        case 402:
            hint = "has its trial ended, or is an invoice open?"
            return Misconfigured("the company's account is not open", yaml_path=credential, hint=hint)
        case 403 if not body:
            # A page of its gatekeeper, for those who went on calling after they were told to slow down.
            return _parked("Pipedrive's gatekeeper blocks us", answer, _BLOCKED)
        case 403 if code.startswith("feature_capping"):
            hint = "make room in Pipedrive, or have the plan changed"
            return Misconfigured(f"a limit of the plan is reached: {said}", yaml_path="push.as", hint=hint)
        case 403:
            hint = "give the user of the token the right to it, and to use the API"
            return Misconfigured(f"the token lacks a permission: {said}", yaml_path=credential, hint=hint)
        case 404 | 410:
            hint = "is it the company's address, and does Pipedrive still serve this version of its API?"
            return Missing("Pipedrive has no such path or record", yaml_path="company_domain", hint=hint)
        case 415:
            hint = "the feature is switched off for this company"
            return Misconfigured(f"Pipedrive takes no such request: {said}", yaml_path="push.as", hint=hint)
        case 429:
            return _too_many(answer, said)
    error = status_error(status, f"Pipedrive answers with status {status}", retry_after=retry_after(answer))
    if error is None or isinstance(error, Rejected):
        return Misconfigured(
            f"Pipedrive answers with status {status}", yaml_path="type", hint="look for a newer version"
        )
    return error


def _too_many(answer: requests.Response, said: str) -> ConnectorError:
    """Tell the two limits apart: of calls in two seconds, and of tokens in a day, which all of the company share.

    https://pipedrive.readme.io/docs/core-api-concepts-rate-limiting
    """
    left = [answer.headers.get(name) for name in ("x-daily-ratelimit-token-remaining", "x-daily-requests-left")]
    if "0" in left or re.search(r"\b(day|daily|today)\b", said, re.IGNORECASE):
        return budget_spent(answer)
    reset = answer.headers.get("x-ratelimit-reset", "")
    seconds = retry_after(answer) or (float(reset) if re.fullmatch(r"[0-9]{1,6}", reset) else 0.0)
    return Throttled("Pipedrive asks for fewer calls", retry_after=min(max(seconds, 2.0), 3600.0))


def budget_spent(answer: requests.Response) -> ConnectorError:
    """Give what follows from a spent day: it ends at midnight of Pipedrive's server, in a zone that no answer tells."""
    return _parked("the company's daily budget of API tokens is spent", answer, _HOUR)


def _parked(why: str, answer: requests.Response, wait: timedelta) -> ConnectorError:
    """Wait by Pipedrive's clock, not ours."""
    now = answered_at(answer)
    if now is None:
        return Throttled(why, retry_after=wait.total_seconds())
    until = now + wait
    return Parked(f"{why}; until {until:%Y-%m-%d %H:%M} UTC nothing is sent", until=until)


def _said(body: JsonObject) -> str:
    return str(body.get("error") or body.get("message") or "no reason given")[:2000]


def verdict_on(
    refused: Refused, kind: Kind, lead: Lead, body: JsonObject, fields: Sequence[CompanyField]
) -> ConnectorError:
    """Tell whether a refusal is about the settings, so that it befalls every lead, or about one lead's values."""
    person = lead.person
    sent = [*_texts(body), *filter(None, (person.first_name, person.last_name, person.email, person.phone))]
    text = veiled(refused.text, sent)
    for field in fields:
        text = text.replace(field.code, field.name) if field.is_custom else text  # people know no keys
    text = text[:300]
    for name, path in (("owner_id", "owner"), ("stage_id", "stage"), ("pipeline_id", "pipeline")):
        if name in body and re.search(rf"\b{name}\b", refused.text):
            hint = "correct the setting; ids of Pipedrive are needed"
            return Misconfigured(f"Pipedrive cannot take {name}: {text}", yaml_path=f"push.{path}", hint=hint)
    return Rejected(f"Pipedrive refuses the {kind}: {text}")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for it in value.values():
            yield from _texts(it)
    elif isinstance(value, list):
        for it in value:
            yield from _texts(it)
