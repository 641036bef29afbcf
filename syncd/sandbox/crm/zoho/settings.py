"""Routes that describe an account: its organization, users, modules, fields, layouts and pipelines.

https://www.zoho.com/crm/developer/docs/api/v8/field-meta.html and get-pipelines.html
"""

from __future__ import annotations

from typing import Any

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.zoho.call import Call
from syncd.sandbox.crm.zoho.record import Person
from syncd.sandbox.crm.zoho.refusal import Refusal, invalid_param, missing_param
from syncd.sandbox.crm.zoho.schema import NUMBERS, REFERENCES, Field, Module, Pipeline, Schema


def org(call: Call) -> Reply:
    """Answer GET of the organization."""
    call.query()
    call.spend()
    prefix = call.org.prefix
    one = {
        "id": f"{prefix}000213",
        "zgid": prefix,
        "company_name": "Acme",
        "currency": "Euro - EUR",
        "iso_code": "EUR",
        "country_code": "DE",
        "time_zone": "Europe/Berlin",
        "mc_status": "Currency" in call.org.schema.modules["Deals"].fields,
        "license_details": {"paid": True, "paid_type": "enterprise", "users_license_purchased": 2},
    }
    return Reply(code=200, body={"org": [one]})


def users(call: Call) -> Reply:
    """Answer GET of the users: the one whose token it is, or all active ones."""
    kind = call.query("type").get("type", "AllUsers")
    if kind not in {"CurrentUser", "AllUsers", "ActiveUsers"}:
        raise invalid_param("type")
    call.spend()
    people = [call.org.client] if kind == "CurrentUser" else [call.org.client, call.org.rep]
    body: dict[str, Any] = {"users": [_user(it, call.org.prefix) for it in people]}
    if kind != "CurrentUser":
        body["info"] = {"per_page": 200, "count": len(people), "page": 1, "more_records": False}
    return Reply(code=200, body=body)


def modules(call: Call) -> Reply:
    """Answer GET of the modules."""
    call.query()
    call.spend()
    return Reply(code=200, body={"modules": [_module(it) for it in call.org.schema.modules.values()]})


def fields(call: Call) -> Reply:
    """Answer GET of a module's fields."""
    module = _asked_module(call, "module")
    call.spend()
    numbered = enumerate(module.fields.values())
    shown = [_field(call.org.schema, module, it, f"{module.id[:-3]}{place + 500:03d}") for place, it in numbered]
    return Reply(code=200, body={"fields": shown})


def layouts(call: Call) -> Reply:
    """Answer GET of a module's layouts, of which there is one."""
    module = _asked_module(call, "module")
    call.spend()
    layout = {"id": layout_id(module), "name": "Standard", "api_name": "Standard__s", "status": "active"}
    return Reply(code=200, body={"layouts": [{**layout, "display_label": "Standard", "visible": True}]})


def pipelines(call: Call) -> Reply:
    """Answer GET of the pipelines of the layout of deals, with their stages."""
    query = call.query("layout_id")
    if "layout_id" not in query:
        raise missing_param("layout_id")
    schema = call.org.schema
    if query["layout_id"] != layout_id(schema.modules["Deals"]):
        raise invalid_param("layout_id")
    call.spend()
    shown = [_pipeline(schema, it, call.org.prefix, place) for place, it in enumerate(schema.pipelines)]
    return Reply(code=200, body={"pipeline": shown})


def layout_id(module: Module) -> str:
    """Give the id of a module's layout."""
    return f"{module.id[:-6]}{int(module.id[-6:]) + 90_000:06d}"


def _asked_module(call: Call, name: str) -> Module:
    query = call.query(name)
    if name not in query:
        raise missing_param(name)
    if (module := call.org.schema.modules.get(query[name])) is None:
        raise Refusal("INVALID_MODULE", "the module name given seems to be invalid")
    return module


def _user(person: Person, prefix: str) -> dict[str, Any]:
    first, _, last = person.name.rpartition(" ")
    return {
        "id": person.id,
        "full_name": person.name,
        "first_name": first or None,
        "last_name": last,
        "email": person.email,
        "status": "active",
        "confirm": True,
        "time_zone": "Europe/Berlin",
        "zuid": person.id[-6:],
        "role": {"name": "CEO", "id": f"{prefix}015966"},
        "profile": {"name": "Administrator", "id": f"{prefix}015972"},
    }


def _module(module: Module) -> dict[str, Any]:
    allowed = dict.fromkeys(("api_supported", "creatable", "editable", "deletable", "viewable", "visible"), True)
    names = {"api_name": module.name, "module_name": module.name, "plural_label": module.name}
    return {**names, "singular_label": module.name[:-1], "id": module.id, "generated_type": "default", **allowed}


def _field(schema: Schema, module: Module, it: Field, id_: str) -> dict[str, Any]:
    options = schema.options(it)
    texts = {value: schema.stages[value].display if it.name == "Stage" else value for value in options}
    json_types = {"boolean": "boolean", "integer": "integer", "currency": "double"}
    return {
        "id": id_,
        "api_name": it.name,
        "field_label": it.label,
        "display_label": it.label,
        "data_type": it.type,
        "json_type": "jsonobject" if it.type in REFERENCES else json_types.get(it.type, "string"),
        "length": it.length,
        "decimal_place": 2 if it.type in NUMBERS else None,
        "custom_field": it.custom,
        "system_mandatory": it.required,
        "read_only": it.read_only,
        "field_read_only": it.read_only,
        "visible": True,
        "searchable": it.queried,
        "filterable": it.queried,
        "sortable": it.queried,
        "history_tracking_enabled": (module.name, it.name) == ("Deals", "Stage"),
        "operation_type": {
            "web_update": not it.read_only,
            "api_create": not it.read_only,
            "web_create": not it.read_only,
            "api_update": not it.read_only,
        },
        "unique": {"casesensitive": "true" if it.case_sensitive else "false"} if it.unique else {},
        "lookup": {"module": {"api_name": it.to, "id": schema.modules[it.to].id}} if it.to else {},
        "pick_list_values": [{"display_value": text, "actual_value": value} for value, text in texts.items()],
    }


def _pipeline(schema: Schema, it: Pipeline, prefix: str, place: int) -> dict[str, Any]:
    stages = (schema.stages[name] for name in it.stages)
    categories = {"Pipeline": f"{prefix}007092", "Closed": f"{prefix}007094", "Omitted": f"{prefix}007096"}
    maps = [
        {
            "id": stage.id,
            "sequence_number": number,
            "actual_value": stage.actual,
            "display_value": stage.display,
            "forecast_type": stage.forecast_type,
            "forecast_category": {"name": stage.forecast_category, "id": categories[stage.forecast_category]},
        }
        for number, stage in enumerate(stages, start=1)
    ]
    names = {"display_value": it.name, "actual_value": it.name}
    return {**names, "default": place == 0, "maps": maps, "id": f"{prefix}{809_075 + place:06d}"}
