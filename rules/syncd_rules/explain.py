"""Why a referral stands where it stands, in sentences for the person who asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from syncd_rules.cluster import Cluster
from syncd_rules.events import Event
from syncd_rules.model import Program, Purchase
from syncd_rules.money import decimal_text
from syncd_rules.prize import ReferralReward
from syncd_rules.qualification import present_stage
from syncd_rules.referral import Referral
from syncd_rules.result import ReferralState, Result
from syncd_rules.state import State

REASONS = {
    "code_not_found": "there is no such code",
    "code_not_started": "the code was not valid yet",
    "code_expired": "the code was not valid any more",
    "redemption_limit_reached": "the code had been used as often as it may be",
    "self_referral": "friend and advocate are the same person",
    "existing_customer": "the friend was a customer before",
    "already_referred": "the friend had been referred before",
    "existing_participant": "the friend took part in the campaign already",
    "disposable_email": "the address is a disposable one",
    "same_company_domain": "friend and advocate work at the same company",
    "click_window_passed": "the click was too long ago",
    "campaign_not_running": "the campaign was not running",
    "max_referrals": "the advocate has as many referrals as may count",
    "per_period": "the advocate has as many referrals as may count in that period",
    "cooldown": "the advocate's last referral was not long enough ago",
    "erased": "the participant was erased",
    "budget_exhausted": "the campaign's budget is exhausted",
    "budget_queue": "the campaign's budget is exhausted, and it waits for its turn",
    "cap_per_referral": "the friend's orders have earned as much as they may",
    "unknown_stage": "the campaign does not know that stage",
    "not_the_first_deal": "only the friend's first deal counts",
    "rejected": "a person refused it",
    "order_number_taken": "another order had that number before, which alone counts",
    "order_number_shared": "somebody else has an order of that number too, and both count",
    "via_not_listed": "the campaign does not believe those who said so",
    "refund_without_order": "a refund names it, and they have no such order",
    "refund_in_another_currency": "a refund of it is in another currency, and changes nothing",
}


def explain(programs: Sequence[Program], events: Iterable[Event], as_of: datetime, friend: str) -> list[str]:
    """Say why a friend's referral is, or is not, qualified, counted and rewarded, and what is missing.

    Raises `InvalidProgram` as `evaluate` does.
    """
    state = State(programs)
    state.add(events, as_of)
    result = state.result(as_of)
    sentences = [
        f"A sign-up of {friend} was refused: {_reason(r.reason)}." for r in result.rejected if r.friend == friend
    ]
    books = state.books_of(friend)
    if books is None or friend not in result.referrals:
        return sentences or [f"No sign-up of {friend} is known at {_time(as_of)}."]
    return sentences + list(_sentences(books, books.friends.all[friend], result.referrals[friend], result))


def _sentences(books: Cluster, referral: Referral, state: ReferralState, result: Result) -> Iterator[str]:
    friend, advocate, at = referral.friend, referral.advocate, _time(referral.signed_up_at)
    yield f"{friend} signed up at {at} by the code {referral.code.text}, and is a friend of {advocate}."
    yield f"The terms are those of version {referral.terms.version}."
    if referral.review:
        yield f"A person should have a look: {_reason(referral.review)}."
    yield from _qualified(referral, state)
    yield from _counted(books, referral, state)
    yield from _rewards(referral, state, result)
    yield from _milestones(books, advocate, result)


def _qualified(referral: Referral, state: ReferralState) -> Iterator[str]:
    if referral.frozen and state.status != "qualified":
        yield "It is not qualified, and cannot be any more: the friend was erased."
        return
    match state.status:
        case "qualified":
            assert state.qualified_at is not None
            yield f"It is qualified since {_time(state.qualified_at)}, through {state.via}."
            return
        case "disqualified":
            who = "a person" if referral.case.manual is False else "an event that the campaign believes"
            yield f"It is not qualified: {who} disqualified it, and nothing has qualified it since."
            return
        case "expired":
            assert referral.closes_at is not None
            yield f"It is not qualified: its time ran out at {_time(referral.closes_at)}. Only a person can qualify it."
            return
    ways = "; ".join([*_ways(referral), "a person may say so at any time"])
    yield f"It is not qualified. {ways[0].upper()}{ways[1:]}."
    if referral.closes_at:
        yield f"Its time runs out at {_time(referral.closes_at)}."


def _ways(referral: Referral) -> Iterator[str]:
    """Say what would qualify it."""
    rules, case = referral.terms.qualification, referral.case
    for stage in sorted(rules.stages, key=referral.terms.stages.order.index):
        now = present_stage(case, referral.terms.stages)
        yield (
            f"a deal has to reach {stage}, and the furthest is in {now}"
            if case.deals
            else f"a deal has to reach {stage}"
        )
    for purchase in rules.purchases:
        yield _missing(purchase, referral)
    if rules.via:
        yield f"an event through {', '.join(sorted(rules.via))} may say so"


def _missing(purchase: Purchase, referral: Referral) -> str:
    word = {"first_order": "the first order", "single_order": "a single order", "cumulative": "all orders together"}
    least = " or ".join(f"{decimal_text(n, c)} {c}" for c, n in purchase.least.items()) or "more than nothing"
    bought = ", ".join(f"{decimal_text(n, c)} {c}" for c, n in sorted(referral.orders.net.items())) or "nothing"
    return f"{word[purchase.basis]} must come to {least}, and so far {bought} was bought, net of refunds"


def _counted(books: Cluster, referral: Referral, state: ReferralState) -> Iterator[str]:
    if state.counted:
        since, _ = books.friends.counted.since[referral.friend]
        yield f"It counts for {referral.advocate} since {_time(since)}."
    elif referral.uncounted:
        yield f"It does not count for {referral.advocate}: {_reason(referral.uncounted)}."
    elif referral.terms.counting == "conversions":
        yield f"It does not count for {referral.advocate} until it is qualified."
    else:
        yield f"It does not count for {referral.advocate}, since it is disqualified."


def _rewards(referral: Referral, state: ReferralState, result: Result) -> Iterator[str]:
    subjects = {referral.friend, *referral.orders.by_id}
    rules = {rule.id for rule, _ in referral.rules(None)}
    shown = set()
    for reward in result.rewards:
        if reward.rule in rules and reward.subject in subjects:
            amount = " ".join(filter(None, [reward.amount, reward.currency, reward.kind, reward.product]))
            about = f" for {reward.subject}" if reward.subject != referral.friend else ""
            status = reward.status.replace("_", " ") + (", awaiting approval" if reward.approval == "awaiting" else "")
            yield f"Reward {reward.rule}{about}: {amount} to {reward.to}, {status}."
            shown.add(reward.rule)
    for kept in result.suppressed:
        if kept.rule == "order":
            if kept.to == referral.friend:
                yield f"Order {kept.subject}: {_reason(kept.reason)}."
        elif kept.subject in subjects:
            what = "Something heard of it changed nothing" if kept.rule == "qualification" else f"Reward {kept.rule}"
            yield f"{what}: {_reason(kept.reason)}."
            shown.add(kept.rule)
    for rule, _ in referral.rules(None):
        if rule.id not in shown:
            yield f"Reward {rule.id} is not given: {_wanting(rule, referral, state)}."


def _wanting(rule: ReferralReward, referral: Referral, state: ReferralState) -> str:
    if state.status == "disqualified":
        return "the referral is disqualified"
    if not rule.where(referral.fields) and rule.trigger != "order.paid":
        return "its `where` does not hold"
    match rule.trigger:
        case "referral.qualified":
            return "the referral is not qualified"
        case "stage.reached":
            stands = rule.stage in referral.stages()
            return "the referral's time ran out before" if stands else f"stage {rule.stage} is not reached"
    return "no order is one that it is for" if referral.orders.by_id else "there is no order"


def _milestones(books: Cluster, advocate: str, result: Result) -> Iterator[str]:
    """Say how far the advocate is, of the milestones that referrals count for."""
    assert result.as_of is not None
    for rule in books.versions.rules_at(result.as_of):
        goal = rule.milestone.goal
        if goal is None or goal.metric != "referrals":
            continue
        has, over = books.progress.value(rule).get("", 0), "more than " if goal.strict else ""
        yield f"Milestone {rule.milestone.id}: {advocate} has {has} counted referrals, and needs {over}{goal.target}."


def _reason(reason: str) -> str:
    return f"{REASONS[reason]} ({reason})" if reason in REASONS else reason.replace("_", " ")


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
