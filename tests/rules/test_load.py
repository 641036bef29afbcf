"""Loading: everything that is wrong is said at once, where it stands, and nothing is ignored in silence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncd_rules import InvalidProgram, dump, load
from syncd_rules.time import Duration


def problems(**keys: Any) -> list[tuple[str, str]]:
    """Load a program that cannot be used; give each problem's path and text."""
    with pytest.raises(InvalidProgram) as caught:
        load({"campaign": "spring", **keys})
    return [(".".join(map(str, p.path)), f"{p.message} ({p.hint})") for p in caught.value.problems]


def test_a_program_needs_nothing_but_its_campaign() -> None:
    bare = load({"campaign": "spring"})

    assert (bare.version, bare.draft, bare.counting, bare.base_currency) == (1, False, "referrals", "USD")
    assert bare.stages.order == ("lead", "meeting", "won")
    assert bare.eligibility.self_referral == bare.eligibility.existing_customer == "reject"


def test_every_problem_is_told_at_once_with_its_path() -> None:
    found = problems(
        version="0",
        counting="clicks",
        settlement={"hold": "30 days"},
        rewards=[{"id": "a", "trigger": "referral.qualified", "to": "friend", "kind": "points", "amount": "many"}],
        milestones=[{"id": "b", "target": "3", "rewards": [{"kind": "cash", "amount": {"EUR": "1.005"}}]}],
    )

    assert [path for path, _ in found] == [
        "settlement.hold",
        "version",
        "counting",
        "rewards.0.amount",
        "milestones.0.rewards.0.amount.EUR",
    ]


def test_a_counting_of_a_milestones_own_is_refused_by_name() -> None:
    [(path, text)] = problems(milestones=[{"id": "three", "target": "3", "counting": "referrals"}])

    assert path == "milestones.0.counting"
    assert "three" in text


@pytest.mark.parametrize(
    ("keys", "path", "hint"),
    [
        ({"countng": "referrals"}, "countng", "did you mean counting?"),
        ({"stages": {"ordre": []}}, "stages.ordre", "did you mean order?"),
        ({"counting": "conversion"}, "counting", "did you mean conversions?"),
        ({"limits": {"per_advocate": {"per_period": {"mnth": "3"}}}}, "limits.per_advocate.per_period.mnth", "month?"),
        ({"eligibility": {"self_referral": "NO"}}, "eligibility.self_referral", "reject, review, allow"),
        ({"codes": {"case_sensitive": "yes"}}, "codes.case_sensitive", "neither true nor false"),
        ({"timezone": "Europe/Atlantis"}, "timezone", "no time zone"),
        ({"timezone": "../../etc/passwd"}, "timezone", "no time zone"),
        ({"base_currency": "EURO"}, "base_currency", "ISO 4217"),
        ({"effective_from": "2026-03-01T00:00:00"}, "effective_from", "no offset"),
        ({"effective_from": "soon"}, "effective_from", "not a time"),
        ({"runs": {"from": "2026-03-02", "until": "2026-03-01"}}, "runs.until", "ends before it begins"),
        ({"runs": {"from": "2026-W09-1"}}, "runs.from", "not a time"),
        ({"runs": {"from": "2026-03-01 00:00:00Z"}}, "runs.from", "not a time"),
        ({"runs": {"from": "2026-02-30"}}, "runs.from", "on no calendar"),
        ({"runs": {"until": "8999-12-31"}}, "runs.until", "not between the years 1900 and 8999"),
        ({"stages": {"order": ["won"]}}, "stages.order", "two stages or more"),
        ({"stages": {"order": ["a", "b", "a"]}}, "stages.order.2", "stands here twice"),
        ({"stages": {"order": ["a", "b"], "lost": ["a"]}}, "stages.lost.0", "stands here twice"),
        ({"stages": {"order": ["a", "lost"]}}, "stages.order.1", "stands here twice"),
        ({"qualification": {"any_of": [{"type": "stage", "stage": "wonn"}]}}, "qualification.any_of.0.stage", "won?"),
        ({"qualification": {"any_of": [{"type": "explicit", "via": ["fax"]}]}}, "qualification.any_of.0.via.0", "fax"),
        ({"qualification": {"any_of": [{"stage": "won"}]}}, "qualification.any_of.0", "`type` is missing"),
        ({"milestones": [{"id": "a"}]}, "milestones.0", "`target` is missing"),
        ({"milestones": [{"id": "a", "target": "0"}]}, "milestones.0.target", "from 1"),
        ({"milestones": [{"id": "a b", "target": "1"}]}, "milestones.0.id", "not an id"),
        ({"milestones": "three"}, "milestones", "expected a list"),
        ({"milestones": ["three"]}, "milestones.0", "expected a mapping"),
        ({"codes": ""}, "codes", "expected a mapping"),
        ({"name": " "}, "name", "empty"),
        ({"name": "a\0b"}, "name", "NUL"),
        ({"name": "\ud800x"}, "name", "half of a surrogate pair"),
        (
            {"settlement": {"approval": {"required_above": {"EUR": "5"}, "persons": "3"}}},
            "settlement.approval.persons",
            "2",
        ),
        ({"settlement": {"hold": "P101Y"}}, "settlement.hold", "hundred years"),
    ],
)
def test_a_problem_says_where_it_is_and_what_to_do(keys: dict[str, Any], path: str, hint: str) -> None:
    [(where, text)] = problems(**keys)

    assert where == path
    assert hint in text


