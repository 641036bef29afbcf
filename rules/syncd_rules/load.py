"""From a tree of texts to a `Program`, or to everything that is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

from syncd_rules import tree
from syncd_rules.kinds import KINDS
from syncd_rules.load_milestones import milestone, window
from syncd_rules.load_rewards import Setting, referral_reward
from syncd_rules.milestone import Milestone, Window
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
from syncd_rules.prize import Prize, Recipient
from syncd_rules.time import PERIODS, Duration, Period
from syncd_rules.tree import Place, Section
from syncd_rules.versions import prizes_of

VIA = ("manual", "api", "javascript", "webhook", "zapier", "coupon", "crm")
_VERDICT = tree.choice(*get_args(Verdict))
_KINDS = tree.choice(*KINDS)
_BASES: tuple[Basis, ...] = get_args(Basis)
_RECIPIENTS: tuple[Recipient, ...] = get_args(Recipient)
_MONEY = tuple(kind for kind, form in KINDS.items() if form.needs in {"money", "share"})


def load(tree_of_texts: object) -> Program:
    """Give the program that a tree of mappings, lists and texts describes.

    Scalars stay the text that the author wrote; this function gives them their types. Raises `InvalidProgram` with
    every problem that was found, each with its path into the tree.
    """
    problems: list[Problem] = []
    top = Place(value=tree_of_texts, path=(), problems=problems)
    program = top.read(_program, Program(campaign=""))
    if problems:
        raise InvalidProgram([_naming_its_rule(problem, tree_of_texts) for problem in problems])
    return program


def _naming_its_rule(problem: Problem, tree_of_texts: object) -> Problem:
    """Say which reward or milestone a problem is in, by its id: a line number alone means little in a report."""
    if len(problem.path) < 2 or problem.path[0] not in {"rewards", "milestones"}:
        return problem
    section, number = problem.path[:2]
    assert isinstance(tree_of_texts, Mapping)
    entry = tree_of_texts[section][number]
    name = entry.get("id") if isinstance(entry, Mapping) else None
    if not isinstance(name, str) or not name or name in problem.message:
        return problem
    return replace(problem, message=f"{str(section)[:-1]} {name}: {problem.message}")


def _program(place: Place) -> Program:
    with Section(place) as top:
        zone = top.take("timezone", tree.timezone, UTC_ZONE)
        base = top.take("base_currency", tree.currency, "USD")
        stages = top.take("stages", _stages, Stages())
        settlement = top.take("settlement", _settlement, Settlement())
        setting = Setting(base=base, zone=zone, hold=settlement.hold, stages=stages)
        program = Program(
            campaign=top.need("campaign", tree.identifier, ""),
            name=top.take("name", tree.text, ""),
            version=top.take("version", tree.whole(1), 1),
            effective_from=top.take("effective_from", tree.instant(zone), None),
            on_activation=top.take("on_activation", tree.choice("lifetime", "since_version"), "lifetime"),
            draft=top.take("state", tree.choice("draft", "active"), "active") == "draft",
            timezone=zone,
            base_currency=base,
            runs=top.take("runs", lambda runs: window(runs, zone), Window()),
            counting=top.take("counting", tree.choice("referrals", "conversions"), "referrals"),
            codes=top.take("codes", _codes, Codes()),
            attribution=top.take("attribution", _attribution, Attribution()),
            eligibility=top.take("eligibility", _eligibility, Eligibility()),
            qualification=top.take("qualification", lambda q: _qualification(q, stages), Qualification()),
            stages=stages,
            limits=top.take("limits", _limits, Limits()),
            settlement=settlement,
            tax=top.take("tax", _tax, None),
            rewards=top.take("rewards", tree.listing(lambda r: referral_reward(r, setting)), ()),
            milestones=top.take("milestones", tree.listing(lambda m: milestone(m, setting)), ()),
        )
        _ids_differ(place, top)
    _points_go_round(place, program.milestones)
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


def _points_go_round(place: Place, milestones: tuple[Milestone, ...]) -> None:
    """Refuse milestones that count the program's own points and give points: each grant could cause the next."""
    for number, each in enumerate(milestones):
        goals = [each.goal] if each.goal else [step.goal for step in each.steps]
        prizes: tuple[Prize, ...] = prizes_of(each)
        if any(goal.program_points for goal in goals) and any(prize.kind == "points" for prize in prizes):
            message = f"milestone {each.id} counts the points that the program gives, and gives points itself"
            hint = "set `count_program_points: false`, or give something else than points"
            place.report(message, hint, "milestones", number)


def _codes(place: Place) -> Codes:
    with Section(place) as section:
        return Codes(
            prefix=section.take("prefix", tree.text, ""),
            pattern=section.take("pattern", tree.text, "########"),
            case_sensitive=section.take("case_sensitive", tree.flag, False),
            checked_at=section.take("checked_at", tree.choice("signup", "qualification"), "signup"),
            default_redemption_limit=section.take("default_redemption_limit", tree.whole(0), 0),
            default_valid_for=section.take("default_valid_for", tree.positive_duration, None),
        )


