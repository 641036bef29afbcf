"""Routes that tell what an org is made of: versions, objects, fields, limits.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_describe.htm
"""

from __future__ import annotations

from typing import Any

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.salesforce import ids
from syncd.sandbox.crm.salesforce.call import Call
from syncd.sandbox.crm.salesforce.schema import Field, Object

OLDEST, NEWEST = 31, 68
"""API versions that are supported; older ones are retired."""

_SEASONS = ("Spring", "Summer", "Winter")
_SOAP = {
    "boolean": "xsd:boolean",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "id": "tns:ID",
    "reference": "tns:ID",
}
_SOAP |= {"currency": "xsd:double", "percent": "xsd:double", "int": "xsd:int"}


def versions(call: Call) -> Reply:
    """Answer GET of all versions; needs no session."""
    call.query()
    return Reply(code=200, body=[_version(number) for number in range(OLDEST, NEWEST + 1)])


def resources(call: Call) -> Reply:
    """Answer GET of what a version offers."""
    call.query()
    names = ("sobjects", "query", "queryAll", "composite", "limits")
    return Reply(code=200, body={name: f"{call.base}/{name}" for name in names})


def limits(call: Call) -> Reply:
    """Answer GET of the org's limits, of which one is simulated."""
    call.query()
    usage = call.account.usage
    most = usage.limits.daily
    return Reply(code=200, body={"DailyApiRequests": {"Max": most, "Remaining": max(most - usage.used, 0)}})


def objects(call: Call) -> Reply:
    """Answer GET of all objects."""
    call.query()
    shown = [_object(call, kind) for kind in call.org.schema.objects.values()]
    return Reply(code=200, body={"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": shown})


def basic(call: Call) -> Reply:
    """Answer GET of an object's basic description."""
    call.query()
    return Reply(code=200, body={"objectDescribe": _object(call, call.kind), "recentItems": []})


def describe(call: Call) -> Reply:
    """Answer GET of an object with all its fields."""
    call.query()
    kind = call.kind
    fields = [_field(call, kind, it) for it in kind.fields.values()]
    more = {"fields": fields, "childRelationships": [], "recordTypeInfos": []}
    return Reply(code=200, body={**_object(call, kind), **more})


def _version(number: int) -> dict[str, str]:
    """Three releases a year; 64.0 is that of Summer '25."""
    since = number - 64 + 1
    label = f"{_SEASONS[since % 3]} '{25 + (since // 3) + (since % 3 == 2)}"
    return {"label": label, "url": f"/services/data/v{number}.0", "version": f"{number}.0"}


def _object(call: Call, kind: Object) -> dict[str, Any]:
    base = f"{call.base}/sobjects/{kind.name}"
    urls = {"sobject": base, "describe": f"{base}/describe", "rowTemplate": f"{base}/{{ID}}"}
    flags = dict.fromkeys(("createable", "updateable", "deletable", "undeletable"), kind.writable)
    rest = {"mergeable": "MasterRecordId" in kind.fields, "queryable": True, "retrieveable": True}
    names = {"name": kind.name, "label": kind.label, "labelPlural": kind.label, "keyPrefix": ids.PREFIXES[kind.name]}
    return {**names, "custom": False, **flags, **rest, "urls": urls}


def _field(call: Call, kind: Object, it: Field) -> dict[str, Any]:
    options = call.org.schema.options(kind.name, it.name)
    default = next(iter(call.org.schema.statuses)) if it.name == "Status" else None
    return {
        "name": it.name,
        "label": it.label,
        "type": "double" if it.type == "int" else it.type,
        "soapType": _SOAP.get(it.type, "xsd:string"),
        "length": it.length,
        "nillable": not it.required and it.type != "boolean" and it.type != "id",
        "createable": it.createable and kind.writable,
        "updateable": it.updateable and kind.writable,
        "defaultedOnCreate": it.defaulted,
        "externalId": it.external_id,
        "unique": it.unique,
        "caseSensitive": it.case_sensitive,
        "idLookup": it.external_id or it.name in {"Id", "Email"},
        "custom": it.custom,
        "calculated": False,
        "filterable": it.type != "textarea",
        "sortable": it.type != "textarea",
        "restrictedPicklist": bool(options),
        "picklistValues": [
            {"active": True, "defaultValue": value == default, "label": label, "validFor": None, "value": value}
            for value, label in options
        ],
        "referenceTo": [it.to] if it.to else [],
        "relationshipName": it.relationship or None,
    }