@pytest.mark.parametrize(
    ("prize", "hint"),
    [
        ({"kind": "cash", "amount": "10"}, "needs its currency"),
        ({"kind": "cash", "amount": {"GBP": "1", "CHF": "1"}}, "none of these is in USD"),
        ({"kind": "cash", "amount": {"USD": "0.00"}}, "above 0"),
        ({"kind": "cash", "amount": {"USD": "-1"}}, "not an amount"),
        ({"kind": "cash", "amount": {"JPY": "1.5"}}, "more decimals than JPY"),
        ({"kind": "points", "amount": "1.5"}, "not a whole number"),
        ({"kind": "points"}, "`amount` is missing"),
        ({"kind": "discount_percentage", "percent": "101"}, "not a percentage"),
        ({"kind": "discount_percentage", "percent": "NaN"}, "not a decimal number"),
        ({"kind": "free_gift"}, "`product` is missing"),
        ({"kind": "free_gifts", "product": "mug"}, "did you mean free_gift?"),
        ({"kind": "free_shipping", "amount": "1"}, "`amount` does not go with kind free_shipping"),
        ({"kind": "revenue_share", "rate": "0.1"}, "a milestone is none"),
        ({"kind": "points", "amount": "1", "hold": "1 day"}, "not a duration"),
    ],
)
def test_a_reward_that_cannot_be_given_is_refused(prize: dict[str, Any], hint: str) -> None:
    [(_, text)] = problems(milestones=[{"id": "three", "target": "3", "rewards": [prize]}])

    assert hint in text


def test_ids_are_unique_over_rewards_and_milestones() -> None:
    gift = {"kind": "points", "amount": "1"}
    rule = {"id": "same", "trigger": "referral.qualified", "to": "friend", **gift}

    assert [path for path, _ in problems(rewards=[rule, rule], milestones=[{"id": "same", "target": "1"}])] == [
        "rewards.1.id",
        "milestones.0.id",
    ]
    [(path, text)] = problems(milestones=[{"id": "m", "target": "1", "rewards": [gift, gift]}])
    assert (path, "give each an `id`" in text) == ("milestones.0.rewards.1", True)


LISTS: list[Any] = [["three"], {"a": "b"}, [], "", "x" * 5000]


@pytest.mark.parametrize("id", LISTS, ids=["list", "mapping", "nothing", "empty", "long"])
def test_an_id_may_be_anything_and_nothing_but_a_problem_comes_of_it(id: Any) -> None:
    rule = {"id": id, "trigger": "referral.qualified", "to": "friend", "kind": "points", "amount": "1"}

    found = problems(rewards=[rule, rule], milestones=[{"id": id, "target": "3"}])

    assert [path for path, _ in found] == ["rewards.0.id", "rewards.1.id", "milestones.0.id"]
    assert all(len(text) < 200 for _, text in found)


