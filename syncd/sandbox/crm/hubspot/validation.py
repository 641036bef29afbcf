"""Whether property values may be written: pure, and every problem of a row at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from syncd.sandbox.crm import times
from syncd.sandbox.crm.hubspot.refusal import Detail, Refusal, invalid_values
from syncd.sandbox.crm.hubspot.schema import SINGULAR, ObjectType, Property, Schema

_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>.]+(\.[^@\s,;<>.]+)+")


def check_values(schema: Schema, kind: ObjectType, before: Mapping[str, str], values: Mapping[str, str]) -> None:
    """Refuse `values` (property -> text, "" clears it) for a record that has the values `before` ({} if it is new)."""
    details = [detail for name, value in values.items() if (detail := _check_one(schema, kind, name, value))]
    if not details and kind == "deals":
        details += _check_stage(schema, before, values)
    if details:
        raise invalid_values(details)


def check_required(schema: Schema, kind: ObjectType, before: Mapping[str, str], values: Mapping[str, str]) -> None:
    """Refuse a record that would lack what the vendor, or a rule of the account's admin, requires."""
    after = {name: value for name, value in {**before, **values}.items() if value}
    missing: list[str] = []
    if not before:
        if kind == "contacts" and not after.keys() & {"email", "firstname", "lastname"}:
            missing.append("email")
        if kind == "deals":
            missing += [name for name in ("dealname", "dealstage") if name not in after]
    for rule in schema.required:
        holds = rule.when is None or after.get(rule.when[0]) == rule.when[1]
        if rule.type == kind and holds and rule.property not in after and rule.property not in missing:
            missing.append(rule.property)
    if missing:
        raise Refusal(
            400,
            "VALIDATION_ERROR",
            f"Error writing {SINGULAR[kind].upper()}. Some required properties were not set.",
            context={"properties": missing},
        )


def _check_one(schema: Schema, kind: ObjectType, name: str, value: str) -> Detail | None:
    definition = schema.properties[kind].get(name)
    if definition is None:
        return Detail(message=f'Property "{name}" does not exist', code="PROPERTY_DOESNT_EXIST", property=name)
    if definition.read_only:
        message = f'"{name}" is a read only property; its value cannot be set.'
        return Detail(message=message, code="READ_ONLY_VALUE", property=name)
    if not value:
        return None
    return _check_form(definition, value)


def _check_form(definition: Property, value: str) -> Detail | None:
    """Say what is wrong with a value's form. The value itself is not repeated: answers end up in logs."""
    name, problem, code = definition.name, "", ""
    if definition.type == "number" and not _is_number(value):
        problem, code = "The value was not a valid number.", "INVALID_NUMBER"
    elif definition.type in {"datetime", "date"} and not _is_time(value):
        problem, code = "The value was not a valid date.", "INVALID_DATE"
    elif definition.type == "bool" and value not in {"true", "false"}:
        problem, code = ("The value was not one of the allowed options: [true, false]", "INVALID_OPTION")
    elif definition.options and value not in (allowed := [option for option, _ in definition.options]):
        problem, code = (f"The value was not one of the allowed options: [{', '.join(allowed)}]", "INVALID_OPTION")
    elif name == "email" and not _EMAIL.fullmatch(value):
        problem, code = "The email address is invalid", "INVALID_EMAIL"
    return Detail(message=problem, code=code, property=name) if problem else None


def _is_number(value: str) -> bool:
    try:
        return Decimal(value).is_finite()
    except InvalidOperation:
        return False


def _is_time(value: str) -> bool:
    try:
        times.parse(value)
    except ValueError:
        return False
    return True


def _check_stage(schema: Schema, before: Mapping[str, str], values: Mapping[str, str]) -> list[Detail]:
    """A stage is named by its id and belongs to its pipeline; a label is no id."""
    if not values.keys() & {"pipeline", "dealstage"}:
        return []
    after = {**before, **values}
    pipeline_id = after.get("pipeline") or "default"
    pipeline = schema.pipelines.get(pipeline_id)
    if pipeline is None:
        known = ", ".join(schema.pipelines)
        message = f"{pipeline_id} was not one of the allowed options: [{known}]"
        return [Detail(message=message, code="INVALID_OPTION", property="pipeline")]
    stage = after.get("dealstage", "")
    if stage and pipeline.stage(stage) is None:
        known = ", ".join(s.id for s in pipeline.stages)
        message = f"{stage} was not one of the allowed options: [{known}]"
        return [Detail(message=message, code="INVALID_OPTION", property="dealstage")]
    return []
