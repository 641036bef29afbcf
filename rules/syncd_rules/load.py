"""From a tree of texts to a `Program`, or to everything that is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import get_args
from zoneinfo import ZoneInfo

from syncd_rules import tree
from syncd_rules.model import (
    UTC_ZONE,
    Codes,
    Eligibility,
    InvalidProgram,
    Kind,
    Limits,
    Milestone,
    Prize,
    Problem,
    Program,
    Qualification,
    Recipient,
    ReferralReward,
    Stages,
    Trigger,
    Verdict,
    Window,
)
from syncd_rules.money import decimal_text
from syncd_rules.time import PERIODS, Duration, Period
from syncd_rules.tree import Place, Section, Wrong
from syncd_rules.unsupported import without_unsupported

VIA = ("manual", "api", "javascript", "webhook", "zapier", "coupon", "crm")
_KINDS: tuple[Kind, ...] = get_args(Kind)
_MONEY_KINDS = frozenset({"store_credit", "discount_amount", "cash", "gift_card"})
_TRIGGERS: tuple[Trigger, ...] = get_args(Trigger)
_RECIPIENTS: tuple[Recipient, ...] = get_args(Recipient)
_VERDICT = tree.choice(*get_args(Verdict))


def load(tree_of_texts: object) -> Program:
    """Give the program that a tree of mappings, lists and texts describes.

    Scalars stay the text that the author wrote; this function gives them their types. Raises `InvalidProgram` with
    every problem that was found, each with its path into the tree.
    """
    problems: list[Problem] = []
    top = Place(value=tree_of_texts, path=(), problems=problems)
    top = replace(top, value=without_unsupported(top))
    program = top.read(_program, Program(campaign=""))
    if problems:
        raise InvalidProgram(problems)
    return program


def _program(place: Place) -> Program:
    with Section(place) as top:
        zone = top.take("timezone", tree.timezone, UTC_ZONE)
        base = top.take("base_currency", tree.currency, "USD")
        stages = top.take("stages", _stages, Stages())
        hold = top.take("settlement", _settlement, Duration())
        top.take("attribution", _attribution, None)
        top.take("on_activation", tree.choice("lifetime"), "lifetime")
        program = Program(
            campaign=top.need("campaign", tree.identifier, ""),
            name=top.take("name", tree.text, ""),
            version=top.take("version", tree.whole(1), 1),
            effective_from=top.take("effective_from", tree.instant(zone), None),
            draft=top.take("state", tree.choice("draft", "active"), "active") == "draft",
            timezone=zone,
            base_currency=base,
            runs=top.take("runs", lambda runs: _window(runs, zone), Window()),
            counting=top.take("counting", tree.choice("referrals", "conversions"), "referrals"),
            codes=top.take("codes", _codes, Codes()),
            eligibility=top.take("eligibility", _eligibility, Eligibility()),
            qualification=top.take("qualification", lambda q: _qualification(q, stages), Qualification()),
            stages=stages,
            limits=top.take("limits", _limits, Limits()),
            hold=hold,
            rewards=top.take("rewards", tree.listing(lambda r: _referral_reward(r, base, hold, stages)), ()),
            milestones=top.take("milestones", tree.listing(lambda m: _milestone(m, base, hold)), ()),
        )
        _ids_differ(place, top)
    return program


def _ids_differ(place: Place, top: Section) -> None:
    """Rewards and milestones share one space of ids, since an id is what the ledger knows a rule by."""
    seen: set[object] = set()
    for key in ("rewards", "milestones"):
        for number, entry in enumerate(top.entries(key)):
            name = entry.get("id") if isinstance(entry, Mapping) else None
            if isinstance(name, str) and name in seen:
                place.report(f"the id {name} is taken", "ids are unique over rewards and milestones", key, number, "id")
            seen.add(name)


def _window(place: Place, zone: ZoneInfo) -> Window:
    with Section(place) as section:
        window = Window(
            start=section.take("from", tree.instant(zone), None),
            end=section.take("until", tree.instant(zone, end_of_day=True), None),
        )
    if window.start and window.end and window.start >= window.end:
        raise Wrong("this ends before it begins")
    return window


def _codes(place: Place) -> Codes:
    with Section(place) as section:
        section.take("checked_at", tree.choice("signup"), "signup")
        codes = Codes(
            prefix=section.take("prefix", tree.text, ""),
            pattern=section.take("pattern", tree.text, "########"),
            case_sensitive=section.take("case_sensitive", tree.flag, False),
            default_redemption_limit=section.take("default_redemption_limit", tree.whole(0), 0),
            default_valid_for=section.take("default_valid_for", tree.duration, None),
        )
    return codes


def _attribution(place: Place) -> None:
    with Section(place) as section:
        section.take("model", tree.choice("first_touch"), "first_touch")
        section.take("terms_at", tree.choice("capture"), "capture")


def _eligibility(place: Place) -> Eligibility:
    with Section(place) as section:
        section.take("disposable_email", tree.choice("allow"), "allow")
        plus, dots = section.take("identity", _identity, (True, True))
        return Eligibility(
            self_referral=section.take("self_referral", _VERDICT, "reject"),
            existing_customer=section.take("existing_customer", _VERDICT, "reject"),
            existing_participant=section.take("existing_participant", _VERDICT, "allow"),
            same_company_domain=section.take("same_company_domain", _VERDICT, "allow"),
            strip_plus_tag=plus,
            gmail_dots=dots,
        )


def _identity(place: Place) -> tuple[bool, bool]:
    with Section(place) as section:
        return section.take("strip_plus_tag", tree.flag, True), section.take("gmail_dots", tree.flag, True)


def _qualification(place: Place, stages: Stages) -> Qualification:
    with Section(place) as section:
        section.take("manual_overrides", tree.choice("sticky"), "sticky")
        rules = section.take("any_of", tree.listing(lambda rule: _rule(rule, stages)), ())
    return Qualification(
        signup=any(rule.signup for rule in rules),
        stages=frozenset[str]().union(*(rule.stages for rule in rules)),
        via=frozenset[str]().union(*(rule.via for rule in rules)),
    )


def _rule(place: Place, stages: Stages) -> Qualification:
    with Section(place) as section:
        sort = section.decide("type", tree.choice("stage", "signup", "explicit"))
        if sort == "stage":
            return Qualification(stages=frozenset({section.need("stage", tree.choice(*stages.order), "")}))
        if sort == "explicit":
            return Qualification(via=frozenset(section.need("via", tree.listing(tree.choice(*VIA)), ())))
    return Qualification(signup=True)


def _stages(place: Place) -> Stages:
    names = tree.listing(tree.identifier)
    with Section(place) as section:
        stages = Stages(
            order=section.take("order", names, Stages().order),
            lost=frozenset(section.take("lost", names, ("lost",))),
            skipped=section.take("skipped", tree.choice("grant", "skip"), "grant"),
            on_lost=section.take("on_lost", tree.choice("keep_reached", "reverse_all"), "keep_reached"),
            multiple_deals=section.take("multiple_deals", tree.choice("any", "first"), "any"),
        )
    if len(stages.order) < 2:
        place.report("`order` needs two stages or more: one to begin with, and the goal", "", "order")
        return Stages()
    if twice := [name for name, times in Counter([*stages.order, *stages.lost]).items() if times > 1]:
        place.report(f"the stage {twice[0]} stands here twice", "a stage is one step of `order`, or is lost")
    return stages


def _limits(place: Place) -> Limits:
    with Section(place) as section:
        return section.take("per_advocate", _per_advocate, Limits())


def _per_advocate(place: Place) -> Limits:
    with Section(place) as section:
        return Limits(
            max_referrals=section.take("max_referrals", tree.whole(0), None),
            per_period=section.take("per_period", _per_period, {}),
            cooldown=section.take("cooldown", tree.duration, None),
            friend_reward_when_capped=section.take("friend_reward_when_capped", tree.flag, True),
        )


def _per_period(place: Place) -> dict[Period, int]:
    with Section(place) as section:
        taken = {period: section.take(period, tree.whole(0), None) for period in PERIODS}
    return {period: most for period, most in taken.items() if most is not None}


def _settlement(place: Place) -> Duration:
    with Section(place) as section:
        section.take("clawback", tree.choice("none"), "none")
        return section.take("hold", tree.duration, Duration())


def _referral_reward(place: Place, base: str, hold: Duration, stages: Stages) -> ReferralReward:
    with Section(place) as section:
        name = section.need("id", tree.identifier, "")
        trigger = section.decide("trigger", tree.choice(*_TRIGGERS))
        stage = section.need("stage", tree.choice(*stages.order), "") if trigger == "stage.reached" else None
        recipient = section.decide("to", tree.choice(*_RECIPIENTS))
        prize = _prize(section, base, hold, name)
    return ReferralReward(id=name, trigger=trigger, stage=stage, to=recipient, prize=prize)


def _milestone(place: Place, base: str, hold: Duration) -> Milestone:
    with Section(place) as section:
        name = section.need("id", tree.identifier, "")
        if "counting" in section:
            message = f"milestone {name} has a `counting` of its own; all milestones follow the campaign's"
            section.take("counting", lambda _: _refuse(message, "remove it, and set `counting` at the top"), None)
        section.take("metric", tree.choice("referrals"), "referrals")
        prizes = section.take("rewards", tree.listing(lambda prize: _milestone_prize(prize, base, hold)), ())
        milestone = Milestone(
            id=name,
            name=section.take("name", tree.text, ""),
            target=section.need("target", tree.whole(1), 1),
            strict=section.take("comparison", tree.choice("gte", "gt"), "gte") == "gt",
            times=section.take("repeat", _repeat, 1),
            reversible=section.take("reversible", tree.flag, True),
            messages=section.take("messages", tree.listing(tree.identifier), ()),
            prizes=prizes,
        )
    for prize, times in Counter(prize.id for prize in prizes).items():
        if times > 1:
            place.report(f"milestone {name} has {times} rewards {prize}", "give each an `id`", "rewards")
    return milestone


def _repeat(place: Place) -> int | None:
    with Section(place) as section:
        return section.take("max", tree.whole(1), None)


def _milestone_prize(place: Place, base: str, hold: Duration) -> Prize:
    with Section(place) as section:
        return _prize(section, base, hold, section.take("id", tree.identifier, ""))


def _prize(section: Section, base: str, hold: Duration, name: str) -> Prize:
    """Read the keys of a section that say what is given."""
    kind = section.decide("kind", tree.choice(*_KINDS))
    prize = Prize(id=name or kind, kind=kind, amount="1", hold=section.take("hold", tree.duration, hold))
    if kind == "points":
        return replace(prize, amount=str(section.need("amount", tree.whole(1), 1)))
    if kind == "discount_percentage":
        return replace(prize, amount=section.need("percent", _percent, "0"))
    if kind == "free_gift":
        return replace(prize, product=section.need("product", tree.text, ""))
    if kind in _MONEY_KINDS:
        amount, currency = section.need("amount", lambda place: _amount(place, base), ("0", base))
        return replace(prize, amount=amount, currency=currency)
    return prize


def _amount(place: Place, base: str) -> tuple[str, str]:
    """Choose the amount in the base currency, or the only one."""
    amounts = tree.money(place)
    if base in amounts:
        return decimal_text(amounts[base], base), base
    if len(amounts) > 1:
        raise Wrong(f"none of these is in {base}, the base currency", f"add one in {base}, or keep a single one")
    [(currency, amount)] = amounts.items()
    return decimal_text(amount, currency), currency


def _percent(place: Place) -> str:
    word = tree.text(place)
    try:
        percent = Decimal(word)
    except InvalidOperation:
        percent = Decimal(0)
    if not percent.is_finite() or not 0 < percent <= 100:
        raise Wrong(f"{word!r} is not a percentage above 0 and up to 100")
    return word


def _refuse(message: str, hint: str) -> None:
    raise Wrong(message, hint)