REWARD = {"id": "a", "trigger": "referral.qualified", "to": "friend", "kind": "points", "amount": "1"}
AT_ONCE: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"rewards": [{"id": "a", "to": "nobody", "kind": "cash", "amount": "5", "hold": "x", "valid_for": "y"}]},
        ["rewards.0", "rewards.0.to", "rewards.0.hold", "rewards.0.valid_for", "rewards.0.amount"],
    ),
    (
        {"rewards": [{"id": "a", "trigger": "referral.qualifyed", "to": "friend", "kind": "csh", "amont": "5"}]},
        ["rewards.0.trigger", "rewards.0.kind", "rewards.0.amont"],
    ),
    (
        {"rewards": [{**REWARD, "kind": "pints", "amount": {"EUR": "x"}, "percent": "0", "tiers": []}]},
        ["rewards.0.kind", "rewards.0.amount.EUR", "rewards.0.percent", "rewards.0.tiers"],
    ),
    (
        {"rewards": [{**REWARD, "where": [{"field": "friend.contry", "gt": "x", "in": [""], "exists": "maybe"}]}]},
        [f"rewards.0.where.0.{key}" for key in ("field", "in.0", "gt", "exists", "gt", "exists")],
    ),
    (
        {"rewards": [{**REWARD, "where": [{"field": "order.product"}, {"field": "friend.country", "gt": "1"}]}]},
        ["rewards.0.where.0.field", "rewards.0.where.0", "rewards.0.where.1.gt"],
    ),
    (
        {"qualification": {"any_of": [{"type": "purchas", "min": {"EUR": "x"}, "basis": "y", "via": ["z"]}]}},
        [f"qualification.any_of.0.{key}" for key in ("type", "via.0", "basis", "min.EUR")],
    ),
    (
        {"tax": {"yearly_threshold": {"EUR": "100.001", "XXX": "5", "eur": "-4", "JPY": "1.5"}}},
        [f"tax.yearly_threshold.{key}" for key in ("EUR", "XXX", "eur", "eur", "JPY")],
    ),
    (
        {"settlement": {"approval": {"required_above": {"EUR": "abc", "points": "0"}, "persons": "0"}}},
        [f"settlement.approval.{key}" for key in ("required_above.points", "required_above.EUR", "persons")],
    ),
    (
        {"milestones": [{"id": "m", "metric": "refs", "target": {"EUR": "x"}, "mode": "y", "after": "z", "steps": []}]},
        [f"milestones.0.{key}" for key in ("metric", "target.EUR", "mode", "after", "steps")],
    ),
    (
        {"milestones": [{"id": "m", "metric": "mixed", "steps": [{"metric": "x", "target": "0", "rewards": [{}]}]}]},
        [f"milestones.0.steps.0.{key}" for key in ("metric", "target", "rewards.0")],
    ),
    (
        {"milestones": [{"id": "m", "metric": "orders", "target": "3", "mode": "total", "after": "P1D", "x": "y"}]},
        [f"milestones.0.{key}" for key in ("mode", "after", "x")],
    ),
]


@pytest.mark.parametrize(("keys", "paths"), AT_ONCE)
def test_one_fault_of_an_item_hides_no_other(keys: dict[str, Any], paths: list[str]) -> None:
    assert [path for path, _ in problems(**keys)] == paths


def test_one_fault_is_told_once() -> None:
    """What follows from a fault elsewhere is no fault of its own."""
    stage = {"type": "stage", "stage": "signed"}
    cash = {**REWARD, "kind": "cash", "amount": {"EUR": "5", "GBP": "4"}}

    assert [
        path for path, _ in problems(stages={"order": ["lead", ["signed"]]}, qualification={"any_of": [stage]})
    ] == ["stages.order.1"]
    assert [path for path, _ in problems(base_currency="EURO", rewards=[cash])] == ["base_currency"]


