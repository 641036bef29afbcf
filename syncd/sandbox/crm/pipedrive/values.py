"""What may be written into a field: strict, as v2 is. Pure; nothing here repeats a value, for it may name a person.

https://pipedrive.readme.io/docs/pipedrive-api-v2-migration-guide
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from syncd.sandbox.crm.pipedrive import moments
from syncd.sandbox.crm.pipedrive.refusal import Refusal, wrong_field
from syncd.sandbox.crm.pipedrive.schema import Field, Kind

Reader = Callable[[Any], Any]
"""Gives a value back as it is kept, or raises ValueError with what was expected."""

CURRENCIES = frozenset({"EUR", "USD", "GBP", "CHF", "SEK", "PLN", "JPY", "BRL"})
CONTACT_SYNC = frozenset({"job_title", "notes", "im", "ims", "birthday", "postal_address"})
"""Fields of a person that need a paid add-on, which the company here does not have."""


def text(value: Any, *, most: int = 255, least: int = 0) -> str:
    if not isinstance(value, str) or not least <= len(value.strip()) or len(value) > most:
        raise ValueError(f"expected a string of {least} to {most} characters")
    return value


def number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("expected a number")
    return value


def whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**53:
        raise ValueError("expected an integer")
    return value


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("expected a boolean")
    return value


def one_of(value: Any, *, known: frozenset[Any]) -> Any:
    if isinstance(value, bool | float | list | dict) or value not in known:
        raise ValueError(f"expected one of {', '.join(sorted(map(str, known)))}")
    return value


def moment(value: Any) -> str:
    return moments.rfc3339(moments.read(text(value)))


def day(value: Any) -> str:
    return moments.read_date(text(value))


def many(value: Any, *, of: Reader) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("expected an array")
    return [of(item) for item in value]


def contact_point(value: Any) -> dict[str, Any]:
    """Read an e-mail address or telephone number; the vendor does not look at its form."""
    if not isinstance(value, dict) or not {"value"} <= value.keys() <= {"value", "primary", "label"}:
        raise ValueError("expected an object with value, primary and label")
    return {
        "value": text(value["value"], least=1),
        "primary": flag(value.get("primary", False)),
        "label": text(value.get("label", "work")),
    }


def contact_points(value: Any) -> list[dict[str, Any]]:
    found = many(value, of=contact_point)
    if sum(point["primary"] for point in found) > 1:
        raise ValueError("expected one primary at most")
    if found and not any(point["primary"] for point in found):
        found[0]["primary"] = True
    return found


def money(value: Any, *, amount: str = "value") -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != {amount, "currency"}:
        raise ValueError(f"expected an object with {amount} and currency")
    return {amount: number(value[amount]), "currency": one_of(value["currency"], known=CURRENCIES)}


_VISIBLE = frozenset({1, 3, 5, 7})
_LONG = partial(text, most=65_535)

READERS: Mapping[Kind, Mapping[str, Reader]] = {
    "deal": {
        "title": partial(text, least=1),
        "owner_id": whole,
        "person_id": whole,
        "org_id": whole,
        "pipeline_id": whole,
        "stage_id": whole,
        "value": number,
        "currency": partial(one_of, known=CURRENCIES),
        "is_archived": flag,
        "status": partial(one_of, known=frozenset({"open", "won", "lost"})),
        "probability": number,
        "lost_reason": text,
        "visible_to": partial(one_of, known=_VISIBLE),
        "close_time": moment,
        "won_time": moment,
        "lost_time": moment,
        "expected_close_date": day,
        "label_ids": partial(many, of=whole),
    },
    "person": {
        "name": partial(text, least=1),
        "owner_id": whole,
        "org_id": whole,
        "emails": contact_points,
        "phones": contact_points,
        "visible_to": partial(one_of, known=_VISIBLE),
        "label_ids": partial(many, of=whole),
    },
    "lead": {
        "title": partial(text, least=1),
        "owner_id": whole,
        "label_ids": partial(many, of=text),
        "person_id": whole,
        "organization_id": whole,
        "is_archived": flag,
        "value": partial(money, amount="amount"),
        "expected_close_date": day,
        "visible_to": partial(one_of, known=frozenset({"1", "3", "5", "7"})),
        "was_seen": flag,
        "origin_id": text,
        "channel": whole,
        "channel_id": text,
    },
}
_NEVER_EMPTY = frozenset({"title", "name", "status", "owner_id", "stage_id", "pipeline_id", "currency", "is_archived"})


def read(kind: Kind, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Read the vendor's own fields of a record; null empties one. Raises Refusal, which names the field."""
    found: dict[str, Any] = {}
    for code, value in raw.items():
        if kind == "person" and code in CONTACT_SYNC:
            raise Refusal(403, f"{code} needs contact sync, which is not enabled for this company")
        reader = READERS[kind].get(code)
        if reader is None:
            raise wrong_field(code, "unknown field")
        if value is None and code in _NEVER_EMPTY:
            raise wrong_field(code, "may not be null")
        found[code] = None if value is None else _tried(code, reader, value)
    return found


def read_custom(known: Mapping[str, Field], raw: Any) -> dict[str, Any]:
    """Read the custom fields of a record, by key; null empties one. Raises Refusal, which names the key."""
    if not isinstance(raw, Mapping):
        raise wrong_field("custom_fields", "expected an object")
    found: dict[str, Any] = {}
    for code, value in raw.items():
        if code not in known:
            raise wrong_field(code, "unknown custom field")
        found[code] = None if value is None else _tried(code, partial(_custom, known[code]), value)
    return found


def _custom(field: Field, value: Any) -> Any:
    options = frozenset(id_ for id_, _ in field.options)
    readers: dict[str, Reader] = {
        "varchar": text,
        "phone": text,
        "text": _LONG,
        "double": number,
        "date": day,
        "monetary": money,
        "enum": partial(one_of, known=options),
        "set": partial(_chosen, options=options),
    }
    return readers[field.type](value)


def _chosen(value: Any, *, options: frozenset[int]) -> list[int]:
    found = many(value, of=partial(one_of, known=options))
    if not found:
        raise ValueError("an empty array is not supported; null clears the selection")
    return found


def _tried(code: str, reader: Reader, value: Any) -> Any:
    try:
        return reader(value)
    except ValueError as problem:
        raise wrong_field(code, str(problem)) from None
