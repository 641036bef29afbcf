"""The JSON Schema of a program, a version of a campaign."""

from __future__ import annotations

from typing import get_args

from syncd_rules.events import VIA
from syncd_rules.kinds import KINDS
from syncd_rules.load_rewards import FORMS
from syncd_rules.milestone import ACTIVITIES, Metric
from syncd_rules.prize import Trigger
from syncd_rules.schema_parts import (
    CURRENCY,
    DECIMAL,
    DURATION,
    FLAG,
    LASTING,
    PERCENT,
    RATE,
    TIME,
    WRITTEN_ID,
    WRITTEN_TEXT,
    Schema,
    amounts,
    having,
    listed,
    one_of,
    section,
    when,
    whole,
)
from syncd_rules.time import PERIODS
from syncd_rules.where import COMPARISONS, FRIEND_FIELDS, NUMBERS, ORDER_FIELDS

_MONEY: Schema = {"$ref": "#/$defs/money"}
_UNITS: Schema = {"$ref": "#/$defs/units"}
_VERDICT = one_of("reject", "review", "allow")
_METRICS: tuple[str, ...] = get_args(Metric)
_SHARES = tuple(kind for kind, form in KINDS.items() if form.needs == "share")


def program() -> Schema:
    """Give the schema, with what it refers to."""
    definitions = {"money": amounts(), "units": amounts(points=whole(1))}
    return {**_head(), "$defs": definitions}


def _head() -> Schema:
    window = section(from_=TIME, until=TIME)
    return section(
        ("campaign",),
        campaign=WRITTEN_ID,
        name=WRITTEN_TEXT,
        version=whole(1),
        effective_from=TIME,
        on_activation=one_of("lifetime", "since_version"),
        state=one_of("draft", "active"),
        timezone=WRITTEN_TEXT,
        base_currency=CURRENCY,
        runs=window,
        counting=one_of("referrals", "conversions"),
        codes=_codes(),
        attribution=section(
            model=one_of("first_touch", "last_touch"),
            click_window=LASTING,
            conversion_window=LASTING,
            terms_at=one_of("capture", "qualification"),
        ),
        eligibility=section(
            self_referral=_VERDICT,
            existing_customer=_VERDICT,
            existing_participant=_VERDICT,
            same_company_domain=_VERDICT,
            disposable_email=_VERDICT,
            identity=section(strip_plus_tag=FLAG, gmail_dots=FLAG),
        ),
        qualification=section(any_of=listed(_rule()), manual_overrides=one_of("sticky")),
        stages=section(
            order=listed(WRITTEN_ID, minItems=2, uniqueItems=True),
            lost=listed(WRITTEN_ID, uniqueItems=True),
            skipped=one_of("grant", "skip"),
            on_lost=one_of("keep_reached", "reverse_all"),
            multiple_deals=one_of("any", "first", "all"),
        ),
        limits=_limits(),
        settlement=_settlement(),
        tax=section(
            ("yearly_threshold",),
            country=WRITTEN_ID,
            reportable_kinds=listed(one_of(*KINDS)),
            reportable_to=listed(one_of("advocate", "friend")),
            yearly_threshold=_MONEY,
        ),
        rewards=listed(_referral_reward()),
        milestones=listed(_milestone(window)),
    )


def _codes() -> Schema:
    return section(
        prefix=WRITTEN_TEXT,
        pattern=WRITTEN_TEXT,
        case_sensitive=FLAG,
        checked_at=one_of("signup", "qualification"),
        default_redemption_limit=whole(0),
        default_valid_for=LASTING,
    )


def _rule() -> Schema:
    return {
        "oneOf": [
            section(("type", "stage"), type=one_of("stage"), stage=WRITTEN_ID),
            section(
                ("type",),
                type=one_of("purchase"),
                basis=one_of("first_order", "single_order", "cumulative"),
                min=_MONEY,
            ),
            section(("type", "via"), type=one_of("explicit"), via=listed(one_of(*VIA))),
            section(("type",), type=one_of("signup")),
        ]
    }


def _limits() -> Schema:
    return section(
        per_advocate=section(
            max_referrals=whole(0),
            per_period=section(**dict.fromkeys(PERIODS, whole(0))),
            cooldown=DURATION,
            friend_reward_when_capped=FLAG,
        ),
        campaign=section(budget=_UNITS, when_exhausted=one_of("suppress", "clamp", "queue")),
    )


def _settlement() -> Schema:
    persons = {"type": ["string", "integer"], "pattern": "^0{0,9}[12]$", "minimum": 1, "maximum": 2}
    return section(
        hold=DURATION,
        clawback=one_of("none", "within_balance", "negative"),
        partial_refund=one_of("recompute", "ignore"),
        approval=section(("required_above",), required_above=_UNITS, for_=listed(one_of(*KINDS)), persons=persons),
        expiry=section(**dict.fromkeys(KINDS, LASTING)),
        rounding=one_of("half_up", "half_even", "down"),
    )


# --- rewards ----------------------------------------------------------------------------------------------------------


def _prize(kinds: tuple[str, ...]) -> dict[str, Schema]:
    return {
        "id": WRITTEN_ID,
        "kind": one_of(*kinds),
        "amount": {},
        "percent": PERCENT,
        "max": _MONEY,
        "product": WRITTEN_TEXT,
        "hold": DURATION,
        "valid_for": LASTING,
    }


