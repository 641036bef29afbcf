"""Milestones over what participants do themselves: orders, money, points, reviews, cycles, silence, journeys."""

from __future__ import annotations

from typing import Any

import pytest

from syncd_rules import Program, Result
from tests.rules.story import CAMPAIGN, POINTS_FOR_A_FRIEND, Story, day, effects, held, pots, program, reached, statuses


def goal(metric: str, target: Any = None, **keys: Any) -> dict[str, Any]:
    reward = {"kind": "points", "amount": "500"}
    return {"id": "goal", "metric": metric, "rewards": [reward], **({"target": target} if target else {}), **keys}


def rules(metric: str, target: Any = None, **keys: Any) -> Program:
    top = {key: keys.pop(key) for key in ("timezone", "runs", "rewards", "settlement") if key in keys}
    return program(milestones=[goal(metric, target, **keys)], **top)


def cycles(*contracts: str) -> Story:
    """One cycle a day, each of a contract; "!" is a failure and "x" a cancellation."""
    story = Story()
    for number, contract in enumerate(contracts):
        sort = {"!": "cycle_failed", "x": "cancelled"}.get(contract, "cycle_paid")
        cycle = {} if contract == "x" else {"cycle": number}
        story.happened(number, f"subscription.{sort}", participant="ada", contract=contract, **cycle)
    return story


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_the_third_order_is_reached_and_lost_with_its_refund() -> None:
    story = Story().buys("ada", "5", 1).buys("ada", "5", 2).buys("ada", "5", 3, "o3")
    assert reached(story.told(rules("orders", "3"))) == [("goal", 1)]

    story.returns("ada", "o3", "4.99", 4)
    assert reached(story.told(rules("orders", "3"))) == [("goal", 1)]
    story.returns("ada", "o3", "0.01", 5)
    assert (reached(story.told(rules("orders", "3"))), held(story.told(rules("orders", "3")), "ada")) == ([], 0)


@pytest.mark.parametrize(("comparison", "amount", "stands"), [("gte", "500", 1), ("gt", "500", 0), ("gt", "500.01", 1)])
def test_money_spent_is_net_and_over_may_be_meant_literally(comparison: str, amount: str, stands: int) -> None:
    story = Story().buys("ada", amount, 1).buys("ada", "70", 2, "o2").returns("ada", "o2", "70", 3)

    assert len(reached(story.told(rules("amount_spent", {"USD": "500"}, comparison=comparison)))) == stands


def test_money_is_counted_by_currency_and_the_reward_is_in_the_one_that_reached_it() -> None:
    credit = {"kind": "store_credit", "amount": {"USD": "10", "EUR": "9"}}
    both = rules("amount_spent", {"USD": "100", "EUR": "90"})
    either = program(milestones=[{**goal("amount_spent", {"USD": "100", "EUR": "90"}), "rewards": [credit]}])
    story = Story().buys("ada", "99", 1).buys("ada", "89", 2, currency="EUR")
    assert reached(story.told(both)) == []

    story.buys("ada", "1", 3, currency="EUR")
    assert pots(story.told(either), "ada", "EUR") == {"available": 900}


def test_each_multiple_of_a_sum_is_an_occurrence() -> None:
    story = Story().buys("ada", "350", 1, "o1")
    many = rules("amount_spent", {"USD": "100"}, repeat={})
    assert reached(story.told(many)) == [("goal", 1), ("goal", 2), ("goal", 3)]

    assert reached(story.returns("ada", "o1", "150.01", 2).told(many)) == [("goal", 1)]


def test_a_review_counts_once() -> None:
    story = Story().reviews("ada", 1, "v1").reviews("ada", 2, "v1").reviews("ada", 3, "v2")
    assert reached(story.told(rules("reviews", "3"))) == []

    assert reached(story.reviews("ada", 4, "v3").told(rules("reviews", "3"))) == [("goal", 1)]


