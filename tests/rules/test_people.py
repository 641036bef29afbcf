"""People who are erased, and people who turn out to be one."""

from __future__ import annotations

from syncd_rules import Program, Txn, reconcile
from syncd_rules.ledger import net
from tests.rules.story import (
    POINTS_FOR_A_FRIEND,
    WON,
    Story,
    day,
    effects,
    held,
    pots,
    program,
    reached,
    reasons,
    rejections,
    statuses,
)

WELCOME = {**POINTS_FOR_A_FRIEND, "id": "welcome", "to": "friend", "hold": "P30D"}
RULES = program(
    rewards=[{**POINTS_FOR_A_FRIEND, "hold": "P5D"}, WELCOME],
    milestones=[
        {"id": "two", "target": "2", "rewards": [{"kind": "points", "amount": "500"}]},
        {"id": "shop", "metric": "orders", "target": "2", "rewards": [{"kind": "points", "amount": "7"}]},
        {"id": "quiet", "metric": "inactivity", "after": "P60D", "rewards": [{"kind": "points", "amount": "1"}]},
    ],
)


def erased(story: Story, who: str, on: float) -> Story:
    return story.happened(on, "participant.erased", participant=who)


def test_erasing_an_advocate_voids_what_is_pending_keeps_what_is_issued_and_stops_the_rest() -> None:
    story = Story().buys("ada", "5", 1).wins("bob", on=2).wins("cem", on=9)
    erased(story, "ada", 10).wins("dan", on=11).buys("ada", "5", 12)

    result = story.told(RULES)

    assert statuses(result) == {
        ("ada", "thanks", "bob"): "available",
        ("ada", "thanks", "cem"): "void",
        ("bob", "welcome", "bob"): "available",
        ("cem", "welcome", "cem"): "available",
        ("dan", "welcome", "dan"): "available",
        ("ada", "two", "1"): "available",
    }
    assert reasons(result) == [("thanks", "dan", "erased")]
    assert not result.referrals["dan"].counted
    assert ("ada", "quiet", "1") not in statuses(result)


def test_an_erased_advocates_code_is_gone() -> None:
    assert rejections(erased(Story(), "ada", 1).signs_up("bob", 2).told(RULES)) == [("bob", "code_not_found")]


def test_a_loss_after_the_erasure_is_still_booked() -> None:
    story = erased(Story().wins("bob", on=2), "ada", 10).deal("bob", "lost", 11)

    assert held(story.told(RULES), "ada") == 0


def test_erasing_a_friend_voids_what_is_pending_for_them_and_keeps_what_is_the_advocates() -> None:
    result = erased(Story().wins("bob", on=2), "bob", 10).told(RULES, on=50)

    assert statuses(result) == {("ada", "thanks", "bob"): "available", ("bob", "welcome", "bob"): "void"}
    assert result.referrals["bob"].status == "qualified"


EVERYTHING = program(
    qualification={"any_of": [*WON["any_of"], {"type": "explicit", "via": ["api"]}]},
    rewards=[
        POINTS_FOR_A_FRIEND,
        {**POINTS_FOR_A_FRIEND, "id": "hello", "to": "friend"},
        {**POINTS_FOR_A_FRIEND, "id": "meeting", "trigger": "stage.reached", "stage": "meeting"},
        {"id": "share", "trigger": "order.paid", "to": "advocate", "kind": "revenue_share", "rate": "0.1"},
    ],
)


def shopper() -> Story:
    return Story().wins("bob", on=2).buys("bob", "100", 3, "o1")


def test_what_takes_back_counts_after_the_friend_was_erased() -> None:
    reversed_all = {
        ("ada", "thanks", "bob"): "reversed",
        ("bob", "hello", "bob"): "reversed",
        ("ada", "meeting", "bob"): "available",
        ("ada", "share", "o1"): "reversed",
    }
    lost = erased(shopper(), "bob", 10).deal("bob", "lost", 11).told(EVERYTHING)
    assert (statuses(lost), lost.referrals["bob"].counted) == (reversed_all, False)

    for via in ("manual", "api"):
        out = erased(shopper(), "bob", 10).disqualified("bob", via, 11).told(EVERYTHING)
        assert statuses(out) == reversed_all | {("ada", "meeting", "bob"): "reversed"}

    part = erased(shopper(), "bob", 10).returns("bob", "o1", "30", 11)
    assert pots(part.told(EVERYTHING), "ada", "USD") == {"available": 700}
    whole = part.returns("bob", "o1", "70", 12).told(EVERYTHING)
    assert statuses(whole)["ada", "share", "o1"] == "reversed"
    assert whole.referrals["bob"].revenue == {}


def test_nothing_is_earned_after_the_friend_was_erased() -> None:
    story = erased(shopper(), "bob", 10).buys("bob", "50", 11, "o2")
    assert pots(story.told(EVERYTHING), "ada", "USD") == {"available": 1000}

    for back in ("won", "manual", "api"):
        story = erased(shopper(), "bob", 10).deal("bob", "lost", 11).disqualified("bob", "api", 11.5)
        story.deal("bob", "won", 12) if back == "won" else story.qualified("bob", back, 12)
        result = story.told(EVERYTHING)
        assert (held(result, "ada"), held(result, "bob"), held(result, "ada", "USD")) == (0, 0, 0)
        assert (result.referrals["bob"].status, result.referrals["bob"].counted) == ("disqualified", False)

    late = erased(Story().signs_up("bob"), "bob", 10).deal("bob", "won", 11).told(EVERYTHING)
    assert (late.rewards, late.referrals["bob"].status, late.referrals["bob"].counted) == ((), "signed_up", False)


