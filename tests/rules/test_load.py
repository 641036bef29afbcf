"""Loading: everything that is wrong is said at once, where it stands, and nothing is ignored in silence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncd_rules import InvalidProgram, load
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
        "milestones.0.rewards.0.amount",
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
        ({"runs": {"from": "2026-03-02", "until": "2026-03-01"}}, "runs", "ends before it begins"),
        ({"stages": {"order": ["won"]}}, "stages.order", "two stages or more"),
        ({"stages": {"order": ["a", "b", "a"]}}, "stages", "stands here twice"),
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
        ({"kind": "free_shipping", "amount": "1"}, "unknown key 'amount'"),
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
    assert (path, "give each an `id`" in text) == ("milestones.0.rewards", True)


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
