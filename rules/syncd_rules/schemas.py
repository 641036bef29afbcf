"""JSON Schemas (2020-12) of the public forms: a program, events, a result, and cases.

They take what the loaders take and refuse what these refuse, as far as a schema can say it. It cannot speak of names
that refer to one another, of days that no calendar has, and of amounts beyond the books.
"""

from __future__ import annotations

from syncd_rules.events import MOST, OPTIONAL, TYPES, VIA
from syncd_rules.schema_of_programs import program
from syncd_rules.schema_parts import (
    CURRENCY,
    ID,
    INSTANT,
    TEXT,
    Schema,
    currencies_by_decimals,
    listed,
    one_of,
    section,
    when,
    with_decimals,
)


def schemas() -> dict[str, Schema]:
    """Give the schemas by name: `program`, `events`, `result`, `cases`."""
    base = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    events = listed({"oneOf": _events()})
    expect = {"type": "object", "minProperties": 1}
    case = section(("name", "as_of", "events", "expect"), name=TEXT, as_of=INSTANT, events=events, expect=expect)
    return {
        "program": {**base, "title": "A version of a campaign", **program()},
        "events": {**base, "title": "What happened", **events},
        "result": {**base, "title": "What it amounts to", **_result()},
        "cases": {**base, "title": "What happens, and what is expected of it", **listed(case, minItems=1)},
    }


_COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": MOST}
_FIELDS: dict[str, Schema] = {  # all others are texts
    "valid_from": {"oneOf": [INSTANT, {"type": "null"}]},
    "valid_until": {"oneOf": [INSTANT, {"type": "null"}]},
    "since": {"oneOf": [INSTANT, {"type": "null"}]},
    "redemption_limit": {"oneOf": [_COUNT, {"type": "null"}]},
    "points": _COUNT,
    "cycle": {"oneOf": [_COUNT, TEXT]},
    "disposable": {"type": "boolean"},
    "via": one_of(*VIA),
    "currency": CURRENCY,
    "amount": {"type": "string"},
    "email": {"type": "string", "pattern": r"^\s*[^@\s]{1,64}@[^@\s]{1,253}\s*$"},
}


def _events() -> list[Schema]:
    return [_event(name, needed, OPTIONAL.get(name, ())) for name, (_, needed) in TYPES.items()]


def _event(name: str, needed: frozenset[str], others: tuple[str, ...]) -> Schema:
    names = (*sorted(needed), *others, *(("email",) if "identity" in others else ()))
    fields = {field: _FIELDS.get(field, TEXT) for field in names}
    head: dict[str, Schema] = {"id": TEXT, "type": {"const": name}, "at": INSTANT, "campaign": ID}
    event = section(("id", "type", "at", *sorted(needed)))
    event["properties"] = head | fields
    if "amount" in needed:
        event["allOf"] = [
            when("currency", tuple(codes), {"properties": {"amount": {"pattern": f"^{with_decimals(places)}$"}}})
            for places, codes in currencies_by_decimals().items()
        ]
    return event


def _result() -> Schema:
    words: Schema = {"type": "string"}
    whole: Schema = {"type": "integer"}
    amount: Schema = {"type": ["integer", "string"]}
    referral = section(
        ("status", "referred_by", "counted"),
        status=one_of("signed_up", "qualified", "disqualified", "expired"),
        referred_by=words,
        counted={"type": "boolean"},
        qualified_at=INSTANT,
        via=words,
        review=words,
    )
    status = one_of("pending", "available", "fulfilled", "void", "reversed", "clawed_back", "expired")
    reward = section(
        ("to", "rule", "reward", "subject", "kind", "amount", "status"),
        **dict.fromkeys(("to", "rule", "reward", "subject", "kind", "currency", "product"), words),
        amount=amount,
        status=status,
        approval=one_of("awaiting", "rejected"),
    )
    pots = section(("pending", "available", "fulfilled"), pending=amount, available=amount, fulfilled=amount)
    suppressed = section(("to", "rule", "subject", "reason"), to=words, rule=words, subject=words, reason=words)
    posting = section(("account", "unit", "amount"), account=words, unit=words, amount=whole)
    txn = section(
        ("key", "program_version", "cause_event", "effective_at", "postings"),
        key=words,
        program_version=whole,
        cause_event=words,
        effective_at=INSTANT,
        postings=listed(posting),
    )
    board = section(
        ("total_referrals", "this_month", "conversion_rate_percent", "revenue_attributed"),
        total_referrals=whole,
        this_month=whole,
        conversion_rate_percent={"type": "number"},
        revenue_attributed=words,
        top_referrers=listed({"type": "array", "prefixItems": [words, whole]}),
        source_breakdown={"type": "object", "additionalProperties": whole},
    )
    parts = {
        "referrals": {"type": "object", "additionalProperties": referral},
        "milestones": listed({"type": "array", "prefixItems": [words, words, whole, INSTANT]}),
        "rewards": listed(reward),
        "balances": {
            "type": "object",
            "additionalProperties": {"type": "object", "additionalProperties": pots},
        },
        "effects": {"type": "object", "additionalProperties": whole},
        "rejected": listed({"type": "array", "prefixItems": [words, words]}),
        "suppressed": listed(suppressed),
        "conflicts": listed(words),
        "dashboard": board,
        "ledger": listed(txn),
        "next_due": {"oneOf": [INSTANT, {"type": "null"}]},
    }
    return section(tuple(parts), **parts)
