"""What a scalar of a program or an event may be, and amounts of money. The patterns go into the JSON Schemas too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import TypeGuard, TypeVar
from zoneinfo import ZoneInfo

from syncd_rules.model import POINTS
from syncd_rules.money import CURRENCIES, minor_units
from syncd_rules.time import DATE, Duration, parse_day, parse_duration, parse_instant
from syncd_rules.tree import Kind, Noted, Place, Wrong
from syncd_rules.words import did_you_mean, quoted

T = TypeVar("T")

ID = "(?=.*[A-Za-z0-9])[A-Za-z0-9._-]{1,64}"
DECIMAL = r"[0-9]{1,15}(\.[0-9]{1,9})?"
MOST = 10**9  # of a whole number in a program


def text(place: Place) -> str:
    """A text that is not empty."""
    if not isinstance(place.value, str):
        raise Wrong("expected a text")
    if not place.value.strip():
        raise Wrong("this is empty")
    if not _can_be_kept(place.value):
        raise Wrong("this holds a character that cannot be kept: NUL, or half of a surrogate pair")
    return place.value


def _can_be_kept(word: str) -> bool:
    try:
        return b"\0" not in word.encode()
    except UnicodeEncodeError:
        return False


def identifier(place: Place) -> str:
    """An id: 1 to 64 letters, digits and -_. (it becomes part of ledger keys)."""
    word = text(place)
    if not is_id(word):
        raise Wrong(f"{quoted(word)} is not an id", "use 1 to 64 letters, digits, hyphens, dots or underscores")
    return word


def is_id(word: object) -> TypeGuard[str]:
    """Tell whether something is an id."""
    return isinstance(word, str) and re.fullmatch(ID, word) is not None


def whole(least: int, most: int = MOST) -> Kind[int]:
    """A whole number from `least` to `most`, in at most ten digits."""

    def read(place: Place) -> int:
        digits = text(place)
        if not re.fullmatch("[0-9]{1,10}", digits) or not least <= int(digits) <= most:
            raise Wrong(f"{quoted(digits)} is not a whole number from {least} to {most}")
        return int(digits)

    return read


def flag(place: Place) -> bool:
    """true or false, and nothing else."""
    word = text(place)
    if word not in {"true", "false"}:
        raise Wrong(f"{quoted(word)} is neither true nor false")
    return word == "true"


def choice(*options: T) -> Kind[T]:
    """One of a few words."""

    def read(place: Place) -> T:
        word = text(place)
        for option in options:
            if word == option:
                return option
        raise Wrong(
            f"{quoted(word)} is not one of the choices", did_you_mean(word, [str(option) for option in options])
        )

    return read


def duration(place: Place) -> Duration:
    """An ISO 8601 duration."""
    try:
        return parse_duration(text(place))
    except ValueError as error:
        raise Wrong(str(error)) from error


def positive_duration(place: Place) -> Duration:
    """An ISO 8601 duration that is longer than nothing."""
    length = duration(place)
    if not length:
        raise Wrong("this lasts no time at all", "write one as in P30D, or leave it out")
    return length


def timezone(place: Place) -> ZoneInfo:
    """A zone of the IANA database."""
    name = text(place)
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise Wrong(f"there is no time zone {quoted(name)}", "write one as in Europe/Berlin") from error


def moment(place: Place) -> datetime:
    """A time of RFC 3339, in UTC."""
    try:
        return parse_instant(text(place))
    except ValueError as error:
        raise Wrong(str(error), "write one as in 2026-03-01T00:00:00+01:00") from error


def instant(zone: ZoneInfo, *, end_of_day: bool = False) -> Kind[datetime]:
    """A time with its offset, or a date: the start of that day in `zone`, or of the next with `end_of_day`."""

    def read(place: Place) -> datetime:
        word = text(place)
        hint = "write 2026-03-01T00:00:00+01:00, or 2026-03-01 for the local day"
        try:
            if not re.fullmatch(DATE, word):
                return parse_instant(word)
            return parse_day(word, zone, days=end_of_day)
        except ValueError as error:
            raise Wrong(str(error), hint) from error

    return read


def decimal(place: Place) -> Decimal:
    """A decimal number in plain digits; Decimal itself reads exponents, underscores and the digits of other scripts."""
    word = text(place)
    if not re.fullmatch(DECIMAL, word):
        hint = "write digits, and a point with up to 9 more, as in 0.125"
        raise Wrong(f"{quoted(word)} is not a decimal number", hint)
    return Decimal(word)


def rate(place: Place) -> Decimal:
    """A share above 0 and up to 1."""
    share = decimal(place)
    if not 0 < share <= 1:
        raise Wrong(f"{share} is not a rate above 0 and up to 1", 'write "0.10" for ten per cent')
    return share


def percent(place: Place) -> str:
    """A percentage above 0 and up to 100, as the author wrote it."""
    share = decimal(place)
    if not 0 < share <= 100:
        raise Wrong(f"{share} is not a percentage above 0 and up to 100")
    return text(place)


# --- money ------------------------------------------------------------------------------------------------------------


def currency(place: Place) -> str:
    """A currency of ISO 4217."""
    code = text(place)
    if code not in CURRENCIES:
        upper = code.upper() in CURRENCIES
        hint = f"did you mean {code.upper()}?" if upper else "use the three letters of ISO 4217, as in EUR"
        raise Wrong(f"there is no currency {quoted(code)}", hint)
    return code


def minor(code: str | None, *, least: int = 0) -> Kind[int]:
    """An amount in minor units of a currency, from `least` on; any decimal number where the currency is not known."""

    def read(place: Place) -> int:
        if code is None:
            decimal(place)
            raise Noted
        word = text(place)
        try:
            amount = minor_units(word, code)
        except ValueError as error:
            raise Wrong(str(error)) from error
        if amount < least:
            raise Wrong(f"0 {code} is nothing", "write an amount above 0")
        return amount

    return read


def amount(code: str | None) -> Kind[str]:
    """An amount of a currency, as it was written."""

    def read(place: Place) -> str:
        minor(code)(place)
        return text(place)

    return read


def money(place: Place) -> dict[str, int]:
    """Amounts by currency, in minor units, more than nothing each."""
    if not isinstance(place.value, Mapping) or not place.value:
        raise Wrong("an amount of money needs its currency", 'write {EUR: "10.00"}')
    return _amounts(place, place.value)


def units(place: Place) -> dict[str, int]:
    """Amounts by currency, in minor units, and of `points`, under the name that the ledger has for them."""
    if not isinstance(place.value, Mapping) or not place.value:
        raise Wrong("an amount needs its currency, or points", 'write {EUR: "10.00", points: 1000}')
    points = place.below("points", place.value["points"]).read(whole(1), 1) if "points" in place.value else None
    amounts = _amounts(place, {key: value for key, value in place.value.items() if key != "points"})
    return amounts if points is None else {**amounts, POINTS: points}


def either(place: Place) -> None:
    """An amount of something that is not known: points, or money."""
    if isinstance(place.value, Mapping):
        money(place)
    else:
        whole(1)(place)


def _amounts(place: Place, entries: Mapping[object, object]) -> dict[str, int]:
    amounts: dict[str, int] = {}
    for key, value in entries.items():
        entry = place.below(str(key), value)
        code = _code(entry, key)
        amount = entry.read(minor(code, least=1), None)
        if code is not None and amount is not None:
            amounts[code] = amount
    if len(amounts) < len(entries):
        raise Noted
    return amounts


def _code(entry: Place, key: object) -> str | None:
    try:
        return currency(replace(entry, value=key))
    except Wrong as wrong:
        entry.report(wrong.message, wrong.hint, at_key=True)
        return None
