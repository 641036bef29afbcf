"""What a company is made of: fields, pipelines, stages, the current user, webhooks; and the OAuth token endpoint.

https://developers.pipedrive.com/docs/api/v1/DealFields, .../Stages, .../Users and .../Webhooks
"""

from __future__ import annotations

from typing import Any

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.pipedrive import values
from syncd.sandbox.crm.pipedrive.call import Call, number, ok, sliced
from syncd.sandbox.crm.pipedrive.refusal import Refusal, capped, invalid, not_found, wrong_field
from syncd.sandbox.crm.pipedrive.schema import CREATABLE, CustomField, Field, Stage, of

_ACTIONS = {"create", "change", "delete", "*"}
_ENTITIES = {"activity", "deal", "lead", "note", "organization", "person", "pipeline", "product", "stage", "user", "*"}
_WEBHOOK = {
    "subscription_url",
    "event_action",
    "event_object",
    "name",
    "user_id",
    "http_auth_user",
    "http_auth_password",
    "version",
}


# --- fields, API v2 ---


def fields(call: Call) -> Reply:
    """Answer GET of all fields of deals or persons."""
    query = call.query("limit", "cursor")
    page, more = sliced(query, list(call.company.schema.fields[of(call.kind)].values()))
    return ok([_field(it) for it in page], more=more)


def field(call: Call) -> Reply:
    """Answer GET of one field by its code."""
    call.query()
    it = call.company.schema.fields[of(call.kind)].get(call.names["code"])
    if it is None:
        raise not_found("Field")
    return ok(_field(it))


def create_field(call: Call) -> Reply:
    """Answer POST of a new custom field. A second one of the same name is another one, as with the vendor."""
    call.query()
    body, on = call.json(), of(call.kind)
    if wrong := sorted(body.keys() - {"field_name", "field_type", "options", "description"}):
        raise wrong_field(wrong[0], "unknown field")
    name, type_ = body.get("field_name"), body.get("field_type")
    if not isinstance(name, str) or not name.strip() or len(name) > 255:
        raise wrong_field("field_name", "expected a string of 1 to 255 characters")
    if type_ not in CREATABLE:
        raise wrong_field("field_type", f"expected one of {', '.join(sorted(CREATABLE))}")
    options = _options(body.get("options", []))
    if bool(options) != (type_ in {"enum", "set"}):
        raise wrong_field("options", "enum and set need options, other types have none")
    schema = call.company.schema
    count = sum(it.custom for known in schema.fields.values() for it in known.values())
    if call.account.custom_fields is not None and count >= call.account.custom_fields:
        raise capped(f"{on}s_custom_fields")
    return ok(_field(schema.add(CustomField(on=on, name=name, type=type_, options=options))))


def _options(raw: Any) -> tuple[str, ...]:
    wrong = wrong_field("options", "expected an array of objects with a label")
    if not isinstance(raw, list):
        raise wrong
    for it in raw:
        if not isinstance(it, dict) or it.keys() != {"label"} or not isinstance(it["label"], str):
            raise wrong
    return tuple(it["label"] for it in raw)


def _field(it: Field) -> dict[str, Any]:
    return {
        "field_name": it.name,
        "field_code": it.code,
        "description": None,
        "field_type": it.type,
        "is_custom_field": it.custom,
        "is_optional_response_field": it.optional,
        "options": [{"id": id_, "label": label} for id_, label in it.options] or None,
        "subfields": None,
    }


# --- pipelines and stages, API v2 ---


def pipelines(call: Call) -> Reply:
    """Answer GET of all pipelines."""
    query = call.query("limit", "cursor")
    page, more = sliced(query, list(call.company.schema.pipelines.values()))
    shown = [
        {"id": it.id, "name": it.name, "order_nr": it.id, "is_deleted": False, "is_deal_probability_enabled": False}
        for it in page
    ]
    return ok(shown, more=more)