def test_a_disqualification_taken_back_counts_no_erased_friend_anew() -> None:
    story = erased(Story().signs_up("bob"), "bob", 10).disqualified("bob", "manual", 11).qualified("bob", "manual", 12)

    assert not story.told(program(counting="referrals")).referrals["bob"].counted


def test_a_limit_that_a_new_version_lifts_gives_an_erased_friend_nothing() -> None:
    gift = {"id": "gift", "trigger": "order.paid", "to": "friend", "kind": "points", "amount": "5"}

    def version(number: int, lifted: bool, **start: str) -> Program:
        limits = {"max_referrals": "0", "friend_reward_when_capped": str(lifted).lower()}
        return program(version=str(number), limits={"per_advocate": limits}, rewards=[gift], **start)

    versions = version(1, False), version(2, True, effective_from=day(11).isoformat())
    story = shopper().returns("bob", "o1", "1", 12)
    assert held(story.told(*versions), "bob") == 5

    assert held(erased(story, "bob", 10).told(*versions), "bob") == 0


def test_a_refund_of_their_own_order_takes_a_milestone_back_from_whom_was_erased() -> None:
    story = Story().buys("ada", "5", 1, "o1").buys("ada", "5", 2)
    assert reached(erased(story, "ada", 10).told(RULES, on=50)) == [("shop", 1)]

    assert reached(story.returns("ada", "o1", "5", 11).buys("ada", "5", 12).told(RULES, on=50)) == []


def test_an_order_of_erased_advocates_friend_earns_them_nothing_more_and_keeps_what_was() -> None:
    share = {"id": "share", "trigger": "order.paid", "to": "advocate", "kind": "revenue_share", "rate": "0.1"}
    rules = program(counting="referrals", rewards=[share])
    story = erased(Story().signs_up("bob").buys("bob", "10", 2), "ada", 3).buys("bob", "10", 4, "o2")

    assert pots(story.told(rules), "ada", "USD") == {"available": 100}
    assert reasons(story.told(rules)) == [("share", "o2", "erased")]


def merged(story: Story, old: str, new: str, on: float) -> Story:
    return story.happened(on, "identity.merged", **{"from": old, "into": new})


def test_what_an_old_id_did_was_done_by_the_new_one() -> None:
    story = merged(Story().signs_up("bob"), "bob2", "bob", 5).deal("bob2", "won", 6)

    assert story.told(RULES).referrals["bob"].status == "qualified"


def test_two_referrals_of_one_person_are_one() -> None:
    story = merged(Story().wins("bob", on=2).wins("bob2", on=3), "bob2", "bob", 9)

    result = story.told(RULES, on=50)

    assert rejections(result) == [("bob", "already_referred")]
    assert (list(result.referrals), held(result, "ada")) == (["bob"], 100)


def test_whoever_turns_out_to_be_the_advocate_referred_themselves() -> None:
    story = merged(Story().wins("bob", on=2), "bob", "ada", 9)

    assert rejections(story.told(RULES)) == [("ada", "self_referral")]


def test_merging_advocates_adds_up_and_rewards_nothing_twice() -> None:
    story = Story().happened(0, "code.created", code="EVE", advocate="eve").wins("bob", on=2)
    story.signs_up("cem", 1, code="EVE").deal("cem", "won", 3).paid_out("eve", "thanks", "cem", 9)
    posted: list[Txn] = list(story.told(RULES, on=10).ledger)
    assert reached(story.told(RULES, on=10)) == []

    merged(story, "eve", "ada", 11)
    result = story.told(RULES, on=12)
    posted += reconcile(posted, result.ledger)

    assert reached(result) == [("two", 1)]
    assert pots(result, "ada") == {"available": 600, "fulfilled": 100}
    assert net(posted) == net(result.ledger)
    assert not [place for place in net(posted) if place[0].startswith("eve")]


def test_merges_follow_one_another_and_go_in_circles_without_harm() -> None:
    story = Story().signs_up("bob").deal("b3", "won", 2)
    for old, new in (("b3", "b2"), ("b2", "bob"), ("bob", "b3")):
        merged(story, old, new, 3)

    assert [state.status for state in story.told(RULES).referrals.values()] == ["qualified"]


def test_a_merge_that_is_still_to_come_changes_nothing() -> None:
    story = merged(Story().wins("bob", on=2), "bob", "ada", 9)

    assert rejections(story.told(RULES, on=8.99)) == []


def test_a_participant_who_joins_without_a_code_needs_one() -> None:
    story = (
        Story()
        .happened(1, "participant.joined", participant="eve")
        .happened(1, "participant.joined", participant="ada")
    )
    result = story.told(RULES)

    assert [e.data["participant"] for e in result.effects if e.name == "trigger.create_code"] == ["eve"]
    assert effects(result, "trigger.participation") == 2
