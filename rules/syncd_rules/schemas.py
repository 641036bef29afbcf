"""JSON Schemas (2020-12) of the public forms: a program, events, a result, and cases."""

from __future__ import annotations

from typing import Any, get_args

from syncd_rules.events import TYPES
from syncd_rules.kinds import KINDS
from syncd_rules.load import VIA
from syncd_rules.milestone import ACTIVITIES, Metric
from syncd_rules.prize import Trigger
from syncd_rules.time import PERIODS
from syncd_rules.where import FRIEND_FIELDS, ORDER_FIELDS

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1}
_ID: Schema = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}
_SCALAR: Schema = {"type": ["string", "number"]}  # YAML may read a number, where the loader keeps the text
_FLAG: Schema = {"enum": [True, False, "true", "false"]}
_DURATION: Schema = {"type": "string", "pattern": "^P(?=[0-9]|T[0-9])([0-9]+Y)?([0-9]+M)?([0-9]+W)?([0-9]+D)?(T.+)?$"}
_TIME: Schema = {"type": "string", "description": "2026-03-01T00:00:00+01:00, or 2026-03-01 for the local day"}
_INSTANT: Schema = {"type": "string", "format": "date-time"}
_MONEY: Schema = {"type": "object", "minProperties": 1, "propertyNames": {"pattern": "^[A-Z]{3}$"}}
_MONEY["additionalProperties"] = _SCALAR
_UNITS: Schema = {**_MONEY, "propertyNames": {"pattern": "^([A-Z]{3}|points)$"}}
_VERDICT: Schema = {"enum": ["reject", "review", "allow"]}


def schemas() -> dict[str, Schema]:
    """Give the schemas by name: `program`, `events`, `result`, `cases`."""
    base = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    events = _list({"oneOf": _events()})
    case = _section(
        ("name", "as_of", "events", "expect"), name=_TEXT, as_of=_INSTANT, events=events, expect={"type": "object"}
    )
    return {
        "program": {**base, "title": "A version of a campaign", **_program()},
        "events": {**base, "title": "What happened", **events},
        "result": {**base, "title": "What it amounts to", **_result()},
        "cases": {**base, "title": "What happens, and what is expected of it", **_list(case)},
    }