def test_a_milestone_that_counts_what_it_gives_is_told_of_at_its_own_place() -> None:
    """That of m8 stands with m8, also where m7 could not be read."""
    points = {"metric": "points_earned", "count_program_points": "true", "target": "5"}
    prize = [{"kind": "points", "amount": "1"}]
    journey = {"id": "m9", "metric": "mixed", "steps": [{"metric": "orders"}, {**points, "rewards": prize}]}

    found = problems(milestones=[{"id": "m7", "target": "x"}, {"id": "m8", **points, "rewards": prize}, journey])

    assert [path for path, _ in found] == [
        "milestones.0.target",
        "milestones.1.count_program_points",
        "milestones.2.steps.0",
        "milestones.2.steps.1.count_program_points",
    ]


def test_hints_name_each_word_once_and_only_words_that_may_be_there() -> None:
    [(_, stage)] = problems(rewards=[{**REWARD, "trigger": "stage.reached", "stage": "zzz"}])
    [(_, key)] = problems(rewards=[{**REWARD, "where": [{"field": "friend.country", "eq": "DE", "zzz": "1"}]}])
    [(_, share)] = problems(rewards=[{**REWARD, "kind": "revenue_share", "amount": {"EUR": "1"}}])
    [(_, top)] = problems(zzz="1")

    assert "known are lead, meeting, won)" in stage
    assert "known are field, eq, ne, in, not_in, exists)" in key
    assert "revenue_share is a share of orders, and needs the trigger order.paid" in share
    assert "base_currency, stages" in top


def test_what_is_wrong_with_a_key_is_told_of_the_key() -> None:
    with pytest.raises(InvalidProgram) as caught:
        load({"campaign": "c", "nme": "x", "tax": {"yearly_threshold": {"eur": "1", "USD": "x"}}})

    assert [(p.pointer, p.at_key) for p in caught.value.problems] == [
        ("/tax/yearly_threshold/eur", True),
        ("/tax/yearly_threshold/USD", False),
        ("/nme", True),
    ]


def test_an_order_of_one_of_several_amounts_can_be_asked_for() -> None:
    """The amounts of `in` are numbers too: 10 is 10.00."""
    where = [{"field": "order.amount", "in": ["10", "0.5"]}]
    loaded = load({"campaign": "c", "rewards": [{**REWARD, "trigger": "order.paid", "where": where}]})

    assert loaded.rewards[0].where({"order.amount": "10.00"})
    assert not loaded.rewards[0].where({"order.amount": "10.01"})
    assert load(dump(loaded)) == loaded


def test_a_stage_reward_needs_a_stage_that_the_campaign_has() -> None:
    rule = {"id": "a", "trigger": "stage.reached", "to": "friend", "kind": "free_shipping"}

    assert [path for path, _ in problems(rewards=[rule, {**rule, "id": "b", "stage": "lost"}])] == [
        "rewards.0",
        "rewards.1.stage",
    ]


def test_a_tree_that_is_no_mapping_is_a_problem_and_not_a_crash() -> None:
    trees: list[object] = ["", [], None, "campaign"]
    for tree in trees:
        with pytest.raises(InvalidProgram):
            load(tree)


def test_a_date_is_a_local_day_and_until_includes_it() -> None:
    runs = load(
        {"campaign": "c", "timezone": "Europe/Berlin", "runs": {"from": "2026-03-29", "until": "2026-03-29"}}
    ).runs

    assert runs.start == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert runs.end == datetime(2026, 3, 29, 22, tzinfo=UTC)


def test_values_keep_what_the_author_wrote() -> None:
    loaded = load(
        {
            "campaign": "0012",
            "settlement": {"hold": "P30D"},
            "milestones": [
                {
                    "id": "m",
                    "target": "3",
                    "repeat": {},
                    "comparison": "gt",
                    "rewards": [
                        {"kind": "store_credit", "amount": {"USD": "10.10", "EUR": "9"}, "hold": "PT12H"},
                        {"kind": "gift_card", "amount": {"JPY": "500"}},
                    ],
                }
            ],
        }
    )
    [milestone] = loaded.milestones

    assert loaded.campaign == "0012"
    assert (milestone.limit, milestone.goal and milestone.goal.strict) == (None, True)
    assert [p.worth() for p in milestone.prizes] == [(1010, "USD"), (500, "JPY")]
    assert [p.hold for p in milestone.prizes] == [Duration(elapsed=timedelta(hours=12)), Duration(days=30)]
