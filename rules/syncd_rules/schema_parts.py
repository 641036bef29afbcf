"""What the JSON Schemas are put together from: the scalars of `scalars.py`, in the words of a schema.

In a program a scalar is the text that its author wrote. An editor that checks YAML may take it for a number or a flag,
so that those are let pass where their text would be.
"""

from __future__ import annotations

from typing import Any

from syncd_rules import scalars, time
from syncd_rules.money import CURRENCIES, digits

Schema = dict[str, Any]

_WRITTEN = ["string", "number", "boolean"]
_NOT_BLANK = r"^[^\u0000]*\S[^\u0000]*$"
_DAY = "(19|[2-8][0-9])[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_INSTANT = time.INSTANT.replace(time.DATE, _DAY)
_POSITIVE = "(?=.*[1-9])"

TEXT: Schema = {"type": "string", "pattern": _NOT_BLANK}
ID: Schema = {"type": "string", "pattern": f"^{scalars.ID}$"}
INSTANT: Schema = {"type": "string", "format": "date-time", "pattern": f"^{_INSTANT}$"}

# --- of a program -----------------------------------------------------------------------------------------------------

WRITTEN_TEXT: Schema = {"type": _WRITTEN, "pattern": _NOT_BLANK}
WRITTEN_ID: Schema = {"type": _WRITTEN, "pattern": f"^{scalars.ID}$"}
FLAG: Schema = {"enum": [True, False, "true", "false"]}
DURATION: Schema = {"type": "string", "pattern": f"^{time.DURATION}$"}
LASTING: Schema = {"type": "string", "pattern": f"^{_POSITIVE}{time.DURATION}$"}
TIME: Schema = {
    "type": "string",
    "pattern": f"^({_DAY}|{_INSTANT})$",
    "description": "2026-03-01T00:00:00+01:00, or 2026-03-01 for the local day",
}
DECIMAL: Schema = {"type": ["string", "number"], "pattern": f"^{scalars.DECIMAL}$", "minimum": 0}
RATE: Schema = {
    "type": ["string", "number"],
    "pattern": f"^{_POSITIVE}(0{{1,15}}(\\.[0-9]{{1,9}})?|0{{0,14}}1(\\.0{{1,9}})?)$",
    "exclusiveMinimum": 0,
    "maximum": 1,
}
PERCENT: Schema = {
    "type": ["string", "number"],
    "pattern": f"^{_POSITIVE}(0{{0,13}}[0-9]{{1,2}}(\\.[0-9]{{1,9}})?|0{{0,12}}100(\\.0{{1,9}})?)$",
    "exclusiveMinimum": 0,
    "maximum": 100,
}
CURRENCY: Schema = {"enum": sorted(CURRENCIES)}


def whole(least: int) -> Schema:
    """A whole number from `least`, which is 0 or 1, to a thousand millions, in at most ten digits."""
    some = "[1-9][0-9]{0,8}" if least else "[0-9]{1,9}"
    pattern = f"^(?=[0-9]{{1,10}}$)(0*{some}|{scalars.MOST})$"
    return {"type": ["string", "integer"], "pattern": pattern, "minimum": least, "maximum": scalars.MOST}


def one_of(*words: str) -> Schema:
    """One of a few words."""
    return {"enum": list(words)}


# --- money ------------------------------------------------------------------------------------------------------------


def with_decimals(places: int) -> str:
    """Give the pattern of an amount of a currency with so many decimals; noughts behind them do no harm."""
    fraction = rf"[0-9]{{1,{places}}}0{{0,{9 - places}}}" if places else "0{1,9}"
    return rf"[0-9]{{1,15}}(\.{fraction})?"


def currencies_by_decimals() -> dict[int, list[str]]:
    """Sort the currencies by how many decimals they have."""
    found: dict[int, list[str]] = {}
    for code in sorted(CURRENCIES):
        found.setdefault(digits(code), []).append(code)
    return found


def amounts(**others: Schema) -> Schema:
    """Amounts by currency, more than nothing each, and perhaps of something else."""
    by_decimals = currencies_by_decimals()
    amount = {
        places: {"type": ["string", "number"], "pattern": f"^{_POSITIVE}{with_decimals(places)}$"}
        | {"exclusiveMinimum": 0}
        for places in by_decimals
    }
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"enum": [*sorted(CURRENCIES), *others]},
        "properties": others,
        "patternProperties": {f"^({'|'.join(codes)})$": amount[p] for p, codes in by_decimals.items() if p != 2},
        "additionalProperties": amount[2],
    }


# --- what holds others ------------------------------------------------------------------------------------------------


def section(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    """An object with these keys and no others."""
    keys = {name.rstrip("_"): schema for name, schema in properties.items()}
    return {"type": "object", "properties": keys, "required": list(required), "additionalProperties": False}


def listed(items: Schema, **more: Any) -> Schema:
    """An array."""
    return {"type": "array", "items": items, **more}


def when(key: str, words: tuple[str, ...], then: Schema, otherwise: Schema | None = None) -> Schema:
    """Say what an object has to be besides, where a key holds one of these words, and where not."""
    tells = {"properties": {key: {"enum": list(words)}}, "required": [key]}
    return {"if": tells, "then": then} | ({"else": otherwise} if otherwise else {})


def having(*needed: str, none_of: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """What `when` adds: keys that must be there, keys that may not be, and what others hold."""
    keys: dict[str, Any] = {name.rstrip("_"): schema for name, schema in properties.items()}
    keys |= dict.fromkeys(none_of, False)
    return ({"required": list(needed)} if needed else {}) | ({"properties": keys} if keys else {})
