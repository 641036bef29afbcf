"""Reading rewards: what is given, for what, to whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import get_args
from zoneinfo import ZoneInfo

from syncd_rules import tree
from syncd_rules.kinds import KINDS
from syncd_rules.model import Stages
from syncd_rules.prize import Prize, Recipient, ReferralReward, Tier, Trigger
from syncd_rules.time import Duration
from syncd_rules.tree import Place, Section, Wrong
from syncd_rules.where import COMPARISONS, FRIEND_FIELDS, NUMBERS, ORDER_FIELDS, Clause, Operand, Operator, Where

_TRIGGERS: tuple[Trigger, ...] = get_args(Trigger)
_RECIPIENTS: tuple[Recipient, ...] = get_args(Recipient)
_OPERATORS: tuple[Operator, ...] = get_args(Operator)


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What the rest of the program says that rewards and milestones go by."""

    base: str  # the base currency
    zone: ZoneInfo
    hold: Duration
    stages: Stages


def referral_reward(place: Place, setting: Setting) -> ReferralReward:
    """Read an entry of `rewards`."""
    with Section(place) as section:
        name = section.need("id", tree.identifier, "")
        trigger = section.decide("trigger", tree.choice(*_TRIGGERS))
        of_orders = trigger == "order.paid"
        stage = section.need("stage", tree.choice(*setting.stages.order), "") if trigger == "stage.reached" else None
        recipient = section.decide("to", tree.choice(*_RECIPIENTS))
        known = (*FRIEND_FIELDS, *ORDER_FIELDS) if of_orders else FRIEND_FIELDS
        given = prize(section, setting, name, shares=of_orders)
        return ReferralReward(
            id=name,
            trigger=trigger,
            stage=stage,
            to=recipient,
            prize=given,
            where=Where(section.take("where", tree.listing(lambda clause: _clause(clause, known)), ())),
            duration=section.take("duration", tree.positive_duration, None) if of_orders else None,
            cap=section.take("cap_per_referral", tree.money, {}) if given.form.needs == "share" else {},
        )


def prize(section: Section, setting: Setting, name: str, *, shares: bool = False) -> Prize:
    """Read the keys of a section that say what is given; `shares` where there is an order to have a share of."""
    kinds = [kind for kind, form in KINDS.items() if shares or form.needs != "share"]
    kind = section.decide("kind", tree.choice(*kinds))
    given = Prize(
        id=name or kind,
        kind=kind,
        hold=section.take("hold", tree.duration, setting.hold),
        valid_for=section.take("valid_for", tree.positive_duration, None),
    )
    match KINDS[kind].needs:
        case "points":
            return replace(given, points=section.need("amount", tree.whole(1), 1))
        case "money":
            amounts = section.need("amount", lambda place: _amounts(place, setting.base), {setting.base: 1})
            given = replace(given, amounts=amounts, currency=next(iter(amounts)))
            return replace(given, currency=setting.base) if setting.base in amounts else given
        case "percent":
            ceiling = section.take("max", tree.money, {})
            return replace(given, percent=section.need("percent", tree.percent, "1"), ceiling=ceiling)
        case "product":
            return replace(given, product=section.need("product", tree.text, ""))
        case "share":
            return replace(given, tiers=_tiers(section))
    return given


def _amounts(place: Place, base: str) -> dict[str, int]:
    """Read amounts; of several, one is in the base currency."""
    amounts = tree.money(place)
    if base not in amounts and len(amounts) > 1:
        raise Wrong(f"none of these is in {base}, the base currency", f"add one in {base}, or keep a single one")
    return amounts


def _tiers(section: Section) -> tuple[Tier, ...]:
    if "rate" in section or "tiers" not in section:
        section.refuse("tiers", "a reward has a `rate` or `tiers`", "remove one of them")
        return (Tier(start=0, rate=section.need("rate", tree.rate, Decimal(1))),)
    return section.take("tiers", _tier_list, (Tier(start=0, rate=Decimal(1)),))


def _tier_list(place: Place) -> tuple[Tier, ...]:
    tiers = tree.listing(_tier)(place)
    starts = [tier.start for tier in tiers]
    if not starts or starts[0] != 0 or starts != sorted(set(starts)):
        raise Wrong("tiers begin at 0 and rise", "write [{from: 0, rate: ...}, {from: 10, rate: ...}]")
    return tiers


def _tier(place: Place) -> Tier:
    with Section(place) as section:
        return Tier(start=section.need("from", tree.whole(0), 0), rate=section.need("rate", tree.rate, Decimal(1)))


def _clause(place: Place, fields: tuple[str, ...]) -> Clause:
    """Read {field: order.product, in: [pro, team]}: a field, and one operator with its operand."""
    with Section(place) as section:
        name = section.decide("field", tree.choice(*fields))
        given = [operator for operator in _OPERATORS if operator in section]
        for operator in _OPERATORS:
            if operator in COMPARISONS and name not in NUMBERS:
                section.refuse(operator, f"{name} is no number", "use eq, ne, in, not_in or exists")
        if len(given) != 1:
            section.place.report("a clause needs exactly one of " + ", ".join(_OPERATORS))
        operands = {op: section.take(op, lambda at, op=op: _operand(at, name, op), "") for op in _OPERATORS}  # type: ignore[misc]
    return Clause(field=name, operator=given[0] if given else "exists", operand=operands[given[0]] if given else True)


def _operand(place: Place, field: str, operator: str) -> Operand:
    if operator == "exists":
        return tree.flag(place)
    if operator in {"in", "not_in"}:
        return frozenset(tree.listing(tree.text)(place))
    return tree.decimal(place) if field in NUMBERS else tree.text(place)


def two_of_one(place: Place, prizes: tuple[Prize, ...], owner: str) -> None:
    """Note rewards of one owner that the ledger could not tell apart."""
    times: Mapping[str, int] = {given.id: sum(other.id == given.id for other in prizes) for given in prizes}
    for name, number in times.items():
        if number > 1:
            place.report(f"{owner} has {number} rewards {name}", "give each an `id`", "rewards")