def _by_kind(kinds: tuple[str, ...]) -> list[Schema]:
    """Say what each kind of reward needs, and that it has nothing of the others."""
    needs: dict[str, Schema] = {
        "points": having("amount", amount=whole(1)),
        "money": having("amount", amount=_MONEY),
        "percent": having("percent"),
        "product": having("product"),
        "share": {"oneOf": [{"required": ["rate"]}, {"required": ["tiers"]}]},
        "nothing": {},
    }
    found = []
    for form, keys in FORMS.items():
        others = tuple(dict.fromkeys(key for each in FORMS.values() for key in each if key not in keys))
        meant = tuple(kind for kind in kinds if KINDS[kind].needs == form)
        properties = needs[form].get("properties", {}) | dict.fromkeys(others, False)
        found += [when("kind", meant, needs[form] | {"properties": properties})] if meant else []
    return found


def _referral_reward() -> Schema:
    kinds = tuple(KINDS)
    tier = section(("from", "rate"), from_=whole(0), rate=RATE)
    without_order = having(
        none_of=("duration",),
        kind={"not": one_of(*_SHARES)},
        where=listed({"properties": {"field": one_of(*FRIEND_FIELDS)}}),
    )
    reward = section(
        ("id", "trigger", "to", "kind"),
        trigger=one_of(*get_args(Trigger)),
        stage=WRITTEN_ID,
        to=one_of("advocate", "friend"),
        where=listed(_clause()),
        duration=LASTING,
        cap_per_referral=_MONEY,
        rate=RATE,
        tiers=listed(tier, minItems=1),
        **_prize(kinds),
    )
    return reward | {
        "allOf": [
            when("trigger", ("stage.reached",), having("stage"), having(none_of=("stage",))),
            when("trigger", ("order.paid",), {}, without_order),
            *_by_kind(kinds),
        ]
    }


def _clause() -> Schema:
    keys = {"eq": {}, "ne": {}, "in_": {"type": "array"}, "not_in": {"type": "array"}, "exists": FLAG}
    keys |= dict.fromkeys(COMPARISONS, DECIMAL)
    clause = section(("field",), field=one_of(*FRIEND_FIELDS, *ORDER_FIELDS), **keys)
    texts = _compared_with(WRITTEN_TEXT)
    texts["properties"] |= dict.fromkeys(COMPARISONS, False)
    one_operator = {"minProperties": 2, "maxProperties": 2}
    return clause | one_operator | when("field", tuple(sorted(NUMBERS)), _compared_with(DECIMAL), texts)


def _compared_with(one: Schema) -> Schema:
    return having(eq=one, ne=one, in_=listed(one), not_in=listed(one))


# --- milestones -------------------------------------------------------------------------------------------------------


def _milestone(window: Schema) -> Schema:
    target, rewards = _goal()
    step = section(
        ("metric", "target"), metric=one_of(*_METRICS), description=WRITTEN_TEXT, rewards=rewards, **target
    ) | {"allOf": _by_metric()}
    milestone = section(
        ("id",),
        id=WRITTEN_ID,
        name=WRITTEN_TEXT,
        metric=one_of(*_METRICS, "inactivity", "mixed"),
        after=LASTING,
        activity=listed(one_of(*ACTIVITIES)),
        progress=one_of("from_step_start", "lifetime"),
        steps=listed(step, minItems=1),
        duration=window,
        repeat=section(max=whole(1)),
        reversible=FLAG,
        messages=listed(WRITTEN_ID),
        rewards=rewards,
        **target,
    )
    counts, silent, journey = ("target", "comparison", "reversible"), ("after", "activity"), ("progress", "steps")
    uncounted = when(
        "metric",
        ("inactivity",),
        having("after", none_of=(*counts, *journey)),
        having("target", none_of=(*silent, *journey)),
    )
    mixed = having("steps", none_of=(*counts, *silent, "rewards", "repeat"))
    return milestone | {"allOf": [when("metric", ("mixed",), mixed, uncounted), *_by_metric()]}


def _goal() -> tuple[dict[str, Schema], Schema]:
    kinds = tuple(kind for kind in KINDS if kind not in _SHARES)
    prize = section(("kind",), **_prize(kinds))
    # What a kind has nothing of is refused already: none of its keys is known in a milestone.
    by_kind = [rule | {"then": rule["then"] | {"properties": _known(rule["then"], prize)}} for rule in _by_kind(kinds)]
    goal = {
        "target": {},
        "comparison": one_of("gte", "gt"),
        "mode": one_of("total", "consecutive"),
        "count_program_points": FLAG,
    }
    return goal, listed(prize | {"allOf": by_kind})


def _known(then: Schema, prize: Schema) -> Schema:
    return {key: schema for key, schema in then["properties"].items() if key in prize["properties"]}


def _by_metric() -> list[Schema]:
    return [
        when("metric", ("amount_spent",), having(target=_MONEY), having(target=whole(1))),
        when("metric", ("subscription_cycles",), {}, having(none_of=("mode",))),
        when("metric", ("points_earned",), {}, having(none_of=("count_program_points",))),
    ]
