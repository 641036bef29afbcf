"""Record ids: 15 characters in which case matters, and 18 with a suffix that makes case safe.

https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/field_types.htm
"""

from __future__ import annotations

PREFIXES = {
    "Organization": "00D",
    "Account": "001",
    "Contact": "003",
    "User": "005",
    "Opportunity": "006",
    "OpportunityHistory": "008",
    "OpportunityContactRole": "00K",
    "Lead": "00Q",
    "LeadStatus": "01J",
    "OpportunityStage": "01K",
    "OutboundMessage": "04k",
    "OutboundNotification": "04l",
    "QueryLocator": "01g",
}
"""The first three characters of an id, by object type."""

TYPES = {prefix: kind for kind, prefix in PREFIXES.items()}

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def make(kind: str, number: int) -> str:
    """Give the 18-character id of the `number`th record of an object type."""
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    return complete(PREFIXES[kind] + "Sx" + digits.rjust(10, "0"))


def complete(short: str) -> str:
    """Add the suffix to an id of 15 characters: a bit for each capital, five bits a character."""
    suffix = ""
    for start in (0, 5, 10):
        bits = sum(1 << place for place, char in enumerate(short[start : start + 5]) if "A" <= char <= "Z")
        suffix += _SUFFIX[bits]
    return short + suffix


def read(text: str) -> str | None:
    """Give the 18-character form of an id of either length, or None for what is no id."""
    if len(text) not in {15, 18} or not text.isascii() or not text.isalnum():
        return None
    if len(text) == 15:
        return complete(text)
    short = _with_case(text[:15], text[15:].upper())
    return complete(short) if short else None


def kind_of(id_: str) -> str | None:
    """Tell the object type of an id by its prefix."""
    return TYPES.get(id_[:3])


def _with_case(letters: str, suffix: str) -> str | None:
    """Restore the case of an id from its suffix, so that a client may have lost it."""
    restored = ""
    for place, char in enumerate(letters):
        bits = _SUFFIX.find(suffix[place // 5])
        if bits < 0:
            return None
        restored += char.upper() if bits >> place % 5 & 1 else char.lower()
    return restored
