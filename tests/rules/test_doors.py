"""The public forms: events that come in, results that go out, programs written back, and sentences."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from syncd_rules import (
    InvalidData,
    InvalidProgram,
    dump,
    evaluate,
    events_from_json,
    explain,
    load,
    normalise_email,
    result_json,
    schemas,
)
from syncd_rules.events import TYPES
from tests.rules.journeys import PROGRAMS
from tests.rules.journeys import RULES as DRAWN
from tests.rules.schema import mistakes
from tests.rules.story import POINTS_FOR_A_FRIEND, Story, day, program

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "config" / "campaigns").glob("*.yaml"))


def tree_of(path: Path) -> dict[str, Any]:
    tree: dict[str, Any] = yaml.load(path.read_text(), Loader=yaml.BaseLoader)  # noqa: S506 - texts only
    return tree


RULES = program(
    base_currency="EUR",
    rewards=[
        {**POINTS_FOR_A_FRIEND, "hold": "P30D"},
        {"id": "cash", "trigger": "stage.reached", "stage": "meeting", "to": "advocate", "kind": "cash"}
        | {"amount": {"EUR": "10"}},
        {"id": "card", "trigger": "referral.qualified", "to": "friend", "kind": "free_gift", "product": "mug"},
        {"id": "share", "trigger": "order.paid", "to": "advocate", "kind": "revenue_share", "rate": "0.1"},
    ],
    milestones=[{"id": "one", "target": "1", "messages": ["hooray"], "rewards": [{"kind": "points", "amount": "5"}]}],
    limits={"per_advocate": {"max_referrals": "1"}},
    settlement={"approval": {"required_above": {"EUR": "5"}}},
)


def spring() -> Story:
    story = Story().signs_up("bob", 1, channel="mail").signs_up("cem", 2).signs_up("ada", 2)
    story.deal("bob", "won", 3).deal("cem", "won", 4).buys("bob", "19.99", 5, "o1", "EUR").signs_up("dan", 40)
    return story


# --- the result -------------------------------------------------------------------------------------------------------


def test_a_result_is_json_of_the_form_that_others_rely_on() -> None:
    told = result_json(spring().told(RULES, on=20))

    assert json.loads(json.dumps(told)) == told
    assert told["referrals"]["bob"] == {
        "status": "qualified",
        "referred_by": "ada",
        "counted": True,
        "qualified_at": "2026-03-05T12:00:00Z",
        "via": "crm",
    }
    assert told["milestones"] == [["ada", "one", 1, "2026-03-05T12:00:00Z"]]
    cash = {"to": "ada", "rule": "cash", "reward": "cash", "subject": "bob", "kind": "cash", "amount": "10.00"}
    assert cash | {"currency": "EUR", "status": "pending", "approval": "awaiting"} in told["rewards"]
    gift = {"to": "cem", "rule": "card", "reward": "card", "subject": "cem", "kind": "free_gift", "amount": 1}
    assert gift | {"product": "mug", "status": "available"} in told["rewards"]
    assert [r["amount"] for r in told["rewards"] if r["rule"] == "thanks"] == [100]
    assert told["balances"]["ada"] == {
        "EUR": {"pending": "10.00", "available": "2.00", "fulfilled": "0.00"},
        "POINTS": {"pending": 100, "available": 5, "fulfilled": 0},
    }
    assert told["balances"]["cem"] == {"COUNT:free_gift": {"pending": 0, "available": 1, "fulfilled": 0}}
    assert told["rejected"] == [["ada", "self_referral"]]
    assert {"to": "ada", "rule": "thanks", "subject": "cem", "reason": "max_referrals"} in told["suppressed"]
    assert told["effects"]["trigger.new_referral_count"] == told["effects"]["email.referral_success"] == 2
    assert told["effects"]["email.hooray"] == told["effects"]["email.milestone"] == 1
    assert told["next_due"] == "2026-04-04T12:00:00Z"
    assert told["ledger"][0]["postings"][0].keys() == {"account", "unit", "amount"}


def test_the_dashboard_counts_all_and_those_of_the_local_month() -> None:
    board = result_json(spring().told(RULES, on=41))["dashboard"]

    assert board == {
        "total_referrals": 3,
        "this_month": 1,
        "conversion_rate_percent": 66.7,
        "revenue_attributed": "19.99",
        "top_referrers": [["ada", 1]],
        "source_breakdown": {"link": 2, "mail": 1},
    }
    empty = result_json(Story().told(RULES))["dashboard"]
    assert (empty["conversion_rate_percent"], empty["revenue_attributed"], empty["top_referrers"]) == (0.0, "0.00", [])


def test_a_draft_amounts_to_nothing_in_the_same_form() -> None:
    told = result_json(spring().told(program(state="draft")))

    assert (told["referrals"], told["ledger"], told["next_due"]) == ({}, [], None)
    assert mistakes(told, schemas()["result"]) == []


# --- events -----------------------------------------------------------------------------------------------------------


def test_events_come_as_json_and_addresses_stay_at_the_door() -> None:
    items = [
        {"id": "1", "type": "code.created", "at": "2026-03-02T12:00:00Z", "code": "A", "advocate": "ada"}
        | {"email": "Ada+x@example.com"},
        {"id": "2", "type": "friend.signed_up", "at": "2026-03-02T14:00:00+01:00", "code": "A", "friend": "bob"}
        | {"email": "ada@example.com"},
    ]
    events = events_from_json(items, RULES)

    assert "example" not in repr(events)
    assert events[0].data["identity"] == events[1].data["identity"]
    assert [(r.friend, r.reason) for r in evaluate([RULES], events, day(1)).rejected] == [("bob", "self_referral")]
    strict = program(eligibility={"identity": {"strip_plus_tag": "false"}})
    assert len({event.data["identity"] for event in events_from_json(items, strict)}) == 2


def test_everything_that_is_wrong_with_events_is_told_at_once() -> None:
    items = [
        7,
        {"type": "link.shared", "at": "2026-03-02T12:00:00Z", "advocate": "a"},
        {"id": "x", "type": "link.shared", "at": "yesterday", "advocate": "a"},
        {"id": "y", "type": "link.shared", "at": "2026-03-02T12:00:00", "advocate": "a"},
        {
            "id": "z",
            "type": "friend.signed_up",
            "at": "2026-03-02T12:00:00Z",
            "friend": "b",
            "code": "A",
            "email": "no",
        },
        {"id": "w", "type": "order.paid", "at": "2026-03-02T12:00:00Z", "participant": "b", "order": "o"}
        | {"amount": "1.001", "currency": "EUR"},
    ]
    assert [pointer for pointer, _ in faults(*items)] == ["/0", "/1", "/2/at", "/3/at", "/4/email", "/5/amount"]
    with pytest.raises(InvalidData, match="JSON array"):
        events_from_json({}, RULES)


def faults(*items: Any) -> list[tuple[str, str]]:
    """Read events that cannot be used; give the pointer and the text of each problem."""
    with pytest.raises(InvalidData) as caught:
        events_from_json(list(items), RULES)
    return [(problem.pointer, problem.told) for problem in caught.value.problems]


def paid(**fields: Any) -> dict[str, Any]:
    event = {"id": "w", "type": "order.paid", "at": "2026-03-02T12:00:00Z", "participant": "b", "order": "o"}
    return {**event, "amount": "1.00", "currency": "EUR", **fields}


def test_one_fault_of_an_event_hides_no_other() -> None:
    found = faults(paid(at="yesterday", order=7, amount="1.001", product=None, chanel="x", participant=""))

    assert [pointer for pointer, _ in found] == [
        f"/0/{name}" for name in ("at", "amount", "order", "participant", "product", "chanel")
    ]
    assert found[1][1] == "event 'w': 1.001 has more decimals than EUR has (2)"
    assert [pointer for pointer, _ in faults(paid(type="order.payed", amount="x", cycle=[], zzz=1))] == [
        f"/0/{name}" for name in ("type", "amount", "cycle", "zzz")
    ]


@pytest.mark.parametrize(
    ("fields", "pointer", "why"),
    [
        ({"amount": "1.001"}, "/0/amount", "more decimals than EUR"),
        ({"amount": 1.5}, "/0/amount", "expected a text"),
        ({"amount": "9" * 5000}, "/0/amount", "(5000 characters)"),
        ({"currency": "eur"}, "/0/currency", "did you mean EUR?"),
        ({"currency": "EURO", "amount": "5.005"}, "/0/currency", "no currency 'EURO'"),
        ({"campaign": "a b"}, "/0/campaign", "not an id"),
        ({"email": "ada@example.com"}, "/0/email", "unknown key"),
        ({"a/b~c": 1}, "/0/a~1b~0c", "unknown key"),
    ],
)
def test_what_is_wrong_with_an_order_is_said(fields: dict[str, Any], pointer: str, why: str) -> None:
    [(where, told)] = faults(paid(**fields))

    assert where == pointer
    assert why in told
    assert len(told) < 250


@pytest.mark.parametrize(
    "at",
    [
        *("2026-W18-5T00:00:00Z", "20260501T000000Z", "2026-05-01 00:00:00Z", "2026-05-01T00:00Z", "2026-05-01"),
        *("2026-05-01T00:00:00", "2026-05-01T24:00:00Z", "2026-02-30T00:00:00Z"),
        *("0001-01-01T00:00:00Z", "8999-12-31T23:00:00-05:00"),
    ],
)
def test_a_time_is_one_of_rfc_3339(at: str) -> None:
    assert [pointer for pointer, _ in faults(paid(at=at))] == ["/0/at"]
    code = {"id": "c", "type": "code.created", "at": "2026-05-01T00:00:00Z", "code": "A", "advocate": "a"}
    assert [pointer for pointer, _ in faults({**code, "valid_until": at})] == ["/0/valid_until"]


def test_a_number_of_an_event_is_a_billion_at_the_most() -> None:
    event = {"id": "p", "type": "points.earned", "at": "2026-05-01T00:00:00Z", "participant": "a"}

    assert len(events_from_json([{**event, "points": 10**9}], RULES)) == 1
    assert [pointer for pointer, _ in faults({**event, "points": 10**9 + 1})] == ["/0/points"]


def test_what_may_be_null_is_as_if_it_were_not_there() -> None:
    code = {"id": "c", "type": "code.created", "at": "2026-05-01T00:00:00Z", "code": "A", "advocate": "a"}
    [bare, nulls] = events_from_json([code, {**code, "valid_until": None, "redemption_limit": None}], RULES)

    assert bare == nulls


def test_two_contents_of_one_id_are_told_in_the_result() -> None:
    told = spring().told(RULES)

    assert result_json(told)["conflicts"] == []
    assert result_json(replace(told, conflicts=("a", "b")))["conflicts"] == ["a", "b"]


# --- programs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_a_program_written_back_is_the_same_program(name: str) -> None:
    assert load(dump(PROGRAMS[name])) == PROGRAMS[name]


_LENGTH = st.sampled_from(["P30D", "P3M", "PT12H", "P1Y2M3DT4H5M6S", "PT0S"])
_LASTING = st.sampled_from(["P30D", "P3M", "PT12H", "P2W"])
_AMOUNT = st.fixed_dictionaries({"EUR": st.sampled_from(["10", "9.99", "0.01"])}, optional={"JPY": st.just("5")})
_FLAG = st.sampled_from(["true", "false"])
_NUMBER = st.integers(1, 10**9).map(str)
_VERDICT = st.sampled_from(["reject", "review", "allow"])
_ANY_PROGRAM = st.fixed_dictionaries(
    {"campaign": st.just("any"), "base_currency": st.just("EUR")},
    optional={
        "name": st.text("Aäß ", min_size=1).filter(str.strip),
        "version": _NUMBER,
        "effective_from": st.sampled_from(["2026-03-01", "2026-03-01T00:00:00+05:30"]),
        "state": st.sampled_from(["draft", "active"]),
        "timezone": st.sampled_from(["Asia/Kolkata", "America/St_Johns"]),
        "counting": st.sampled_from(["referrals", "conversions"]),
        "runs": st.fixed_dictionaries({}, optional={"from": st.just("2026-01-01"), "until": st.just("2026-12-31")}),
        "attribution": st.fixed_dictionaries(
            {}, optional={"click_window": _LASTING, "terms_at": st.sampled_from(["capture", "qualification"])}
        ),
        "eligibility": st.fixed_dictionaries({}, optional={"self_referral": _VERDICT, "disposable_email": _VERDICT}),
        "limits": st.fixed_dictionaries(
            {},
            optional={
                "per_advocate": st.fixed_dictionaries({}, optional={"max_referrals": _NUMBER, "cooldown": _LENGTH}),
                "campaign": st.fixed_dictionaries({"budget": _AMOUNT}, optional={"when_exhausted": st.just("queue")}),
            },
        ),
        "settlement": st.fixed_dictionaries(
            {},
            optional={
                "hold": _LENGTH,
                "expiry": st.fixed_dictionaries({"points": _LASTING}),
                "approval": st.fixed_dictionaries(
                    {"required_above": _AMOUNT}, optional={"persons": st.sampled_from(["1", "2"])}
                ),
            },
        ),
        "rewards": st.lists(
            st.fixed_dictionaries(
                {"trigger": st.just("order.paid"), "to": st.sampled_from(["advocate", "friend"])}
                | {"kind": st.just("revenue_share"), "rate": st.sampled_from(["0.1", "1", "0.000000001"])},
                optional={
                    "hold": _LENGTH,
                    "duration": _LASTING,
                    "cap_per_referral": _AMOUNT,
                    "where": st.lists(
                        st.sampled_from(
                            [{"field": "order.amount", "gte": "10.50"}, {"field": "friend.country", "not_in": ["NO"]}]
                        )
                    ),
                },
            ),
            max_size=2,
        ).map(lambda rewards: [{"id": f"r{n}", **reward} for n, reward in enumerate(rewards)]),
        "milestones": st.lists(
            st.fixed_dictionaries(
                {"target": _NUMBER, "metric": st.sampled_from(["referrals", "orders", "reviews"])},
                optional={
                    "repeat": st.sampled_from([{}, {"max": "3"}]),
                    "reversible": _FLAG,
                    "comparison": st.sampled_from(["gt", "gte"]),
                    "rewards": st.just([{"kind": "cash", "amount": {"EUR": "5.00"}}]),
                },
            ),
            max_size=2,
        ).map(lambda milestones: [{"id": f"m{n}", **milestone} for n, milestone in enumerate(milestones)]),
    },
)


@DRAWN
@given(_ANY_PROGRAM)
def test_any_program_written_back_is_the_same_program_and_of_the_form_that_is_shipped(tree: dict[str, Any]) -> None:
    loaded = load(tree)

    assert load(dump(loaded)) == loaded
    assert mistakes(tree, schemas()["program"]) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_written_back_is_the_same_program(path: Path) -> None:
    loaded = load(tree_of(path))

    assert load(dump(loaded)) == loaded
    assert mistakes(tree_of(path), schemas()["program"]) == []


def every_mapping(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Give the path of each mapping in a tree whose keys are fixed."""
    if isinstance(tree, dict):
        fixed = [] if set(tree) & {"EUR", "USD"} else [path]
        return fixed + [found for key, value in tree.items() for found in every_mapping(value, (*path, key))]
    if isinstance(tree, list):
        return [found for key, value in enumerate(tree) for found in every_mapping(value, (*path, key))]
    return []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_unknown_key_is_refused_at_any_depth(path: Path) -> None:
    places = every_mapping(tree_of(path))

    assert len(places) > 15
    for place in places:
        tree = tree_of(path)
        inner: Any = tree
        for key in place:
            inner = inner[key]
        inner["unheard_of"] = "1"
        with pytest.raises(InvalidProgram) as caught:
            load(tree)
        assert (*place, "unheard_of") in [problem.path for problem in caught.value.problems]
        assert mistakes(tree, schemas()["program"]) != []


