"""Reading a CRM's answers: strictly, exactly, and believing no more than they say.

What cannot be read is `Transient`: an answer that is odd today may be whole tomorrow, and nothing was lost.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from syncd.contract.errors import Transient

if TYPE_CHECKING:
    import requests

JsonObject = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def json_object(answer: requests.Response) -> JsonObject:
    """Read an answer that must be one JSON object; raise `Transient` for anything else.

    A maintenance page, a captive portal and a body that was cut off come with a 200 too. Numbers with a fraction
    become `Decimal`; NaN, a repeated key and a wrong content type are refused.
    """
    kind = answer.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if not kind.endswith("json"):
        raise Transient(f"the answer (status {answer.status_code}) is not JSON but {kind or 'of no type'}")
    try:
        body = strictly(answer.content)
    except ValueError:  # not `from`: its text holds the whole body
        raise Transient(f"the answer (status {answer.status_code}) is not whole, valid JSON") from None
    if not isinstance(body, dict):
        raise Transient(f"the answer (status {answer.status_code}) is not a JSON object")
    return body


def strictly(body: bytes) -> Any:
    """Read JSON in UTF-8, fractions as `Decimal`; raise `ValueError` for NaN, a repeated key and what is no JSON."""
    try:
        return json.loads(
            body.decode("utf-8"),
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_refuse_repeated,
        )
    except (RecursionError, ArithmeticError) as error:  # nested without end; an exponent of twenty digits
        raise ValueError(type(error).__name__) from None


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> JsonObject:
    body = dict(pairs)
    if len(body) < len(pairs):
        raise ValueError("a key is repeated")
    return body


def json_objects(body: JsonObject, name: str, *, optional: bool = False) -> list[JsonObject]:
    """Take a list of objects out of an answer. Where it is `optional` its absence is an empty list, else an error."""
    items = body.get(name, [] if optional else None)
    if not isinstance(items, list) or not all(isinstance(it, dict) for it in items):
        raise Transient(f"the answer has no list of {name}; it is not what the CRM's API describes")
    return items


def read_id(value: object) -> str:
    """Take an id as text; CRMs write the same one as a text here and as a number there."""
    if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
        return str(value)
    raise Transient("the answer names a record without its id")


# --- times -----------------------------------------------------------------------------------------------------------

_MS = re.compile(r"[0-9]{1,14}")
_RFC_3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}.{0,30}")


def read_time(value: object) -> datetime:
    """Read milliseconds since 1970 or a date and time of RFC 3339, in UTC where it names no zone."""
    text = str(value)
    try:
        if _MS.fullmatch(text):
            return _EPOCH + timedelta(milliseconds=int(text))
        if _RFC_3339.fullmatch(text):
            return _in_utc(datetime.fromisoformat(text.upper()))
    except (ValueError, OverflowError):
        pass
    raise Transient("the answer holds a time that is none, or lacks one")


def to_ms(at: datetime) -> int:
    """Write an aware time as whole milliseconds since 1970."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def answered_at(answer: requests.Response) -> datetime | None:
    """Tell when an answer was given, by the CRM's own clock; None where it does not say so."""
    try:
        return _in_utc(parsedate_to_datetime(answer.headers["Date"]))
    except (KeyError, ValueError, OverflowError):
        return None


def retry_after(answer: requests.Response) -> float | None:
    """Read how many seconds the server asks to wait, given as a number or as a date on its own clock."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit() and len(text) <= 15:
        return float(text)
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(answer.headers["Date"])
    except (KeyError, TypeError, ValueError):
        return None
    return max(wait.total_seconds(), 0.0)


def _in_utc(at: datetime) -> datetime:
    return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)


# --- money -----------------------------------------------------------------------------------------------------------

# ISO 4217; every other currency has two decimals. The rules have such a table too, and a test compares them.
_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DIGITS = {code: places for places, codes in _DECIMALS.items() for code in codes.split()}
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?")


def minor_units(text: str, currency: str) -> int | None:
    """Read decimal text as an integer of the currency's smallest unit; None if it is no amount of a known currency."""
    if not _NUMBER.fullmatch(text) or not re.fullmatch(r"[A-Z]{3}", currency):
        return None
    amount = Decimal(text).scaleb(_DIGITS.get(currency, 2))
    return int(amount.to_integral_value(ROUND_HALF_UP)) if abs(amount) < 10**18 else None
