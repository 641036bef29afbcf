"""Field values: how they are read from JSON, shown in JSON, and held against their field's definition. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from syncd.sandbox.crm.salesforce import ids
from syncd.sandbox.crm.salesforce.refusal import Refusal, not_saved
from syncd.sandbox.crm.salesforce.schema import NUMBERS, TEXTS, Field, Object, Schema

Value = str | bool | Decimal | date | datetime | None
Values = dict[str, Value]

_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>.]+(\.[^@\s,;<>.]+)+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def read(field: Field, raw: Any) -> Value:
    """Read a value from JSON; empty text is no value. Raises Refusal, which fails the whole request, not its row."""
    if raw is None or raw == "":
        return False if raw is None and field.type == "boolean" else None
    if isinstance(raw, dict | list):
        raise _unreadable(field, "START_OBJECT" if isinstance(raw, dict) else "START_ARRAY")
    if field.type == "boolean":
        if not isinstance(raw, bool):
            raise _unreadable(field, raw)
        return raw
    if field.type in NUMBERS:
        return _number(field, raw)
    if field.type in {"date", "datetime"}:
        return _time(field, raw)
    if not isinstance(raw, str):
        raise _unreadable(field, raw)
    text = raw.strip() or None
    return ids.read(text) or text if text and field.type == "reference" else text


def _number(field: Field, raw: Any) -> Decimal:
    try:
        number = Decimal(str(raw)) if not isinstance(raw, bool) else Decimal("NaN")
    except InvalidOperation:
        raise _unreadable(field, raw) from None
    if not number.is_finite() or abs(number) >= Decimal(10) ** 16:
        raise _unreadable(field, raw)
    return number.quantize(Decimal("0.01"))


def _time(field: Field, raw: Any) -> date | datetime:
    try:
        if field.type == "date":
            if not isinstance(raw, str) or not _DATE.fullmatch(raw):
                raise ValueError
            return date.fromisoformat(raw)
        at = datetime.fromisoformat(raw)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    except (TypeError, ValueError):
        raise _unreadable(field, raw) from None


def _unreadable(field: Field, raw: Any) -> Refusal:
    kind = "VALUE_STRING" if isinstance(raw, str) else "VALUE"
    message = f"Cannot deserialize instance of {field.type} from {kind} value {raw} or request may be missing"
    return Refusal("JSON_PARSER_ERROR", f"{message} a required field at [line:1, column:1]")


def show(value: Value) -> Any:
    """Show a value in JSON: numbers as doubles, times in UTC to the second."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def fold(field: Field, value: Value) -> Value:
    """Make equal what the vendor takes for equal: texts in any case, unless the field says otherwise."""
    return value.lower() if isinstance(value, str) and field.type in TEXTS and not field.case_sensitive else value


def check(schema: Schema, kind: Object, values: Mapping[str, Value], *, new: bool) -> None:
    """Refuse values that a client may not write into a record."""
    closed = [name for name in values if not _may_write(kind.fields[name], new=new)]
    if closed:
        message = f"Unable to create/update fields: {', '.join(closed)}. Please check the security settings of this"
        message += " field and verify that it is read/write for your profile or permission set."
        raise not_saved("INVALID_FIELD_FOR_INSERT_UPDATE", message, *closed)
    for name, value in values.items():
        if value is not None:
            _check_one(schema, kind, kind.fields[name], value)


def check_required(kind: Object, values: Mapping[str, Value]) -> None:
    """Refuse a record that would lack what every record of its object has."""
    if missing := [it.name for it in kind.fields.values() if it.required and values.get(it.name) is None]:
        raise not_saved("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", *missing)


def _may_write(field: Field, *, new: bool) -> bool:
    return field.createable if new else field.updateable


def _check_one(schema: Schema, kind: Object, field: Field, value: Value) -> None:
    if isinstance(value, str) and field.length and len(value) > field.length:
        message = f"{field.label}: data value too large: {value} (max length={field.length})"
        raise not_saved("STRING_TOO_LONG", message, field.name)
    if field.type == "email" and not _EMAIL.fullmatch(str(value)):
        raise not_saved("INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {value}", field.name)
    if field.type == "reference" and (ids.read(str(value)) is None or not _leads_to(field, str(value))):
        raise not_saved("MALFORMED_ID", f"{field.label}: id value of incorrect type: {value}", field.name)
    options = [option for option, _ in schema.options(kind.name, field.name)]
    if options and value not in options:
        message = f"{field.label}: bad value for restricted picklist field: {value}"
        raise not_saved("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, field.name)


def _leads_to(field: Field, value: str) -> bool:
    return ids.kind_of(value) == field.to