def _attribution(place: Place) -> Attribution:
    with Section(place) as section:
        return Attribution(
            model=section.take("model", tree.choice("first_touch", "last_touch"), "first_touch"),
            click_window=section.take("click_window", tree.positive_duration, None),
            conversion_window=section.take("conversion_window", tree.positive_duration, None),
            terms_at=section.take("terms_at", tree.choice("capture", "qualification"), "capture"),
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
        return section.take("strip_plus_tag", tree.flag, True), section.take("gmail_dots", tree.flag, True)


def _qualification(place: Place, stages: Stages) -> Qualification:
    with Section(place) as section:
        section.take("manual_overrides", tree.choice("sticky"), "sticky")
        rules = section.take("any_of", tree.listing(lambda rule: _rule(rule, stages)), ())
    return Qualification(
        signup=any(rule.signup for rule in rules),
        stages=frozenset[str]().union(*(rule.stages for rule in rules)),
        purchases=tuple(purchase for rule in rules for purchase in rule.purchases),
        via=frozenset[str]().union(*(rule.via for rule in rules)),
    )


def _rule(place: Place, stages: Stages) -> Qualification:
    with Section(place) as section:
        match section.decide("type", tree.choice("stage", "purchase", "signup", "explicit")):
            case "stage":
                return Qualification(stages=frozenset({section.need("stage", tree.choice(*stages.order), "")}))
            case "explicit":
                return Qualification(via=frozenset(section.need("via", tree.listing(tree.choice(*VIA)), ())))
            case "purchase":
                basis = section.take("basis", tree.choice(*_BASES), _BASES[0])
                return Qualification(purchases=(Purchase(basis=basis, least=section.take("min", tree.money, {})),))
    return Qualification(signup=True)


def _stages(place: Place) -> Stages:
    names = tree.listing(tree.identifier)
    with Section(place) as section:
        stages = Stages(
            order=section.take("order", names, Stages().order),
            lost=frozenset(section.take("lost", names, ("lost",))),
            skipped=section.take("skipped", tree.choice("grant", "skip"), "grant"),
            on_lost=section.take("on_lost", tree.choice("keep_reached", "reverse_all"), "keep_reached"),
            multiple_deals=section.take("multiple_deals", tree.choice("any", "first", "all"), "any"),
        )
        lost = [name for name in section.entries("lost") if isinstance(name, str)]
    if len(stages.order) < 2:
        place.report("`order` needs two stages or more: one to begin with, and the goal", "", "order")
        return Stages()
    if twice := [name for name, times in Counter([*stages.order, *(lost or stages.lost)]).items() if times > 1]:
        place.report(f"the stage {twice[0]} stands here twice", "a stage is one step of `order`, or is lost")
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
            max_referrals=section.take("max_referrals", tree.whole(0), None),
            per_period=section.take("per_period", _per_period, {}),
            cooldown=section.take("cooldown", tree.duration, None),
            friend_reward_when_capped=section.take("friend_reward_when_capped", tree.flag, True),
        )


def _campaign_limits(place: Place) -> tuple[dict[str, int], Exhausted]:
    with Section(place) as section:
        budget = section.take("budget", tree.units, {})
        return budget, section.take("when_exhausted", tree.choice("suppress", "clamp", "queue"), "suppress")


def _per_period(place: Place) -> dict[Period, int]:
    with Section(place) as section:
        taken = {period: section.take(period, tree.whole(0), None) for period in PERIODS}
    return {period: most for period, most in taken.items() if most is not None}


def _settlement(place: Place) -> Settlement:
    with Section(place) as section:
        return Settlement(
            hold=section.take("hold", tree.duration, Duration()),
            clawback=section.take("clawback", tree.choice("none", "within_balance", "negative"), "none"),
            partial_refund=section.take("partial_refund", tree.choice("recompute", "ignore"), "recompute"),
            rounding=section.take("rounding", tree.choice("half_up", "half_even", "down"), "half_up"),
            approval=section.take("approval", _approval, None),
            expiry=section.take("expiry", _expiry, {}),
        )


def _approval(place: Place) -> Approval:
    with Section(place) as section:
        return Approval(
            above=section.need("required_above", tree.units, {}),
            kinds=frozenset(section.take("for", tree.listing(_KINDS), (*_MONEY, "points"))),
            persons=section.take("persons", tree.whole(1), 1),
        )


def _expiry(place: Place) -> dict[str, Duration]:
    with Section(place) as section:
        taken = {kind: section.take(kind, tree.positive_duration, None) for kind in KINDS}
    return {kind: length for kind, length in taken.items() if length is not None}


def _tax(place: Place) -> Tax:
    recipients = tree.listing(tree.choice(*_RECIPIENTS))
    with Section(place) as section:
        return Tax(
            country=section.take("country", tree.identifier, ""),
            kinds=frozenset(
                section.take("reportable_kinds", tree.listing(_KINDS), ("cash", "gift_card", "revenue_share"))
            ),
            to=frozenset(section.take("reportable_to", recipients, _RECIPIENTS[:1])),
            threshold=section.need("yearly_threshold", tree.money, {}),
        )
