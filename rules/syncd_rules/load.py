"""From a tree of texts to a `Program`, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from syncd_rules import scalars
from syncd_rules.events import VIA
from syncd_rules.kinds import KINDS
from syncd_rules.load_milestones import milestone, window
from syncd_rules.load_rewards import Setting, referral_reward, stage_of
from syncd_rules.milestone import Window
from syncd_rules.model import (
    UTC_ZONE,
    Approval,
    Attribution,
    Basis,
    Codes,
    Eligibility,
    Exhausted,
    InvalidProgram,
    Limits,
    Problem,
    Program,
    Purchase,
    Qualification,
    Settlement,
    Stages,
    Tax,
    Verdict,
)
from syncd_rules.prize import Recipient
from syncd_rules.time import PERIODS, Duration, Period
from syncd_rules.tree import Kind, Noted, Place, Section, T, listing, placed

_VERDICT = scalars.choice(*get_args(Verdict))
_KINDS = scalars.choice(*KINDS)
_BASES: tuple[Basis, ...] = get_args(Basis)
_RECIPIENTS: tuple[Recipient, ...] = get_args(Recipient)
_MONEY = tuple(kind for kind, form in KINDS.items() if form.needs in {"money", "share"})


def load(tree_of_texts: object) -> Program:
    """Give the program that a tree of mappings, lists and texts describes.

    Scalars stay the text that the author wrote; this function gives them their types. Raises `InvalidProgram` with
    every problem that was found, each with its path into the tree.
    """
    problems: list[Problem] = []
    program = Place(value=tree_of_texts, path=(), problems=problems).read(_program, None)
    if problems or program is None:
        raise InvalidProgram([_naming_its_rule(problem, tree_of_texts) for problem in problems])
    return program


def _naming_its_rule(problem: Problem, tree_of_texts: object) -> Problem:
    """Say which reward or milestone a problem is in, by its id: a line number alone means little in a report."""
    if len(problem.path) < 2 or problem.path[0] not in {"rewards", "milestones"}:
        return problem
    section, number = problem.path[:2]
    tree: Any = tree_of_texts
    entry = tree[section][number]
    name = entry.get("id") if isinstance(entry, Mapping) else None
    if not scalars.is_id(name) or problem.path[2:] == ("id",):
        return problem
    return replace(problem, message=f"{str(section)[:-1]} {name}: {problem.message}")


def _program(place: Place) -> Program:
    with Section(place) as top:
        zone = top.take("timezone", scalars.timezone, UTC_ZONE)
        base = top.choose("base_currency", scalars.currency, "USD")
        stages = top.choose("stages", _stages, Stages())
        settlement = top.take("settlement", _settlement, Settlement())
        order = stages.order if stages else None
        setting = Setting(base=base, zone=zone, hold=settlement.hold, stages=order)
        program = Program(
            campaign=top.need("campaign", scalars.identifier, ""),
            name=top.take("name", scalars.text, ""),
            version=top.take("version", scalars.whole(1), 1),
            effective_from=top.take("effective_from", scalars.instant(zone), None),
            on_activation=top.take("on_activation", scalars.choice("lifetime", "since_version"), "lifetime"),
            draft=top.take("state", scalars.choice("draft", "active"), "active") == "draft",
            timezone=zone,
            base_currency=base or "",
            runs=top.take("runs", lambda runs: window(runs, zone), Window()),
            counting=top.take("counting", scalars.choice("referrals", "conversions"), "referrals"),
            codes=top.take("codes", _codes, Codes()),
            attribution=top.take("attribution", _attribution, Attribution()),
            eligibility=top.take("eligibility", _eligibility, Eligibility()),
            qualification=top.take("qualification", lambda q: _qualification(q, order), Qualification()),
            stages=stages or Stages(),
            limits=top.take("limits", _limits, Limits()),
            settlement=settlement,
            tax=top.take("tax", _tax, None),
            rewards=top.take("rewards", listing(lambda r: referral_reward(r, setting)), ()),
            milestones=top.take("milestones", listing(lambda m: milestone(m, setting)), ()),
        )
    _ids_differ(place)
    return program


def _ids_differ(place: Place) -> None:
    """Rewards and milestones share one space of ids, since an id is what the ledger knows a rule by.

    They are read as they stand, those too that have other faults.
    """
    tree: Any = place.value
    seen: set[str] = set()
    for key in ("rewards", "milestones"):
        entries = tree.get(key)
        for number, entry in enumerate(entries if isinstance(entries, list | tuple) else ()):
            name = entry.get("id") if isinstance(entry, Mapping) else None
            if not scalars.is_id(name):
                continue
            if name in seen:
                place.report(f"the id {name} is taken", "ids are unique over rewards and milestones", key, number, "id")
            seen.add(name)


def _codes(place: Place) -> Codes:
    with Section(place) as section:
        return Codes(
            prefix=section.take("prefix", scalars.text, ""),
            pattern=section.take("pattern", scalars.text, "########"),
            case_sensitive=section.take("case_sensitive", scalars.flag, False),
            checked_at=section.take("checked_at", scalars.choice("signup", "qualification"), "signup"),
            default_redemption_limit=section.take("default_redemption_limit", scalars.whole(0), 0),
            default_valid_for=section.take("default_valid_for", scalars.positive_duration, None),
        )


def _attribution(place: Place) -> Attribution:
    with Section(place) as section:
        return Attribution(
            model=section.take("model", scalars.choice("first_touch", "last_touch"), "first_touch"),
            click_window=section.take("click_window", scalars.positive_duration, None),
            conversion_window=section.take("conversion_window", scalars.positive_duration, None),
            terms_at=section.take("terms_at", scalars.choice("capture", "qualification"), "capture"),
        )


def _eligibility(place: Place) -> Eligibility:
    with Section(place) as section:
        plus, dots = section.take("identity", _identity, (True, True))
        return Eligibility(
            self_referral=section.take("self_referral", _VERDICT, "reject"),
            existing_customer=section.take("existing_customer", _VERDICT, "reject"),
            existing_participant=section.take("existing_participant", _VERDICT, "allow"),
            same_company_domain=section.take("same_company_domain", _VERDICT, "allow"),
            disposable_email=section.take("disposable_email", _VERDICT, "allow"),
            strip_plus_tag=plus,
            gmail_dots=dots,
        )


def _identity(place: Place) -> tuple[bool, bool]:
    with Section(place) as section:
        return section.take("strip_plus_tag", scalars.flag, True), section.take("gmail_dots", scalars.flag, True)


def _qualification(place: Place, stages: tuple[str, ...] | None) -> Qualification:
    with Section(place) as section:
        section.take("manual_overrides", scalars.choice("sticky"), "sticky")
        rules = section.take("any_of", listing(lambda rule: _rule(rule, stages)), ())
    return Qualification(
        signup=any(rule.signup for rule in rules),
        stages=frozenset[str]().union(*(rule.stages for rule in rules)),
        purchases=tuple(purchase for rule in rules for purchase in rule.purchases),
        via=frozenset[str]().union(*(rule.via for rule in rules)),
    )


def _rule(place: Place, stages: tuple[str, ...] | None) -> Qualification:
    """Read an entry of `any_of`; where its type is not known, what goes with one type or another is read all the same.

    Each type has keys of its own, so that an entry that was read says by them what it is.
    """
    with Section(place) as section:
        sort = section.need("type", scalars.choice("stage", "purchase", "signup", "explicit"), None)
        stage = via = purchase = None
        if sort in {"stage", None}:
            stage = _need_if(section, sort, "stage", stage_of(stages))
        if sort in {"explicit", None}:
            via = _need_if(section, sort, "via", listing(scalars.choice(*VIA)))
        if sort in {"purchase", None}:
            basis = section.take("basis", scalars.choice(*_BASES), _BASES[0])
            purchase = Purchase(basis=basis, least=section.take("min", scalars.money, {}))
        section.refuse_others(["stage", "via", "basis", "min"], f"type {sort}")
    return Qualification(
        signup=sort == "signup",
        stages=frozenset({stage} if stage else ()),
        purchases=(purchase,) if purchase else (),
        via=frozenset(via or ()),
    )


def _need_if(section: Section, sort: str | None, key: str, kind: Kind[T]) -> T | None:
    return section.take(key, kind, None) if sort is None else section.need(key, kind, None)


def _stages(place: Place) -> Stages:
    names = placed(scalars.identifier)
    before = len(place.problems)
    with Section(place) as section:
        order = section.take("order", names, ())
        lost = section.take("lost", names, ())
        unread = len(place.problems) > before
        stages = Stages(
            order=tuple(name for _, name in order) if "order" in section else Stages().order,
            lost=frozenset(name for _, name in lost) if "lost" in section else Stages().lost,
            skipped=section.take("skipped", scalars.choice("grant", "skip"), "grant"),
            on_lost=section.take("on_lost", scalars.choice("keep_reached", "reverse_all"), "keep_reached"),
            multiple_deals=section.take("multiple_deals", scalars.choice("any", "first", "all"), "any"),
        )
    seen = set() if "order" in section else set(Stages().order)
    seen |= set() if "lost" in section else Stages().lost
    for entry, name in (*order, *lost):
        if name in seen:
            entry.report(f"the stage {name} stands here twice", "a stage is one step of `order`, or is lost")
        seen.add(name)
    if unread:
        raise Noted
    if len(stages.order) < 2:
        place.report("`order` needs two stages or more: one to begin with, and the goal", "", "order")
        raise Noted
    return stages


def _limits(place: Place) -> Limits:
    with Section(place) as section:
        limits = section.take("per_advocate", _per_advocate, Limits())
        budget, exhausted = section.take("campaign", _campaign_limits, ({}, "suppress"))
    return Limits(
        max_referrals=limits.max_referrals,
        per_period=limits.per_period,
        cooldown=limits.cooldown,
        friend_reward_when_capped=limits.friend_reward_when_capped,
        budget=budget,
        when_exhausted=exhausted,
    )


def _per_advocate(place: Place) -> Limits:
    with Section(place) as section:
        return Limits(
            max_referrals=section.take("max_referrals", scalars.whole(0), None),
            per_period=section.take("per_period", _per_period, {}),
            cooldown=section.take("cooldown", scalars.duration, None),
            friend_reward_when_capped=section.take("friend_reward_when_capped", scalars.flag, True),
        )


def _campaign_limits(place: Place) -> tuple[dict[str, int], Exhausted]:
    with Section(place) as section:
        budget = section.take("budget", scalars.units, {})
        return budget, section.take("when_exhausted", scalars.choice("suppress", "clamp", "queue"), "suppress")


def _per_period(place: Place) -> dict[Period, int]:
    with Section(place) as section:
        taken = {period: section.take(period, scalars.whole(0), None) for period in PERIODS}
    return {period: most for period, most in taken.items() if most is not None}


def _settlement(place: Place) -> Settlement:
    with Section(place) as section:
        return Settlement(
            hold=section.take("hold", scalars.duration, Duration()),
            clawback=section.take("clawback", scalars.choice("none", "within_balance", "negative"), "none"),
            partial_refund=section.take("partial_refund", scalars.choice("recompute", "ignore"), "recompute"),
            rounding=section.take("rounding", scalars.choice("half_up", "half_even", "down"), "half_up"),
            approval=section.take("approval", _approval, None),
            expiry=section.take("expiry", _expiry, {}),
        )


def _approval(place: Place) -> Approval:
    with Section(place) as section:
        return Approval(
            above=section.need("required_above", scalars.units, {}),
            kinds=frozenset(section.take("for", listing(_KINDS), (*_MONEY, "points"))),
            persons=section.take("persons", scalars.whole(1, 2), 1),
        )


def _expiry(place: Place) -> dict[str, Duration]:
    with Section(place) as section:
        taken = {kind: section.take(kind, scalars.positive_duration, None) for kind in KINDS}
    return {kind: length for kind, length in taken.items() if length is not None}


def _tax(place: Place) -> Tax:
    recipients = listing(scalars.choice(*_RECIPIENTS))
    with Section(place) as section:
        return Tax(
            country=section.take("country", scalars.identifier, ""),
            kinds=frozenset(section.take("reportable_kinds", listing(_KINDS), ("cash", "gift_card", "revenue_share"))),
            to=frozenset(section.take("reportable_to", recipients, _RECIPIENTS[:1])),
            threshold=section.need("yearly_threshold", scalars.money, {}),
        )
