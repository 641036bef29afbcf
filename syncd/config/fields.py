"""`push.fields`: which value of a lead goes into which field of the CRM."""

from __future__ import annotations

import re
from collections.abc import Mapping

from syncd.config.problems import nearest
from syncd.contract import Constant

PATHS = frozenset(
    {
        *(f"friend.{name}" for name in ("email", "first_name", "last_name", "name", "phone", "company")),
        *(f"advocate.{name}" for name in ("id", "email", "first_name", "last_name", "name")),
        *(f"referral.{name}" for name in ("id", "code", "campaign", "channel", "captured_at")),
        *(f"campaign.{name}" for name in ("id", "name")),
    }
)
"""Every value of a lead that a field can be filled with."""

_PLACE = re.compile(r"\{([^{}]*)\}")


def fault(value: str | Constant) -> tuple[str, str] | None:
    """Tell what is wrong with a field's value, as message and hint; None when nothing is."""
    if isinstance(value, Constant):
        return None
    if "{" not in value and "}" not in value:
        return None if value in PATHS else (f"'{value}' is no value of a lead", _suggest(value, constant=True))
    for path in _PLACE.findall(value):
        if path not in PATHS:
            return f"'{{{path}}}' is no value of a lead", _suggest(path)
    if any(brace in _PLACE.sub("", value) for brace in "{}"):
        return (
            "a brace without its partner",
            "values stand in braces, such as {friend.name}; a constant is {text: ...}",
        )
    return None


def render(fields: Mapping[str, str | Constant], values: Mapping[str, str | None]) -> dict[str, str]:
    """Fill the CRM's fields from a lead's values. A field for which the lead has nothing to say is left out.

    `values` is keyed by `PATHS`. A text with several places is written as soon as one of them has a value.
    """
    filled = {name: _fill(value, values) for name, value in fields.items()}
    return {name: text for name, text in filled.items() if text}


def _fill(value: str | Constant, values: Mapping[str, str | None]) -> str:
    if isinstance(value, Constant):
        return value.text
    paths = _PLACE.findall(value) or [value]
    if not any(values.get(path) for path in paths):
        return ""
    if "{" not in value:
        return values.get(value) or ""
    return _PLACE.sub(lambda place: values.get(place[1]) or "", value).strip()


def _suggest(path: str, *, constant: bool = False) -> str:
    hint = nearest(path, PATHS)
    return f"a constant is written {{text: ...}}; {hint}" if constant else hint
