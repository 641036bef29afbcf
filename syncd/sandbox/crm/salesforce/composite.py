"""The route that takes several calls in one, of which a later one may use what an earlier one answered.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_composite.htm
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from syncd.sandbox.crm.exchange import Reply, Request
from syncd.sandbox.crm.salesforce.call import Call, shape
from syncd.sandbox.crm.salesforce.refusal import Refusal

MOST = 25
MOST_OF_MANY = 5
"""Queries and collections that may be among them."""

_REFERENCE = re.compile(r"@\{(\w+)\.([^}]+)\}")
_STEP = re.compile(r"(\w+)|\[(\d+)\]")
_OF_MANY = re.compile(r".*/(query|queryAll|composite/sobjects)([/?].*)?")


def answer(call: Call) -> Reply:
    """Answer POST composite with 200 and each call's own answer, whatever failed."""
    call.query()
    body = shape(call.json(), needs={"compositeRequest": list}, may={"allOrNone": bool, "collateSubrequests": bool})
    parts = [_part(call, item) for item in body["compositeRequest"]]
    _count(parts)
    whole = body.get("allOrNone", False)
    answers: dict[str, Reply] = {}
    with call.org.transaction() as undo:
        for part in parts:
            reply = _run(call, part, answers)
            answers[part["referenceId"]] = reply
            if whole and reply.code >= 400:
                undo()
                answers = {**dict.fromkeys((it["referenceId"] for it in parts), _HALTED), part["referenceId"]: reply}
                break
    return Reply(code=200, body={"compositeResponse": [_shown(name, reply) for name, reply in answers.items()]})


_HALTED = Reply(
    code=400,
    body=Refusal(
        "PROCESSING_HALTED",
        "The transaction was rolled back since another operation in the same transaction failed.",
    ).body(),
)


def _part(call: Call, item: Any) -> dict[str, Any]:
    needs = {"method": str, "url": str, "referenceId": str}
    part: dict[str, Any] = shape(item, needs=needs, may={"body": object, "httpHeaders": dict})
    if not re.fullmatch(r"[A-Za-z0-9]\w*", part["referenceId"], re.ASCII):
        raise Refusal("INVALID_INPUT", "a referenceId has letters, digits and underscores only")
    if not part["url"].startswith(f"{call.base}/") or "/composite?" in f"{part['url']}?":
        raise Refusal("INVALID_INPUT", f"a url begins with {call.base}/ and is not composite itself")
    return part


def _count(parts: list[dict[str, Any]]) -> None:
    names = {part["referenceId"] for part in parts}
    if not parts or len(parts) > MOST:
        raise Refusal("INVALID_INPUT", f"a composite request has 1 to {MOST} subrequests")
    if len(names) < len(parts):
        raise Refusal("INVALID_INPUT", "each referenceId may be used once")
    if sum(bool(_OF_MANY.fullmatch(part["url"])) for part in parts) > MOST_OF_MANY:
        raise Refusal("INVALID_INPUT", f"at most {MOST_OF_MANY} subrequests may be queries or collections")


def _run(call: Call, part: dict[str, Any], answers: Mapping[str, Reply]) -> Reply:
    try:
        url = urlsplit(_REFERENCE.sub(lambda found: quote(str(_value(found, answers)), safe=""), part["url"]))
        body = _filled(part.get("body"), answers)
    except Refusal as refusal:
        return Reply(code=refusal.status, body=refusal.body())
    headers = {str(name).lower(): str(value) for name, value in part.get("httpHeaders", {}).items()}
    request = Request(
        method=part["method"],
        path=url.path,
        query=parse_qs(url.query, keep_blank_values=True),
        headers={**headers, "content-type": "application/json"},
        body=json.dumps(body).encode() if body is not None else b"",
    )
    return call.inner(request)


def _filled(value: Any, answers: Mapping[str, Reply]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(item, answers) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, answers) for item in value]
    if not isinstance(value, str):
        return value
    if found := _REFERENCE.fullmatch(value):
        return _value(found, answers)
    return _REFERENCE.sub(lambda it: str(_value(it, answers)), value)


def _value(found: re.Match[str], answers: Mapping[str, Reply]) -> Any:
    """Follow a reference such as @{lead.id} or @{found.records[0].Id} into an earlier answer."""
    name, path = found[1], found[2]
    value: Any = answers[name].body if name in answers and answers[name].code < 300 else None
    for step in _STEP.finditer(path):
        try:
            value = value[int(step[2])] if step[2] else value[step[1]]
        except (KeyError, IndexError, TypeError):
            value = None
    if value is None:
        message = f"Invalid reference specified. No value for {name}.{path} found in {name}"
        raise Refusal("PROCESSING_HALTED", message)
    return value


def _shown(name: str, reply: Reply) -> dict[str, Any]:
    rest = {"httpHeaders": dict(reply.headers), "httpStatusCode": reply.code, "referenceId": name}
    return {"body": reply.body, **rest}
