"""Routes that tell what an account is made of: pipelines, properties, the account itself, and its tokens.

https://developers.hubspot.com/docs/api-reference/latest/crm/pipelines/guide, .../crm/properties/guide,
.../account/account-information/guide
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.hubspot.call import Call, shape
from syncd.sandbox.crm.hubspot.refusal import Refusal, invalid, not_found
from syncd.sandbox.crm.hubspot.schema import MAX_UNIQUE, Pipeline, Property, Stage

_TYPES = ("string", "number", "date", "datetime", "enumeration", "bool")
_FIELDS = ("textarea", "text", "date", "file", "number", "select", "radio", "checkbox", "booleancheckbox")
_BEGINNING = "2026-01-01T00:00:00.000Z"


def pipelines(call: Call) -> Reply:
    """Answer GET of all deal pipelines."""
    call.query()
    shown = [_pipeline(order, it) for order, it in enumerate(call.model.schema.pipelines.values())]
    return Reply(code=200, body={"results": shown})


def properties(call: Call) -> Reply:
    """Answer GET of all properties of a type."""
    query = call.query("archived", "properties", "dataSensitivity")
    live = query.get("archived") != ["true"]
    known = call.model.schema.properties[call.kind].values() if live else ()
    return Reply(code=200, body={"results": [_property(it) for it in known]})


def property_one(call: Call) -> Reply:
    """Answer GET of one property."""
    call.query("archived", "properties", "dataSensitivity")
    it = call.model.schema.properties[call.kind].get(call.names["name"])
    if it is None:
        raise not_found(f"Property {call.names['name']} does not exist")
    return Reply(code=200, body=_property(it))


def create_property(call: Call) -> Reply:
    """Answer POST of a new property."""
    call.query()
    needs: dict[str, type] = dict.fromkeys(("name", "label", "type", "fieldType", "groupName"), str)
    # A boolean is no int to `shape`, so what may be one is declared as object.
    may: dict[str, type] = {
        "description": str,
        "options": list,
        "displayOrder": int,
        "hasUniqueValue": object,
        "hidden": object,
        "formField": object,
    }
    body = call.json()
    flags = {k: v for k, v in body.items() if k in may and may[k] is object} if isinstance(body, dict) else {}
    if not all(isinstance(flag, bool) for flag in flags.values()):
        raise invalid("hasUniqueValue, hidden and formField are booleans")
    rest = {k: v for k, v in body.items() if k not in flags} if isinstance(body, dict) else body
    made = _new_property(call, shape(rest, needs=needs, may=may), unique=flags.get("hasUniqueValue", False))
    call.model.schema.properties[call.kind][made.name] = made
    return Reply(code=201, body=_property(made))


def account(call: Call) -> Reply:
    """Answer GET of the account's details."""
    call.query()
    body = {
        "portalId": call.account.portal,
        "accountType": "STANDARD",
        "timeZone": "UTC",
        "companyCurrency": "EUR",
        "additionalCurrencies": [],
        "utcOffset": "+00:00",
        "utcOffsetMilliseconds": 0,
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "na1",
    }
    return Reply(code=200, body=body)


def authorize(call: Call) -> Reply:
    """Answer GET of the page on which an admin consents; it has no words here."""
    return call.account.tokens.consent.page(call.request.query)


def token(call: Call) -> Reply:
    """Answer POST of the OAuth token endpoint, which reads a form and no Authorization."""
    if call.request.headers.get("content-type", "").split(";")[0].strip() != "application/x-www-form-urlencoded":
        raise invalid("This endpoint reads application/x-www-form-urlencoded")
    try:
        form = dict(parse_qsl(call.request.body.decode("ascii"), strict_parsing=True, max_num_fields=20))
    except ValueError as error:
        raise invalid("The form could not be read") from error
    return Reply(code=200, body=call.account.tokens.grant(form))


def _new_property(call: Call, body: dict[str, Any], *, unique: bool) -> Property:
    schema, name = call.model.schema, body["name"]
    if name in schema.properties[call.kind]:
        raise Refusal(
            409,
            "OBJECT_ALREADY_EXISTS",
            f'A property named "{name}" already exists.',
            sub_category="Properties.PROPERTY_EXISTS",
        )
    groups = {it.group for it in schema.properties[call.kind].values()}
    if body["groupName"] not in groups:
        raise invalid(f"The property group {body['groupName']} does not exist")
    if body["type"] not in _TYPES or body["fieldType"] not in _FIELDS:
        raise invalid("type or fieldType is not one of the values accepted")
    if not name.isascii() or not name.replace("_", "a").isalnum() or name != name.lower() or not name[0].isalpha():
        raise invalid("A property name has lower-case letters, digits and underscores, and begins with a letter")
    own_unique = [it for it in schema.properties[call.kind].values() if it.unique and it.own]
    if unique and len(own_unique) >= MAX_UNIQUE:
        raise invalid(f"An object type can have {MAX_UNIQUE} unique properties at most")
    options = []
    for option in body.get("options", []):
        shape(option, needs={"label": str, "value": str}, may={"description": str, "displayOrder": int})
        options.append((option["value"], option["label"]))
    return Property(
        name=name,
        label=body["label"],
        type=body["type"],
        field=body["fieldType"],
        group=body["groupName"],
        description=body.get("description", ""),
        options=tuple(options),
        unique=unique,
        own=True,
    )


def _property(it: Property) -> dict[str, Any]:
    return {
        "name": it.name,
        "label": it.label,
        "type": it.type,
        "fieldType": it.field,
        "groupName": it.group,
        "description": it.description,
        "options": [
            {"label": label, "value": value, "displayOrder": order, "hidden": False}
            for order, (value, label) in enumerate(it.options)
        ],
        "hasUniqueValue": it.unique,
        "hidden": False,
        "formField": not it.read_only,
        "calculated": False,
        "externalOptions": it.name in {"dealstage", "pipeline"},
        "hubspotDefined": not it.own,
        "archived": False,
        "modificationMetadata": {"archivable": it.own, "readOnlyDefinition": not it.own, "readOnlyValue": it.read_only},
    }


def _pipeline(order: int, it: Pipeline) -> dict[str, Any]:
    stages = [_stage(place, stage) for place, stage in enumerate(it.stages)]
    dates = {"createdAt": _BEGINNING, "updatedAt": _BEGINNING}
    return {"id": it.id, "label": it.label, "displayOrder": order, "stages": stages, "archived": False, **dates}


def _stage(order: int, it: Stage) -> dict[str, Any]:
    return {
        "id": it.id,
        "label": it.label,
        "displayOrder": order,
        "metadata": {"isClosed": it.closed, "probability": it.probability},
        "archived": False,
        "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
        "createdAt": _BEGINNING,
        "updatedAt": _BEGINNING,
    }