def test_points_earned_elsewhere_count_and_the_programs_own_do_not() -> None:
    story = Story().gathers("ada", 900, 1).wins("bob")
    alone = rules("points_earned", "1000", rewards=[POINTS_FOR_A_FRIEND])
    assert reached(story.told(alone)) == []

    assert reached(story.gathers("ada", 100, 3).told(alone)) == [("goal", 1)]


def test_the_programs_own_points_count_from_their_release_until_they_are_taken_back() -> None:
    gift = [{"kind": "free_shipping"}]
    own = program(
        milestones=[{**goal("points_earned", "1000", count_program_points="true"), "rewards": gift}],
        rewards=[{**POINTS_FOR_A_FRIEND, "hold": "P5D"}],
    )
    story = Story().gathers("ada", 900, 1).wins("bob", on=2)

    assert reached(story.told(own, on=6.99)) == []
    assert [m.reached_at for m in story.told(own, on=7).milestones] == [day(7)]
    assert reached(story.deal("bob", "lost", 9).told(own)) == []


def test_what_happens_outside_of_a_milestones_duration_does_not_count() -> None:
    spring = rules("orders", "2", duration={"from": "2026-03-04", "until": "2026-03-06"}, timezone="Asia/Tokyo")
    # Noon UTC of 2 March is 21:00 in Tokyo; the 4th begins there on day 1.125, and the 6th ends on day 4.125.
    early = Story().buys("ada", "5", 1.12).buys("ada", "5", 2)
    late = Story().buys("ada", "5", 1.13).buys("ada", "5", 4.13)
    within = Story().buys("ada", "5", 1.13).buys("ada", "5", 4.12)

    assert [reached(story.told(spring)) for story in (early, late, within)] == [[], [], [("goal", 1)]]


def test_what_people_do_while_the_campaign_does_not_run_is_not_its_affair() -> None:
    running = rules("orders", "2", runs={"from": day(1).isoformat(), "until": day(5).isoformat()})
    story = Story().buys("ada", "5", 0.9).buys("ada", "5", 2).buys("ada", "5", 5)
    assert reached(story.told(running)) == []

    assert reached(story.buys("ada", "5", 4.9).told(running)) == [("goal", 1)]


def test_a_friend_has_milestones_too() -> None:
    story = Story().signs_up("bob").buys("bob", "5", 2)

    assert reached(story.told(rules("orders", "1")), "bob") == [("goal", 1)]


# --- cycles -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contracts", "total", "streak"),
    [
        ("aa", 0, 0),
        ("aab", 1, 1),  # across contracts
        ("aa!b", 1, 0),
        ("aaxa", 1, 0),
        ("a!aab", 1, 1),
        ("aaaaaa", 2, 2),
        ("aaa!aaa", 2, 2),
        ("aaaa!aa", 2, 1),
    ],
)
def test_cycles_count_in_all_or_without_a_failure_between_them(contracts: str, total: int, streak: int) -> None:
    story = cycles(*contracts)

    assert len(reached(story.told(rules("subscription_cycles", "3", repeat={})))) == total
    assert len(reached(story.told(rules("subscription_cycles", "3", repeat={}, mode="consecutive")))) == streak


def test_a_streak_that_was_reached_stays_reached() -> None:
    assert reached(cycles(*"aaa!").told(rules("subscription_cycles", "3", mode="consecutive"))) == [("goal", 1)]


def test_a_cycle_counts_once() -> None:
    story = Story()
    for on in (1, 2, 3):
        story.happened(on, "subscription.cycle_paid", participant="ada", contract="k", cycle=7)

    assert reached(story.told(rules("subscription_cycles", "2"))) == []


# --- silence ----------------------------------------------------------------------------------------------------------