# --- schemas ----------------------------------------------------------------------------------------------------------


def test_the_schemas_know_every_event_and_the_result_of_a_story() -> None:
    known = schemas()

    assert {item["properties"]["type"]["const"] for item in known["events"]["items"]["oneOf"]} == set(TYPES)
    told = spring().deal("bob", "lost", 50).told(RULES)
    assert mistakes(result_json(told), known["result"]) == []
    items = [{"id": e.id, "type": e.type, "at": e.at.isoformat(), **e.data} for e in spring().events]
    assert mistakes(items, known["events"]) == []
    assert mistakes([{**items[0], "advocate": 7}], known["events"]) != []


def test_the_normal_spelling_is_the_one_that_the_rules_are_told() -> None:
    assert normalise_email("A.D.A+x@googlemail.com") == "ada@gmail.com"


# --- sentences --------------------------------------------------------------------------------------------------------


def sentences(story: Story, friend: str, on: float = 100, **keys: Any) -> str:
    rules = program(**keys) if keys else RULES
    return "\n".join(explain([rules], story.events, day(on), friend))


def test_a_referral_is_explained_from_its_sign_up_to_its_rewards() -> None:
    told = sentences(spring(), "bob", 20)

    for part in (
        "by the code ADA, and is a friend of ada",
        "qualified since 2026-03-05T12:00:00Z, through crm",
        "counts for ada",
        "Reward thanks: 100 points to ada, pending.",
        "Reward cash: 10.00 EUR cash to ada, pending, awaiting approval.",
        "Reward share for o1: 2.00 EUR revenue_share to ada, available.",
        "Milestone one: ada has 1 counted referrals, and needs 1.",
    ):
        assert part in told