def _section(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    keys = {name.rstrip("_"): schema for name, schema in properties.items()}
    return {"type": "object", "properties": keys, "required": list(required), "additionalProperties": False}


def _one_of(*words: str) -> Schema:
    return {"enum": list(words)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


# --- the program ------------------------------------------------------------------------------------------------------


def _program() -> Schema:
    window = _section(from_=_TIME, until=_TIME)
    return _section(
        ("campaign",),
        campaign=_ID,
        name=_TEXT,
        version=_SCALAR,
        effective_from=_TIME,
        on_activation=_one_of("lifetime", "since_version"),
        state=_one_of("draft", "active"),
        timezone=_TEXT,
        base_currency={"type": "string", "pattern": "^[A-Z]{3}$"},
        runs=window,
        counting=_one_of("referrals", "conversions"),
        codes=_section(
            prefix=_TEXT,
            pattern=_TEXT,
            case_sensitive=_FLAG,
            checked_at=_one_of("signup", "qualification"),
            default_redemption_limit=_SCALAR,
            default_valid_for=_DURATION,
        ),
        attribution=_section(
            model=_one_of("first_touch", "last_touch"),
            click_window=_DURATION,
            conversion_window=_DURATION,
            terms_at=_one_of("capture", "qualification"),
        ),
        eligibility=_section(
            self_referral=_VERDICT,
            existing_customer=_VERDICT,
            existing_participant=_VERDICT,
            same_company_domain=_VERDICT,
            disposable_email=_VERDICT,
            identity=_section(strip_plus_tag=_FLAG, gmail_dots=_FLAG),
        ),
        qualification=_section(any_of=_list(_rule()), manual_overrides=_one_of("sticky")),
        stages=_section(
            order={**_list(_ID), "minItems": 2},
            lost=_list(_ID),
            skipped=_one_of("grant", "skip"),
            on_lost=_one_of("keep_reached", "reverse_all"),
            multiple_deals=_one_of("any", "first", "all"),
        ),
        limits=_limits(),
        settlement=_settlement(),
        tax=_section(
            ("yearly_threshold",),
            country=_ID,
            reportable_kinds=_list(_one_of(*KINDS)),
            reportable_to=_list(_one_of("advocate", "friend")),
            yearly_threshold=_MONEY,
        ),
        rewards=_list(_referral_reward()),
        milestones=_list(_milestone(window)),
    )


def _rule() -> Schema:
    return {
        "oneOf": [
            _section(("type", "stage"), type=_one_of("stage"), stage=_ID),
            _section(
                ("type",),
                type=_one_of("purchase"),
                basis=_one_of("first_order", "single_order", "cumulative"),
                min=_MONEY,
            ),
            _section(("type", "via"), type=_one_of("explicit"), via=_list(_one_of(*VIA))),
            _section(("type",), type=_one_of("signup")),
        ]
    }


def _limits() -> Schema:
    return _section(
        per_advocate=_section(
            max_referrals=_SCALAR,
            per_period=_section(**dict.fromkeys(PERIODS, _SCALAR)),
            cooldown=_DURATION,
            friend_reward_when_capped=_FLAG,
        ),
        campaign=_section(budget=_UNITS, when_exhausted=_one_of("suppress", "clamp", "queue")),
    )


def _settlement() -> Schema:
    return _section(
        hold=_DURATION,
        clawback=_one_of("none", "within_balance", "negative"),
        partial_refund=_one_of("recompute", "ignore"),
        approval=_section(("required_above",), required_above=_UNITS, for_=_list(_one_of(*KINDS)), persons=_SCALAR),
        expiry=_section(**dict.fromkeys(KINDS, _DURATION)),
        rounding=_one_of("half_up", "half_even", "down"),
    )


def _prize(*, shares: bool) -> dict[str, Schema]:
    kinds = [kind for kind, form in KINDS.items() if shares or form.needs != "share"]
    tier = _section(("from", "rate"), from_=_SCALAR, rate=_SCALAR)
    given = {
        "id": _ID,
        "kind": _one_of(*kinds),
        "amount": {"oneOf": [_SCALAR, _MONEY]},
        "percent": _SCALAR,
        "max": _MONEY,
        "product": _TEXT,
        "hold": _DURATION,
        "valid_for": _DURATION,
    }
    return given | ({"rate": _SCALAR, "tiers": _list(tier)} if shares else {})


def _referral_reward() -> Schema:
    operand = {"eq": _SCALAR, "ne": _SCALAR, "in_": _list(_SCALAR), "not_in": _list(_SCALAR), "exists": _FLAG}
    operand |= dict.fromkeys(("gt", "gte", "lt", "lte"), _SCALAR)
    return _section(
        ("id", "trigger", "to", "kind"),
        trigger=_one_of(*get_args(Trigger)),
        stage=_ID,
        to=_one_of("advocate", "friend"),
        where=_list(_section(("field",), field=_one_of(*FRIEND_FIELDS, *ORDER_FIELDS), **operand)),
        duration=_DURATION,
        cap_per_referral=_MONEY,
        **_prize(shares=True),
    )


def _milestone(window: Schema) -> Schema:
    goal = {
        "target": {"oneOf": [_SCALAR, _MONEY]},
        "comparison": _one_of("gte", "gt"),
        "mode": _one_of("total", "consecutive"),
        "count_program_points": _FLAG,
        "rewards": _list(_section(("kind",), **_prize(shares=False))),
    }
    step = _section(("metric", "target"), metric=_one_of(*get_args(Metric)), description=_TEXT, **goal)
    return _section(
        ("id",),
        id=_ID,
        name=_TEXT,
        metric=_one_of(*get_args(Metric), "inactivity", "mixed"),
        after=_DURATION,
        activity=_list(_one_of(*ACTIVITIES)),
        progress=_one_of("from_step_start", "lifetime"),
        steps={**_list(step), "minItems": 1},
        duration=window,
        repeat=_section(max=_SCALAR),
        reversible=_FLAG,
        messages=_list(_ID),
        **goal,
    )


# --- events and the result --------------------------------------------------------------------------------------------

_OPTIONAL: dict[str, tuple[str, ...]] = {
    "code.created": ("email", "identity", "company", "valid_from", "valid_until", "redemption_limit"),
    "participant.joined": ("email", "identity", "company"),
    "customer.existing": ("since",),
    "link.shared": ("channel",),
    "referral.captured": ("channel",),
    "friend.signed_up": ("email", "identity", "company", "channel", "country", "disposable"),
    "order.paid": ("product", "country"),
    "referral.disqualified": ("reason",),
    "reward.approved": ("reward", "by"),
    "reward.rejected": ("reward", "by"),
    "reward.fulfilled": ("reward",),
    "reward.failed": ("reward",),
}
_FIELDS: dict[str, Schema] = {
    "valid_from": {"oneOf": [_INSTANT, {"type": "null"}]},
    "valid_until": {"oneOf": [_INSTANT, {"type": "null"}]},
    "since": {"oneOf": [_INSTANT, {"type": "null"}]},
    "redemption_limit": {"type": ["integer", "null"], "minimum": 0},
    "points": {"type": "integer", "minimum": 0},
    "cycle": {"type": ["integer", "string"]},
    "disposable": {"type": "boolean"},
    "via": _one_of(*VIA),
}


def _events() -> list[Schema]:
    found = []
    for name, (_, needed) in TYPES.items():
        fields = {field: _FIELDS.get(field, _TEXT) for field in (*sorted(needed), *_OPTIONAL.get(name, ()))}
        found.append(
            {
                "type": "object",
                "properties": {"id": _TEXT, "type": {"const": name}, "at": _INSTANT, "campaign": _ID, **fields},
                "required": ["id", "type", "at", *sorted(needed)],
            }
        )
    return found


def _result() -> Schema:
    words: Schema = {"type": "string"}
    whole: Schema = {"type": "integer"}
    amount: Schema = {"type": ["integer", "string"]}
    referral = _section(
        ("status", "referred_by", "counted"),
        status=_one_of("signed_up", "qualified", "disqualified", "expired"),
        referred_by=words,
        counted={"type": "boolean"},
        qualified_at=_INSTANT,
        via=words,
        review=words,
    )
    status = _one_of("pending", "available", "fulfilled", "void", "reversed", "clawed_back", "expired")
    reward = _section(
        ("to", "rule", "reward", "subject", "kind", "amount", "status"),
        **dict.fromkeys(("to", "rule", "reward", "subject", "kind", "currency", "product"), words),
        amount=amount,
        status=status,
        approval=_one_of("awaiting"),
    )
    pots = _section(("pending", "available", "fulfilled"), pending=amount, available=amount, fulfilled=amount)
    suppressed = _section(("to", "rule", "subject", "reason"), to=words, rule=words, subject=words, reason=words)
    posting = _section(("account", "unit", "amount"), account=words, unit=words, amount=whole)
    txn = _section(
        ("key", "program_version", "cause_event", "effective_at", "postings"),
        key=words,
        program_version=whole,
        cause_event=words,
        effective_at=_INSTANT,
        postings=_list(posting),
    )
    board = _section(
        ("total_referrals", "this_month", "conversion_rate_percent", "revenue_attributed"),
        total_referrals=whole,
        this_month=whole,
        conversion_rate_percent={"type": "number"},
        revenue_attributed=words,
        top_referrers=_list({"type": "array", "prefixItems": [words, whole]}),
        source_breakdown={"type": "object", "additionalProperties": whole},
    )
    parts = {
        "referrals": {"type": "object", "additionalProperties": referral},
        "milestones": _list({"type": "array", "prefixItems": [words, words, whole, _INSTANT]}),
        "rewards": _list(reward),
        "balances": {
            "type": "object",
            "additionalProperties": {"type": "object", "additionalProperties": pots},
        },
        "effects": {"type": "object", "additionalProperties": whole},
        "rejected": _list({"type": "array", "prefixItems": [words, words]}),
        "suppressed": _list(suppressed),
        "dashboard": board,
        "ledger": _list(txn),
        "next_due": {"oneOf": [_INSTANT, {"type": "null"}]},
    }
    return _section(tuple(parts), **parts)