def test_a_silence_is_rewarded_by_the_clock_alone_and_at_most_so_often() -> None:
    quiet = rules("inactivity", after="P10D", repeat={"max": "2"})
    story = Story().buys("ada", "5", 1)

    before = story.told(quiet, on=10.99)
    assert (reached(before), before.next_due) == ([], day(11))
    assert [(m.number, m.reached_at) for m in story.told(quiet, on=11).milestones] == [(1, day(11))]
    assert [m.reached_at for m in story.told(quiet, on=90).milestones] == [day(11), day(21)]
    assert story.told(quiet, on=90).next_due is None


def test_activity_ends_a_silence_and_at_the_very_instant_it_is_too_late() -> None:
    quiet = rules("inactivity", after="P10D", activity=["order.paid"])

    assert reached(Story().buys("ada", "5", 1).buys("ada", "5", 10.99).told(quiet, on=20)) == []
    assert reached(Story().buys("ada", "5", 1).reviews("ada", 5).told(quiet, on=20)) == [("goal", 1)]
    assert reached(Story().buys("ada", "5", 1).buys("ada", "5", 11).told(quiet, on=20)) == [("goal", 1)]


def test_a_silence_begins_with_the_first_that_is_known_of_somebody() -> None:
    assert [m.reached_at for m in Story().told(rules("inactivity", after="P10D"), on=20).milestones] == [day(10)]
    joined = Story().happened(3, "participant.joined", participant="eve").told(rules("inactivity", after="P10D"), on=20)
    assert [m.reached_at for m in joined.milestones if m.participant == "eve"] == [day(13)]


def test_months_of_silence_follow_the_calendar() -> None:
    quiet = rules("inactivity", after="P3M", timezone="Europe/Berlin")
    story = Story().buys("ada", "5", 0)  # 2 March, 13:00 in Berlin, before the clocks go forward

    [silence] = story.told(quiet, on=100).milestones
    assert silence.reached_at.isoformat() == "2026-06-02T11:00:00+00:00"


# --- journeys ---------------------------------------------------------------------------------------------------------

STEPS = [
    {"metric": "orders", "target": "2", "rewards": [{"kind": "points", "amount": "1"}]},
    {"metric": "reviews", "target": "1", "rewards": [{"kind": "points", "amount": "10"}]},
    {"metric": "referrals", "target": "1", "rewards": [{"kind": "points", "amount": "100"}]},
]


def journey(progress: str = "from_step_start", steps: list[dict[str, Any]] = STEPS) -> Program:
    return program(milestones=[{"id": "path", "metric": "mixed", "progress": progress, "steps": steps}])


def test_a_journey_goes_step_by_step_and_each_step_has_its_reward() -> None:
    story = Story().buys("ada", "5", 1).buys("ada", "5", 2).reviews("ada", 3).signs_up("bob", 4).deal("bob", "won", 5)
    result = story.told(journey())

    assert [(m.number, m.reached_at) for m in result.milestones] == [(1, day(2)), (2, day(3)), (3, day(5))]
    assert statuses(result) == {("ada", "path", str(n)): "available" for n in (1, 2, 3)}
    assert (held(result, "ada"), effects(result, "email.milestone")) == (111, 3)


def test_what_was_before_a_step_opened_counts_only_where_a_lifetime_does() -> None:
    story = Story().reviews("ada", 1).buys("ada", "5", 2).buys("ada", "5", 3)

    assert reached(story.told(journey())) == [("path", 1)]
    assert reached(story.told(journey("lifetime"))) == [("path", 1), ("path", 2)]


def test_one_activity_feeds_one_step_and_there_is_no_surplus() -> None:
    twice = [{"metric": "amount_spent", "target": {"USD": "100"}}, {"metric": "amount_spent", "target": {"USD": "50"}}]
    story = Story().buys("ada", "500", 1)
    assert reached(story.told(journey(steps=twice))) == [("path", 1)]

    assert reached(story.buys("ada", "50", 2).told(journey(steps=twice))) == [("path", 1), ("path", 2)]