def stages(call: Call) -> Reply:
    """Answer GET of the stages, of one pipeline if `pipeline_id` says so."""
    query = call.query("pipeline_id", "limit", "cursor")
    wanted, schema = number(query, "pipeline_id"), call.company.schema
    if wanted is not None and wanted not in schema.pipelines:
        raise not_found("Pipeline")
    page, more = sliced(query, [it for it in schema.stages.values() if wanted in {None, it.pipeline}])
    return ok([_stage(call, it) for it in page], more=more)


def stage(call: Call) -> Reply:
    """Answer GET of one stage."""
    call.query()
    it = call.company.schema.stages.get(int(call.names["id"]))
    if it is None:
        raise not_found("Stage")
    return ok(_stage(call, it))


def _stage(call: Call, it: Stage) -> dict[str, Any]:
    first = call.company.schema.first_stage(it.pipeline)
    return {
        "id": it.id,
        "order_nr": it.id - first.id,
        "name": it.name,
        "is_deleted": False,
        "deal_probability": it.probability,
        "pipeline_id": it.pipeline,
        "is_deal_rot_enabled": False,
        "days_to_rotten": None,
    }


# --- users and webhooks, API v1 ---


def me(call: Call) -> Reply:
    """Answer GET of the user whose token this is, with the company."""
    call.query()
    user = call.company.user
    shown = {
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "active_flag": True,
        "is_admin": 1,
        "is_you": True,
        "locale": "en_GB",
        "timezone_name": "Etc/UTC",
        "timezone_offset": "+00:00",
        "default_currency": call.company.currency,
        "company_id": call.account.number,
        "company_name": "Acme",
        "company_domain": call.account.domain,
        "company_country": "EE",
        "language": {"language_code": "en", "country_code": "GB"},
    }
    return ok(shown)


def webhooks(call: Call) -> Reply:
    """Answer GET of all webhooks."""
    call.query()
    hooks = call.account.webhooks
    return ok([hooks.show(it) for it in hooks.listed()], status="ok")


def create_webhook(call: Call) -> Reply:
    """Answer POST of a new webhook."""
    call.query()
    body = call.json()
    if wrong := sorted(body.keys() - _WEBHOOK):
        raise wrong_field(wrong[0], "unknown field")
    texts = {name: value for name, value in body.items() if name != "user_id" and value is not None}
    if wrong := sorted(name for name, value in texts.items() if not isinstance(value, str)):
        raise wrong_field(wrong[0], "expected a string")
    if missing := sorted({"subscription_url", "event_action", "event_object", "name"} - texts.keys()):
        raise wrong_field(missing[0], "required")
    if texts["event_action"] not in _ACTIONS or texts["event_object"] not in _ENTITIES:
        raise invalid("event_action, event_object: unknown event")
    if texts.get("version", "2.0") != "2.0":
        raise Refusal(400, "version: the sandbox sends webhooks v2 only")
    user = values.whole(body["user_id"]) if body.get("user_id") is not None else call.company.user.id
    if user != call.company.user.id:
        raise wrong_field("user_id", "user not found")
    made = call.account.webhooks.create(
        name=texts["name"],
        url=texts["subscription_url"],
        action=texts["event_action"],
        entity=texts["event_object"],
        user=user,
        auth_user=texts.get("http_auth_user"),
        auth_password=texts.get("http_auth_password"),
    )
    return ok(call.account.webhooks.show(made), code=201, status="ok")


def delete_webhook(call: Call) -> Reply:
    """Answer DELETE of a webhook."""
    call.query()
    try:
        call.account.webhooks.delete(call.names["id"])
    except KeyError:
        raise not_found("Webhook") from None
    return Reply(code=200, body={"success": True, "status": "ok"})


# --- OAuth ---


def authorize(call: Call) -> Reply:
    """Answer GET of the page on which an admin consents, as if that had happened already."""
    query = call.query("client_id", "redirect_uri", "state", "response_type", "scope")
    return Reply(code=302, headers={"Location": call.account.tokens.authorize(query)})


def token(call: Call) -> Reply:
    """Answer POST of the token endpoint, which the vendor has on another host."""
    call.query()
    header = call.request.headers.get("authorization", "")
    return Reply(code=200, body=call.account.tokens.grant(header, call.form()))
