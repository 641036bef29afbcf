"""The books: balanced, append-only, and brought up to date by difference whatever arrives late."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from syncd_rules import Posting, Program, Txn, balances, reconcile
from syncd_rules.ledger import ISSUED, entitlement_key, net
from tests.rules.story import POINTS_FOR_A_FRIEND, Story, day, program


def txn(
    step: str, amount: int, pot: str = "pending", generation: int = 1, on: float = 1, entitlement: str = "e"
) -> Txn:
    """Move points between the program and ada's pot."""
    return Txn(
        key=f"{entitlement}/{generation}/{step}",
        entitlement=entitlement,
        program_version=1,
        cause_event=f"{step}-{generation}",
        effective_at=day(on),
        postings=(
            Posting(account=f"ada:{pot}", unit="POINTS", amount=amount),
            Posting(account=ISSUED, unit="POINTS", amount=-amount),
        ),
    )


def brought_up_to_date(posted: Sequence[Txn], wanted: Sequence[Txn]) -> list[Txn]:
    """Reconcile, and hold the outcome against what reconcile promises."""
    new = reconcile(posted, wanted)
    books = [*posted, *new]
    assert net(books) == net(wanted)
    assert len({t.key for t in books}) == len(books)
    assert reconcile(books, wanted) == []
    return new


GRANT, VOID, AGAIN = txn("grant", 500), txn("void", -500, on=2), txn("grant", 500, generation=2, on=3)


def test_a_transaction_that_does_not_balance_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="does not balance"):
        Txn(
            key="e/1/grant",
            entitlement="e",
            program_version=1,
            cause_event="x",
            effective_at=day(0),
            postings=(
                Posting(account="ada:pending", unit="POINTS", amount=5),
                Posting(account=ISSUED, unit="EUR", amount=-5),
            ),
        )


def test_what_is_missing_is_appended_as_it_is_and_in_its_order() -> None:
    other = txn("grant", 7, entitlement="a", on=1.5)
    wanted = [GRANT, other, VOID, AGAIN]

    assert brought_up_to_date([], wanted) == wanted
    assert brought_up_to_date([GRANT], wanted) == [other, VOID, AGAIN]
    assert brought_up_to_date(wanted, wanted) == []


def test_the_order_in_which_postings_are_stored_does_not_matter() -> None:
    stored = Txn(**{**{f: getattr(GRANT, f) for f in Txn.__slots__}, "postings": GRANT.postings[::-1]})

    assert brought_up_to_date([stored], [GRANT]) == []


def test_what_never_should_have_been_is_taken_back_where_it_first_went_wrong() -> None:
    [correction] = brought_up_to_date([GRANT, txn("other", 1, entitlement="x")], [txn("other", 1, entitlement="x")])

    assert correction.key == "e/history/1"
    assert (correction.effective_at, correction.cause_event) == (day(1), "grant-1")
    assert net([correction]) == {("ada:pending", "POINTS"): -500, (ISSUED, "POINTS"): 500}


def test_a_correction_of_several_is_dated_from_the_first_of_them() -> None:
    wrong = [GRANT, VOID, AGAIN]
    for posted in (wrong, wrong[::-1]):
        [correction] = brought_up_to_date(posted, [])
        assert (correction.effective_at, correction.cause_event) == (day(1), "grant-1")


def test_different_parts_never_share_a_key() -> None:
    assert len({entitlement_key(*parts) for parts in [("a/b",), ("a", "b"), ("a%2Fb",), ("a%252Fb",)]}) == 4


def test_a_changed_amount_is_corrected_by_the_difference() -> None:
    [correction] = brought_up_to_date([GRANT], [txn("grant", 400)])

    assert net([correction]) == {("ada:pending", "POINTS"): -100, (ISSUED, "POINTS"): 100}


def test_a_history_that_changes_its_mind_keeps_finding_a_fresh_key() -> None:
    posted = [GRANT]
    for wanted in ([], [GRANT], [GRANT, VOID], [GRANT], [], [GRANT, VOID, AGAIN]):
        posted += brought_up_to_date(posted, wanted)

    assert [t.key for t in posted] == [
        "e/1/grant",
        "e/history/1",
        "e/history/2",
        "e/1/void",
        "e/history/3",
        "e/history/4",
        "e/2/grant",
    ]


def test_no_correction_shows_two_rewards_at_once() -> None:
    """From any subset of a history to any other, ada never holds more than one reward on the way."""
    release, reverse = txn("release", 0), txn("reverse", -500, on=2.5)
    histories = [[], [GRANT], [GRANT, VOID], [GRANT, VOID, AGAIN], [GRANT, reverse, AGAIN], [GRANT, release, reverse]]
    for path in itertools.product(histories, repeat=3):
        posted: list[Txn] = []
        for wanted in path:
            for new in brought_up_to_date(posted, wanted):
                posted.append(new)
                assert 0 <= net(posted).get(("ada:pending", "POINTS"), 0) <= 500


def test_a_gap_in_the_middle_is_one_difference() -> None:
    assert brought_up_to_date([GRANT, txn("reverse", -500), AGAIN], [GRANT, VOID, AGAIN]) == []
    [correction] = brought_up_to_date([AGAIN, VOID], [GRANT, VOID, AGAIN])
    assert correction.key == "e/history/1"


def test_a_late_loss_takes_back_what_was_released_meanwhile() -> None:
    """The CRM tells on day 50 that a deal, won on day 2, was lost on day 10 and won again on day 40."""
    rules: Program = program(rewards=[{**POINTS_FOR_A_FRIEND, "hold": "P30D"}])
    story = Story().wins("bob", on=2)
    posted = list(story.told(rules, on=45).ledger)
    assert balances(posted)["ada"]["POINTS"]["available"] == 100

    story.deal("bob", "lost", 10).deal("bob", "won", 40)
    posted += brought_up_to_date(posted, story.told(rules, on=50).ledger)
    assert balances(posted)["ada"]["POINTS"] == {"pending": 100, "available": 0, "fulfilled": 0}

    posted += brought_up_to_date(posted, story.told(rules, on=80).ledger)
    assert balances(posted)["ada"]["POINTS"] == {"pending": 0, "available": 100, "fulfilled": 0}


def test_balances_are_by_participant_unit_and_pot() -> None:
    assert balances([GRANT, txn("release", 20, "available")]) == {
        "ada": {"POINTS": {"pending": 500, "available": 20, "fulfilled": 0}}
    }
    assert balances([GRANT, VOID]) == {}