def test_what_keeps_a_referral_back_is_named() -> None:
    capped = sentences(spring(), "cem")
    assert "does not count for ada: the advocate has as many referrals as may count (max_referrals)" in capped
    assert "Reward thanks: the advocate has as many referrals as may count (max_referrals)." in capped
    assert "Reward share is not given: there is no order." in capped

    assert sentences(spring(), "ada").startswith(
        "A sign-up of ada was refused: friend and advocate are the same person"
    )
    assert sentences(spring(), "nobody").startswith("No sign-up of nobody is known")


def test_what_is_missing_is_named() -> None:
    ways = {"any_of": [{"type": "stage", "stage": "won"}, {"type": "explicit", "via": ["api"]},
                       {"type": "purchase", "basis": "cumulative", "min": {"USD": "100"}}]}  # fmt: skip
    keys = {"qualification": ways, "rewards": [POINTS_FOR_A_FRIEND], "attribution": {"conversion_window": "P30D"}}
    story = Story().signs_up("bob", 1).deal("bob", "meeting", 2).buys("bob", "40", 3)

    open_ = sentences(story, "bob", 10, **keys)
    assert "A deal has to reach won, and the furthest is in meeting" in open_
    assert "all orders together must come to 100.00 USD, and so far 40.00 USD was bought, net of refunds" in open_
    assert "an event through api may say so; a person may say so at any time." in open_
    assert "Its time runs out at 2026-04-02T12:00:00Z." in open_
    assert "does not count for ada until it is qualified" in open_
    assert "Reward thanks is not given: the referral is not qualified." in open_
    assert "its time ran out" in sentences(story, "bob", 50, **keys)

    gone = Story().signs_up("bob", 1).happened(2, "participant.erased", participant="bob")
    assert "It is not qualified, and cannot be any more: the friend was erased." in sentences(gone, "bob", 10, **keys)

    out = sentences(story.disqualified("bob", "manual", 5), "bob", 10, **keys)
    assert "a person disqualified it" in out
    assert "Reward thanks is not given: the referral is disqualified." in out
