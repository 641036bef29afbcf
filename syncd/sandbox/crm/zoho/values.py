"""Field values: how they are read from JSON and shown in JSON. Pure.

Times are whole seconds with the offset of the account's time zone, as 2026-11-24T10:14:02+02:00.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timezone
from decimal import Decimal
from typing import Any

from syncd.sandbox.crm.zoho.refusal import Refusal, invalid
from syncd.sandbox.crm.zoho.schema import NUMBERS, REFERENCES, TEXTS, Field

Value = str | bool | Decimal | date | datetime | None
Values = dict[str, Value]

_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>.]+(\.[^@\s,;<>.]+)+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")
_ID = re.compile(r"\d{1,19}")


def read(field: Field, raw: Any, options: tuple[str, ...] = ()) -> Value:
    """Read a value from JSON; empty text is no value. Raises Refusal INVALID_DATA."""
    if raw is None or raw == "":
        return None
    if field.type in REFERENCES:
        return _reference(field, raw)
    if field.type in NUMBERS:
        return _number(field, raw)
    if field.type == "boolean":
        if not isinstance(raw, bool):
            raise invalid(field.name, expected_data_type="boolean")
        return raw
    if not isinstance(raw, str):
        raise invalid(field.name, expected_data_type=field.type if field.type in {"date", "datetime"} else "text")
    if field.type in {"date", "datetime"}:
        return _moment(field, raw)
    text = raw.strip() or None
    if text is not None:
        _check_text(field, text, options)
    return text


def read_time(text: str) -> datetime:
    """Read a time with seconds and an offset. Raises ValueError for any other form."""
    if not _TIME.fullmatch(text):
        raise ValueError("a time looks like 2026-11-24T10:14:02+02:00")
    return datetime.fromisoformat(text).astimezone(UTC)


def _check_text(field: Field, text: str, options: tuple[str, ...]) -> None:
    if len(text) > field.length:
        raise invalid(field.name, maximum_length=field.length)
    if field.type == "email" and not _EMAIL.fullmatch(text):
        raise invalid(field.name, expected_data_type="email")
    if field.type == "picklist" and text not in options:
        raise invalid(field.name, supported_values=list(options))


def _reference(field: Field, raw: Any) -> str:
    id_ = raw.get("id") if isinstance(raw, dict) else raw
    if not isinstance(id_, str) or not _ID.fullmatch(id_):
        raise invalid(field.name, expected_data_type="jsonobject")
    return id_


def _number(field: Field, raw: Any) -> Decimal:
    kind = "integer" if field.type == "integer" else "double"
    if isinstance(raw, bool) or not isinstance(raw, int | float) or (kind == "integer" and not isinstance(raw, int)):
        raise invalid(field.name, expected_data_type=kind)
    number = Decimal(str(raw))
    if len(str(abs(int(number)))) > field.length:
        raise invalid(field.name, maximum_length=field.length)
    return number if kind == "integer" else number.quantize(Decimal("0.01"))


def _moment(field: Field, raw: str) -> date | datetime:
    try:
        if field.type == "datetime":
            return read_time(raw)
        if not _DATE.fullmatch(raw):
            raise ValueError
        return date.fromisoformat(raw)
    except ValueError:
        raise invalid(field.name, expected_data_type=field.type) from None


def show(value: Value, zone: timezone) -> Any:
    """Show a value in JSON: numbers as numbers, times with the zone's offset."""
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def fold(field: Field, value: Value) -> Value:
    """Make equal what the vendor takes for equal: texts in any case, unless the field says otherwise."""
    return value.lower() if isinstance(value, str) and field.type in TEXTS and not field.case_sensitive else value


def unknown(name: str) -> Refusal:
    """Refuse a field that the module does not have."""
    message = "the field api name given seems to be invalid"
    return Refusal("INVALID_DATA", message, details={"api_name": name})
