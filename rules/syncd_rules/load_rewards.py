"""Reading rewards: what is given, for what, to whom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import get_args
from zoneinfo import ZoneInfo

from syncd_rules import scalars
from syncd_rules.kinds import KINDS
from syncd_rules.load_where import clauses
from syncd_rules.prize import Prize, Recipient, ReferralReward, Tier, Trigger
from syncd_rules.time import Duration
from syncd_rules.tree import Kind, Noted, Place, Section, Wrong, listing, placed
from syncd_rules.where import Where

_TRIGGERS: tuple[Trigger, ...] = get_args(Trigger)
_RECIPIENTS: tuple[Recipient, ...] = get_args(Recipient)

FORMS = {  # what a kind needs -> the keys that say so
    "points": ("amount",),
    "money": ("amount",),
    "percent": ("percent", "max"),
    "product": ("product",),
    "share": ("rate", "tiers", "cap_per_referral"),
    "nothing": (),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What the rest of the program says that rewards and milestones go by."""

    base: str | None  # the base currency; None where what the program says is none
    zone: ZoneInfo
    hold: Duration
    stages: tuple[str, ...] | None  # in their order; None where they cannot be read


def referral_reward(place: Place, setting: Setting) -> ReferralReward:
    """Read an entry of `rewards`."""
    with Section(place) as section:
        name = section.need("id", scalars.identifier, "")
        trigger = section.need("trigger", scalars.choice(*_TRIGGERS), None)
        stage = _stage(section, trigger, setting)
        recipient = section.need("to", scalars.choice(*_RECIPIENTS), None)
        prize = read_prize(section, setting, name, _kind_for(trigger))
        where = section.take("where", lambda at: clauses(at, trigger), ())
        lasting = section.take("duration", scalars.positive_duration, None) if trigger in {"order.paid", None} else None
        cap = section.take("cap_per_referral", scalars.money, {}) if not prize or prize.form.needs == "share" else {}
        _refuse_others(section, prize)
        section.refuse_others(["stage", "duration"], f"trigger {trigger}")
    if trigger is None or recipient is None or prize is None:
        raise Noted
    return ReferralReward(
        id=name,
        trigger=trigger,
        stage=stage,
        to=recipient,
        prize=prize,
        where=Where(where),
        duration=lasting,
        cap=cap,
    )


def milestone_rewards(section: Section, owner: str, setting: Setting) -> tuple[Prize, ...]:
    """Read the `rewards` of a milestone or a step; the ledger must be able to tell them apart."""
    seen: set[str] = set()
    given = section.take("rewards", placed(lambda place: _milestone_reward(place, setting)), ())
    for place, prize in given:
        if prize.id in seen:
            place.report(f"{owner} has a reward {prize.id} already", "give each an `id`")
        seen.add(prize.id)
    return tuple(prize for _, prize in given)


def _milestone_reward(place: Place, setting: Setting) -> Prize:
    with Section(place) as section:
        prize = read_prize(section, setting, section.take("id", scalars.identifier, ""), _kind_of_a_milestone)
        _refuse_others(section, prize)
    if prize is None:
        raise Noted
    return prize


def stage_of(stages: tuple[str, ...] | None) -> Kind[str]:
    """Read the name of a stage; any name where the stages are not known."""
    return scalars.identifier if stages is None else scalars.choice(*stages)


def _stage(section: Section, trigger: Trigger | None, setting: Setting) -> str | None:
    if trigger is None:
        return section.take("stage", stage_of(setting.stages), None)
    return section.need("stage", stage_of(setting.stages), None) if trigger == "stage.reached" else None


def _kind_for(trigger: Trigger | None) -> Kind[str]:
    def read(place: Place) -> str:
        kind = scalars.choice(*KINDS)(place)
        if KINDS[kind].needs == "share" and trigger not in {"order.paid", None}:
            raise Wrong(f"{kind} is a share of orders, and needs the trigger order.paid")
        return kind

    return read


def _kind_of_a_milestone(place: Place) -> str:
    kind = scalars.choice(*KINDS)(place)
    if KINDS[kind].needs == "share":
        raise Wrong(f"{kind} is a share of orders, and a milestone is none", "give it under `rewards` of the campaign")
    return kind


# --- what is given ----------------------------------------------------------------------------------------------------


def read_prize(section: Section, setting: Setting, name: str, kinds: Kind[str]) -> Prize | None:
    """Read the keys of a section that say what is given; None where its kind is not known, and all are read alike."""
    kind = section.need("kind", kinds, None)
    hold = section.take("hold", scalars.duration, setting.hold)
    valid_for = section.take("valid_for", scalars.positive_duration, None)
    if kind is None:
        _read_any(section)
        return None
    given = Prize(id=name or kind, kind=kind, hold=hold, valid_for=valid_for)
    match given.form.needs:
        case "points":
            return replace(given, points=section.need("amount", scalars.whole(1), 1))
        case "money":
            amounts = section.need("amount", lambda place: _amounts(place, setting.base), {"": 1})
            currency = setting.base if setting.base in amounts else next(iter(amounts))
            return replace(given, amounts=amounts, currency=currency or "")
        case "percent":
            ceiling = section.take("max", scalars.money, {})
            return replace(given, percent=section.need("percent", scalars.percent, "1"), ceiling=ceiling)
        case "product":
            return replace(given, product=section.need("product", scalars.text, ""))
        case "share":
            return replace(given, tiers=_tiers(section))
    return given


def _read_any(section: Section) -> None:
    """Read what goes with one kind or another, so that what is wrong with it is told now."""
    section.take("amount", scalars.either, None)
    section.take("percent", scalars.percent, None)
    section.take("max", scalars.money, None)
    section.take("product", scalars.text, None)
    section.take("rate", scalars.rate, None)
    section.take("tiers", _tier_list, None)


def _refuse_others(section: Section, prize: Prize | None) -> None:
    if prize:
        section.refuse_others((key for keys in FORMS.values() for key in keys), f"kind {prize.kind}")


def _amounts(place: Place, base: str | None) -> dict[str, int]:
    """Read amounts; of several, one is in the base currency."""
    amounts = scalars.money(place)
    if base is not None and base not in amounts and len(amounts) > 1:
        raise Wrong(f"none of these is in {base}, the base currency", f"add one in {base}, or keep a single one")
    return amounts


def _tiers(section: Section) -> tuple[Tier, ...]:
    if "rate" in section or "tiers" not in section:
        section.refuse("tiers", "a reward has a `rate` or `tiers`", "remove one of them")
        return (Tier(start=0, rate=section.need("rate", scalars.rate, Decimal(1))),)
    return section.take("tiers", _tier_list, (Tier(start=0, rate=Decimal(1)),))


def _tier_list(place: Place) -> tuple[Tier, ...]:
    before = len(place.problems)
    tiers = listing(_tier)(place)
    if len(place.problems) > before:
        raise Noted
    if not tiers:
        raise Wrong("tiers begin at 0", "write [{from: 0, rate: ...}, {from: 10, rate: ...}]")
    for number, tier in enumerate(tiers):
        if tier.start <= tiers[number - 1].start if number else tier.start > 0:
            place.report("tiers begin at 0 and rise", "give the first `from: 0`, each other more", number, "from")
    return tiers


def _tier(place: Place) -> Tier:
    with Section(place) as section:
        start, rate = section.need("from", scalars.whole(0), 0), section.need("rate", scalars.rate, Decimal(1))
    return Tier(start=start, rate=rate)
