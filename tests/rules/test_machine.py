"""A campaign that lives: whatever happens next, told late or in time, the books stay sound."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule

from syncd_rules import Event, Program, Result, State, Txn, evaluate, reconcile
from syncd_rules.ledger import CLAWBACK, ISSUED, net
from tests.rules.journeys import ADVOCATES, APPROVED, FRIENDS, LIMITED, UNLIMITED, variant
from tests.rules.story import CAMPAIGN, check, day

SEEN: set[str] = set()  # states that the machine came through, over all its runs

RULES: dict[str, list[Program]] = {
    **{name: [rules] for name, rules in {**UNLIMITED, **APPROVED, **LIMITED}.items()},
    **{
        mode: [
            variant(
                limits={"campaign": {"budget": {"points": "150", "USD": "12"}, "when_exhausted": mode}},
                settlement={"clawback": "within_balance"},
            )
        ]
        for mode in ("suppress", "clamp", "queue")
    },
    "clawback": [variant(settlement={"clawback": "within_balance"})],
    "one": [variant(counting="referrals", limits={"per_advocate": {"max_referrals": "1"}})],
    "two versions": [
        variant(),
        variant(version="2", effective_from=day(6).isoformat(), attribution={"terms_at": "qualification"}),
    ],
}
WAVERING = ["fulfilled", "fulfilled", "failed", "rejected", "approved", "qualified", "disqualified"]
AMOUNTS = st.sampled_from(["10", "19.99", "33.33", "70"])


class Campaign(RuleBasedStateMachine):
    """Time goes on; what happens is heard at once, or later."""

    friends = Bundle("friends")
    orders = Bundle("orders")

    @initialize(
        target=friends,
        name=st.sampled_from([*sorted(RULES), "queue", "queue", "queue", "clawback"]),
        first=st.sampled_from(FRIENDS[:3]),
    )
    def begins(self, name: str, first: str) -> Any:
        self.programs = RULES[name]
        self.state = State(self.programs)
        self.now: datetime = day(0)
        self.events: list[Event] = []  # all that was heard
        self.withheld: list[Event] = []  # all that happened, and is still to be heard of
        self.posted: list[Txn] = []
        self.numbers = 0
        for advocate, code in ADVOCATES.items():
            self._happens("code.created", code=code, advocate=advocate)
        self._happens("friend.signed_up", friend=first, code="ADA")
        return multiple((first, "ada"))

    def _happens(self, sort: str, *, late: bool = False, **data: Any) -> None:
        self.numbers += 1
        event = Event(id=f"e{self.numbers:03}", type=sort, at=self.now, campaign=CAMPAIGN, data=data)
        if late:
            self.withheld.append(event)
        else:
            self.events.append(event)
            self.state.apply(event, self.now)

    # --- what happens -------------------------------------------------------------------------------------------------

    @rule(hours=st.sampled_from([0, 1, 12, 30, 60, 100]))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(target=friends, friend=st.sampled_from(FRIENDS), advocate=st.sampled_from(sorted(ADVOCATES)))
    def signs_up(self, friend: str, advocate: str) -> Any:
        self._happens("friend.signed_up", friend=friend, code=ADVOCATES[advocate])
        return friend, advocate

    @rule(who=friends, stage=st.sampled_from(["meeting", "won", "won", "lost"]), late=st.booleans())
    def deal_moves(self, who: tuple[str, str], stage: str, late: bool) -> None:
        self._happens("deal.stage_changed", late=late, friend=who[0], deal=f"d-{who[0]}", stage=stage)

    @rule(who=friends, via=st.sampled_from(["manual", "api"]), good=st.booleans())
    def somebody_decides(self, who: tuple[str, str], via: str, good: bool) -> None:
        self._happens(f"referral.{'qualified' if good else 'disqualified'}", friend=who[0], via=via)

    @rule(target=orders, who=friends, amount=AMOUNTS, late=st.booleans())
    def buys(self, who: tuple[str, str], amount: str, late: bool) -> Any:
        order = f"o{self.numbers}"
        self._happens("order.paid", late=late, order=order, participant=who[0], amount=amount, currency="USD")
        return order, *who

    @rule(order=orders, amount=AMOUNTS, late=st.booleans())
    def returns(self, order: tuple[str, str, str], amount: str, late: bool) -> None:
        data = {"refund": f"r{self.numbers}", "order": order[0], "participant": order[1], "currency": "USD"}
        self._happens("order.refunded", late=late, amount=amount, **data)

    @rule(
        who=friends,
        what=st.sampled_from(["fulfilled", "fulfilled", "failed", "rejected", "approved"]),
        prize=st.sampled_from(["thanks", "cash", "welcome"]),
        late=st.booleans(),
    )
    def reward_is(self, who: tuple[str, str], what: str, prize: str, late: bool) -> None:
        friend, advocate = who
        to = friend if prize == "welcome" else advocate
        self._happens(f"reward.{what}", late=late, to=to, rule=prize, subject=friend)

    @rule(order=orders, what=st.sampled_from(["fulfilled", "fulfilled", "failed", "rejected", "approved"]))
    def share_is(self, order: tuple[str, str, str], what: str) -> None:
        self._happens(f"reward.{what}", to=order[2], rule="share", subject=order[0])

    @rule(who=friends, words=st.lists(st.sampled_from(WAVERING), min_size=2, max_size=6))
    def payment_wavers(self, who: tuple[str, str], words: list[str]) -> None:
        """What is said of one reward and of its ground, one after the other: what seldom follows by chance."""
        for word in words:
            self.now += timedelta(hours=5)
            if word in {"qualified", "disqualified"}:
                self._happens(f"referral.{word}", friend=who[0], via="manual")
            else:
                self._happens(f"reward.{word}", to=who[1], rule="cash", subject=who[0])

    @rule(amount=AMOUNTS)
    def advocate_lives(self, amount: str) -> None:
        self._happens("review.posted", participant="ada", review=f"v{self.numbers % 5}")
        self._happens("order.paid", participant="ada", order=f"a{self.numbers}", amount=amount, currency="USD")

    @precondition(lambda self: self.numbers > 15)
    @rule(who=st.sampled_from([*FRIENDS, "eve"]))
    def is_erased(self, who: str) -> None:
        self._happens("participant.erased", participant=who)

    @precondition(lambda self: self.numbers > 15)
    @rule(who=st.sampled_from(FRIENDS))
    def turns_out_to_be(self, who: str) -> None:
        self._happens("identity.merged", **{"from": who, "into": "gil"})

    @precondition(lambda self: self.withheld)
    @rule(data=st.data())
    def news_arrives(self, data: st.DataObject) -> None:
        event = self.withheld.pop(data.draw(st.integers(0, len(self.withheld) - 1)))
        self.events.append(event)
        self.state.apply(event, self.now)

    # --- what holds ---------------------------------------------------------------------------------------------------

    @invariant()
    def every_reward_is_in_a_state_that_can_be(self) -> None:
        if hasattr(self, "state"):
            check(self.state)

    @rule()
    def books_are_brought_up_to_date(self) -> None:
        result = self.state.result(self.now)
        self.posted += reconcile(self.posted, result.ledger)

        assert reconcile(self.posted, result.ledger) == []
        assert net(self.posted) == net(result.ledger)
        assert len({txn.key for txn in self.posted}) == len(self.posted)
        note(result)

    @rule()
    def weighed_at_once_it_is_the_same(self) -> None:
        assert self.state.result(self.now) == evaluate(self.programs, reversed(self.events), self.now)

    def teardown(self) -> None:
        if not hasattr(self, "state"):
            return
        for event in self.withheld:
            self.state.apply(event, self.now)
        heard = [*self.events, *self.withheld]
        self.now += timedelta(days=40)
        result = self.state.result(self.now)
        assert result == evaluate(self.programs, heard, self.now)
        sound(result)
        self.posted += reconcile(self.posted, result.ledger)
        assert net(self.posted) == net(result.ledger)
        note(result)


def sound(result: Result) -> None:
    """Check each key of a ledger by itself: it balances, holds one reward at the most, and begins when it has ended."""
    held: dict[str, int] = defaultdict(int)
    most: dict[str, int] = {}
    live: set[str] = set()
    for txn in result.ledger:
        key, step = txn.entitlement, txn.key.rpartition("/")[2].partition(":")[0]
        assert sum(posting.amount for posting in txn.postings) == 0
        if step == "grant":
            assert key not in live
            live.add(key)
            most[key] = max(most.get(key, 0), max(posting.amount for posting in txn.postings))
        elif step in {"void", "reverse", "clawback", "expire"}:
            live.discard(key)
        held[key] += sum(p.amount for p in txn.postings if p.account not in {ISSUED, CLAWBACK})
        assert held[key] <= most[key]
    pots: dict[tuple[str, str], int] = defaultdict(int)
    for reward in result.rewards:
        for pot, amount in reward.pots:
            pots[f"{reward.to}:{pot}", reward.unit] += amount
    assert {place: n for place, n in pots.items() if n} == {
        place: n for place, n in net(result.ledger).items() if place[0] not in {ISSUED, CLAWBACK}
    }


def note(result: Result) -> None:
    for reward in result.rewards:
        SEEN.add(reward.status)
        SEEN.add(reward.approval or "")
        if reward.generation > 1:
            SEEN.add("granted again")
            if any(txn.key.endswith("/clawback") for txn in result.ledger if txn.entitlement == reward.key):
                SEEN.add("granted again after a clawback")
    SEEN.update(suppressed.reason for suppressed in result.suppressed)
    SEEN.update(txn.key.rpartition("/")[2].partition(":")[0] for txn in result.ledger)


Campaign.TestCase.settings = settings(
    max_examples=110,
    stateful_step_count=45,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_the_books_of_a_campaign_that_lives_stay_sound() -> None:
    """The machine runs, and comes through the states in which faults hide."""
    SEEN.clear()
    Campaign.TestCase("runTest").runTest()

    wanted = {"void", "reversed", "clawed_back", "granted again", "granted again after a clawback", "fulfilled"}
    wanted |= {"rejected", "restore"}
    assert wanted <= SEEN, sorted(wanted - SEEN)