def test_a_finished_step_stays_and_a_refund_of_what_it_took_does_not_touch_the_next() -> None:
    steps = [{"metric": "orders", "target": "1"}, {"metric": "orders", "target": "2"}]
    story = Story().buys("ada", "5", 1, "o1").buys("ada", "5", 2, "o2").returns("ada", "o1", "5", 3)
    assert reached(story.told(journey(steps=steps))) == [("path", 1)]

    assert reached(story.buys("ada", "5", 4).told(journey(steps=steps))) == [("path", 1), ("path", 2)]


def test_a_refund_within_the_open_step_takes_its_progress_back() -> None:
    story = Story().buys("ada", "5", 1, "o1").returns("ada", "o1", "5", 2).buys("ada", "5", 3)

    assert reached(story.told(journey())) == []


def test_a_journey_that_a_new_version_brings_begins_with_it() -> None:
    new = program(
        version="2",
        effective_from=day(5).isoformat(),
        milestones=[{"id": "path", "metric": "mixed", "steps": STEPS}],
    )
    story = Story().buys("ada", "5", 1, "o1").buys("ada", "5", 2).returns("ada", "o1", "5", 6).buys("ada", "5", 7)
    assert reached(story.told(program(), new)) == []

    assert reached(story.buys("ada", "5", 8).told(program(), new)) == [("path", 1)]


def test_a_change_of_the_open_step_begins_it_anew_only_where_it_asks_for_something_else() -> None:
    def version(number: int, metric: str, target: str) -> Program:
        start = {} if number == 1 else {"effective_from": day(5).isoformat()}
        step = {"metric": metric, "target": target}
        return program(version=str(number), **start, milestones=[{"id": "p", "metric": "mixed", "steps": [step]}])

    story = Story().buys("ada", "5", 1).buys("ada", "5", 2)

    assert reached(story.told(version(1, "orders", "3"), version(2, "orders", "2"))) == [("p", 1)]
    assert reached(story.told(version(1, "orders", "3"), version(2, "reviews", "1"))) == []


# --- versions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("activation", "orders"), [("lifetime", 2), ("since_version", 3)])
def test_a_new_version_counts_a_lifetime_or_starts_from_zero(activation: str, orders: int) -> None:
    new = program(
        version="2",
        effective_from=day(5).isoformat(),
        on_activation=activation,
        milestones=[goal("orders", "2")],
    )
    story = Story().buys("ada", "5", 1)
    for number in range(2, orders + 1):
        assert reached(story.told(program(), new)) == []
        story.buys("ada", "5", 4 + number)

    assert reached(story.told(program(), new)) == [("goal", 1)]


def test_a_loss_of_what_was_before_a_version_takes_nothing_from_what_counts_since() -> None:
    new = program(
        version="2",
        effective_from=day(5).isoformat(),
        on_activation="since_version",
        milestones=[goal("orders", "1")],
    )
    story = Story().buys("ada", "5", 1, "old").buys("ada", "5", 6).returns("ada", "old", "5", 7)

    assert reached(story.told(program(), new)) == [("goal", 1)]


def test_a_silence_that_is_long_enough_when_its_version_comes_is_rewarded_then() -> None:
    new = program(version="2", effective_from=day(30).isoformat(), milestones=[goal("inactivity", after="P10D")])
    story = Story().buys("ada", "5", 1)

    assert [m.reached_at for m in story.told(program(), new).milestones] == [day(30)]
    zero = program(
        version="2",
        effective_from=day(30).isoformat(),
        on_activation="since_version",
        milestones=[goal("inactivity", after="P10D")],
    )
    assert [m.reached_at for m in story.told(program(), zero).milestones] == [day(40)]


def test_milestones_of_two_kinds_keep_out_of_each_others_way() -> None:
    both = program(milestones=[goal("orders", "1"), {**goal("reviews", "1"), "id": "other"}])
    result: Result = Story().buys("ada", "5", 1).told(both)

    assert reached(result) == [("goal", 1)]
    assert all(txn.key.startswith(f"{CAMPAIGN}/goal/") for txn in result.ledger)
