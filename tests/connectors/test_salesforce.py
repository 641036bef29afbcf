"""The Salesforce connector, against the sandbox over real sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from syncd.conformance.probe import Clock
from syncd.contract import (
    ConnectorError,
    Gone,
    Lead,
    Misconfigured,
    Parked,
    Pushed,
    Rejected,
    RemoteId,
    RemoteRef,
    StageFact,
    Throttled,
    Transient,
    Unauthorized,
)
from syncd.http import Session
from syncd.sandbox.crm import Fault, Org, SalesforceSetup, Sandbox, lag_between
from syncd.sandbox.crm.salesforce import ClientApp, DuplicateRule, OrgLimits, ReferralField
from syncd_connectors.salesforce import Salesforce
from tests.connectors.salesforce_leads import CLIENT, lead, settings

DEALS = {"as": "contact_opportunity"}


class World:
    """A simulated org and connectors that are open on it: one that makes Leads, one that makes Opportunities."""

    def __init__(self, crm: Sandbox, clock: Clock, http: Session) -> None:
        self.crm, self.clock, self.http = crm, clock, http
        self.org = crm.model("salesforce", Org)
        self.leads = self.opened()
        self.deals = self.opened(**DEALS)

    def opened(self, **given: Any) -> Salesforce:
        return Salesforce.open(settings(base_url=self.crm.url("salesforce"), **given), self.http)

    def record(self, kind: str, id_: RemoteId | str | None) -> dict[str, Any]:
        row = self.org.find(kind, id_.id if isinstance(id_, RemoteId) else str(id_))
        assert row
        return dict(row.values)

    def count(self, kind: str) -> int:
        return len(self.org.rows[kind])

    def poll(self, connector: Salesforce, since: str) -> tuple[list[StageFact | Gone], str]:
        facts: list[StageFact | Gone] = []
        for page in connector.changes(since, self.clock()):
            facts += page.facts
            since = page.cursor
        return facts, since

    def calls(self) -> int:
        return self.http.calls["total"]


def sandbox(clock: Clock, **setup: Any) -> Sandbox:
    return Sandbox(now=clock, accounts=[SalesforceSetup(**setup)])


@pytest.fixture
def world(clock: Clock, http: Session) -> Iterator[World]:
    with sandbox(clock) as crm:
        yield World(crm, clock, http)


def pushed(connector: Salesforce, *leads: Lead) -> list[Pushed]:
    verdicts = connector.push(leads)
    assert all(isinstance(verdict, Pushed) for verdict in verdicts), verdicts
    return [verdict for verdict in verdicts if isinstance(verdict, Pushed)]


def facts_of(told: Sequence[StageFact | Gone]) -> list[StageFact]:
    return [it for it in told if isinstance(it, StageFact)]


def gone_of(told: Sequence[StageFact | Gone]) -> list[Gone]:
    return [it for it in told if isinstance(it, Gone)]


def as_lead(id_: str) -> RemoteRef:
    return RemoteRef(person=RemoteId(type="Lead", id=id_), deal=RemoteId(type="Lead", id=id_))


def as_deal(id_: str, contact: str | None = None) -> RemoteRef:
    person = RemoteId(type="Contact", id=contact) if contact else None
    return RemoteRef(person=person, deal=RemoteId(type="Opportunity", id=id_))


# --- leads go out ----------------------------------------------------------------------------------------------------


def test_a_friend_becomes_a_lead(world: World) -> None:
    [it] = pushed(world.leads, lead(first_name="Ann", phone="1", fields={"LeadSource": "Referral"}))

    stored = world.record("Lead", it.ref.person)
    expected = {"Email": "friend1@example.com", "FirstName": "Ann", "LastName": "Archer", "LeadSource": "Referral"}
    assert stored | expected | {"Company": "Acme", "Phone": "1", "Referral_Id__c": "ref_1"} == stored
    assert (it.created, it.ref.deal) == (True, it.ref.person)
    assert it.ref.url == f"https://acme.my.salesforce.com/{stored['Id']}"


def test_a_friend_becomes_a_contact_with_an_opportunity_in_which_it_has_a_role(world: World) -> None:
    [it] = pushed(world.deals, lead(fields={"Opportunity.Description": "From a friend"}))

    assert it.ref.person
    assert it.ref.deal
    deal = world.record("Opportunity", it.ref.deal)
    assert (deal["StageName"], str(deal["CloseDate"]), deal["Description"]) == (
        "Prospecting",
        "2026-12-24",
        "From a friend",
    )
    [role] = world.org.under("OpportunityContactRole", "OpportunityId", it.ref.deal.id)
    assert role.get("ContactId") == it.ref.person.id


@pytest.mark.parametrize("kind", ["leads", "deals"])
def test_an_advocate_becomes_a_contact_only(world: World, kind: str) -> None:
    [it] = pushed(getattr(world, kind), lead(role="advocate"))

    assert it.ref.person
    assert (it.ref.person.type, it.ref.deal) == ("Contact", None)
    assert (world.count("Lead"), world.count("Opportunity")) == (0, 0)


def test_a_thousand_leads_cost_five_writing_calls(world: World) -> None:
    for batch in range(5):
        pushed(world.leads, *[lead(number) for number in range(batch * 200, batch * 200 + 200)])

    assert world.http.calls["writes"] == 6  # one of them is the sign-in
    assert world.http.calls["reads"] == 5
    assert world.count("Lead") == 1000


@pytest.mark.parametrize("kind", ["leads", "deals"])
def test_a_push_is_safe_to_repeat(world: World, kind: str) -> None:
    first = pushed(getattr(world, kind), lead(1), lead(2))
    again = pushed(getattr(world, kind), lead(1), lead(2))

    assert [it.ref for it in again] == [it.ref for it in first]
    assert [it.created for it in again] == [False, False]
    assert world.count("Lead") + world.count("Opportunity") == 2
    assert world.count("OpportunityContactRole") == (2 if kind == "deals" else 0)


def test_a_repeated_push_leaves_what_sales_has_made_of_a_record(world: World) -> None:
    [as_lead_] = pushed(world.leads, lead(1, last_name=None))
    [as_deal_] = pushed(world.deals, lead(2))
    assert as_lead_.ref.deal
    assert as_deal_.ref.deal
    world.org.edit(as_lead_.ref.deal.id, Status="Working - Contacted", LastName="Archer")
    world.org.edit(as_deal_.ref.deal.id, StageName="Closed Won", CloseDate="2026-11-30")

    pushed(world.leads, lead(1, last_name=None))
    pushed(world.deals, lead(2))

    stored, deal = world.record("Lead", as_lead_.ref.deal), world.record("Opportunity", as_deal_.ref.deal)
    assert (stored["Status"], stored["LastName"]) == ("Working - Contacted", "Archer")
    assert (deal["StageName"], str(deal["CloseDate"])) == ("Closed Won", "2026-11-30")


@pytest.mark.parametrize(
    "call", ["composite/sobjects/Contact/", "composite/sobjects/Opportunity/", "composite/sobjects$"]
)
@pytest.mark.parametrize("action", ["drop_before", "drop_after", "truncate", "html_200", "garbage", "empty"])
def test_after_any_lost_answer_there_is_one_of_each_where_sales_left_it(world: World, call: str, action: Any) -> None:
    world.crm.faults.add(Fault(action=action, path=call, nth=1))
    with pytest.raises(Transient):
        world.deals.push([lead()])
    for deal in list(world.org.rows["Opportunity"]):
        world.org.move(deal, "Closed Won")  # sales is quicker than our repetition
    moved = [row.get("StageName") for row in world.org.rows["Opportunity"].values()]

    [it] = pushed(world.deals, lead())

    kinds = ("Contact", "Opportunity", "OpportunityContactRole")
    assert [world.count(kind) for kind in kinds] == [1, 1, 1]
    assert world.record("Opportunity", it.ref.deal)["StageName"] == (moved[0] if moved else "Prospecting")


@pytest.mark.parametrize("applied", [True, False])
def test_an_outage_in_the_middle_of_a_write_costs_no_second_lead(world: World, applied: bool) -> None:
    world.crm.faults.add(Fault(action="status", code=503, path="sobjects/Lead/", nth=1, applied=applied))
    with pytest.raises(Transient):
        world.leads.push([lead()])

    [it] = pushed(world.leads, lead())

    assert (world.count("Lead"), it.created) == (1, not applied)


def test_a_bad_row_has_its_own_verdict_and_its_neighbours_arrive(world: World) -> None:
    verdicts = world.leads.push([lead(1), lead(2, email="nobody at example.com"), lead(3)])

    assert [type(it) for it in verdicts] == [Pushed, Rejected, Pushed]
    assert "INVALID_EMAIL_ADDRESS (Email)" in str(verdicts[1])
    assert "nobody" not in str(verdicts[1])
    assert world.count("Lead") == 2


def test_a_locked_row_alone_is_to_be_tried_again(world: World) -> None:
    world.crm.faults.add(Fault(action="row_locked", path="sobjects/Lead/", row=2, nth=1))

    verdicts = world.leads.push([lead(1), lead(2), lead(3)])

    assert [type(it) for it in verdicts] == [Pushed, Transient, Pushed]
    assert [it.created for it in pushed(world.leads, lead(1), lead(2), lead(3))] == [False, True, False]


@pytest.mark.parametrize(
    ("action", "duplicates", "kind"),
    [("alert", "report", Rejected), ("alert", "allow", Pushed), ("block", "allow", Rejected)],
)
def test_a_duplicate_rule_is_passed_over_where_it_lets_us_and_the_admin_wants_it(
    clock: Clock, http: Session, action: Any, duplicates: str, kind: type
) -> None:
    with sandbox(clock, rule=DuplicateRule(action=action)) as crm:
        world = World(crm, clock, http)
        connector = world.opened(duplicates=duplicates)
        pushed(connector, lead(1, email="ann@example.com"))

        [verdict] = connector.push([lead(2, email="ann@example.com")])

        assert type(verdict) is kind


def test_a_lead_that_sales_has_converted_is_found_where_it_went(world: World) -> None:
    [first] = pushed(world.leads, lead())
    assert first.ref.deal
    converted = world.org.convert_lead(first.ref.deal.id)

    [again] = pushed(world.leads, lead())

    assert again.ref.person == RemoteId(type="Contact", id=converted.contact)
    assert again.ref.deal == RemoteId(type="Opportunity", id=str(converted.opportunity))
    assert world.count("Lead") == 1


def test_a_lead_whose_record_was_merged_away_is_not_made_again(world: World) -> None:
    one, two = pushed(world.leads, lead(1), lead(2))
    assert one.ref.deal
    assert two.ref.deal
    world.org.merge("Lead", two.ref.deal.id, one.ref.deal.id)

    [again] = pushed(world.leads, lead(1, known=one.ref))

    assert again.ref.deal == two.ref.deal
    assert world.count("Lead") == 2


def test_two_pushes_of_the_same_leads_at_once_make_each_once(world: World) -> None:
    verdicts: list[Any] = []
    leads = [lead(number) for number in range(20)]
    threads = [threading.Thread(target=lambda: verdicts.append(world.leads.push(leads))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert world.count("Lead") == 20
    assert {type(it) for some in verdicts for it in some} == {Pushed}


# --- signing in ------------------------------------------------------------------------------------------------------


def test_a_session_that_ends_in_the_middle_is_renewed_and_nothing_is_lost(world: World) -> None:
    pushed(world.deals, lead(1))
    for number, call in enumerate(
        ("query", "composite/.*/Contact/", "composite/.*/Opportunity/", "composite/sobjects$"), 2
    ):
        world.crm.faults.add(Fault(action="token_expire", path=call, times=1))
        pushed(world.deals, lead(number))

    assert [world.count(kind) for kind in ("Contact", "Opportunity", "OpportunityContactRole")] == [5, 5, 5]


def test_an_app_that_was_removed_stops_the_connector_and_names_its_credential(world: World) -> None:
    pushed(world.leads, lead(1))
    world.crm.faults.add(Fault(action="token_revoke", path="query", times=1))

    with pytest.raises(Unauthorized) as caught:
        world.leads.push([lead(2)])

    assert caught.value.yaml_path in {"client_id", "client_secret"}


@pytest.mark.parametrize(
    ("given", "path"), [({"client_secret": "wrong"}, "client_secret"), ({"client_id": "wrong"}, "client_id")]
)
def test_a_wrong_credential_is_named(world: World, given: dict[str, str], path: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        world.opened(**given).check()

    assert caught.value.yaml_path == path
    assert "wrong" not in f"{caught.value} {caught.value.hint}"


def test_a_maintenance_page_in_place_of_a_session_is_an_outage(world: World) -> None:
    world.crm.faults.add(Fault(action="html", code=503, path="oauth2/token"))

    with pytest.raises(Transient):
        world.leads.push([lead()])


def test_a_certificate_signs_in(http: Session) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, spki = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    key = private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    app = ClientApp(username="robot@example.com", public_key=private.public_key().public_bytes(pem, spki).decode())
    setup = SalesforceSetup(app=app)
    with Sandbox(now=lambda: datetime.now(UTC), accounts=[setup]) as crm:  # the SDK asks the machine's clock
        jwt = {"username": "robot@example.com", "client_id": CLIENT, "key": key}
        connector = Salesforce.open(settings(base_url=crm.url("salesforce"), jwt=jwt), http)

        assert pushed(connector, lead())


# --- stages come back ------------------------------------------------------------------------------------------------


def test_a_poll_tells_where_leads_and_deals_stand_and_nothing_older(world: World) -> None:
    pushed(world.leads, lead(1))
    world.clock.forward(hours=1)
    start = world.leads.start(world.clock())
    [second] = pushed(world.leads, lead(2))
    assert second.ref.deal
    world.clock.forward(minutes=1)
    world.org.move(second.ref.deal.id, "Working - Contacted")
    world.clock.forward(minutes=1)

    told, cursor = world.poll(world.leads, start)

    [fact] = facts_of(told)
    assert (fact.lead, fact.pipeline, fact.stage, fact.outcome) == ("ref_2", "Lead", "Working - Contacted", "open")
    assert fact.at == datetime(2026, 11, 24, 11, 1, tzinfo=UTC)
    assert cursor == world.leads.start(world.clock())


def test_a_won_deal_is_told_with_its_amount(clock: Clock, http: Session) -> None:
    with sandbox(clock, currencies=True) as crm:
        world = World(crm, clock, http)
        start = world.deals.start(clock())
        [it] = pushed(world.deals, lead())
        assert it.ref.deal
        world.org.set_amount(it.ref.deal.id, "1200.50")
        world.org.move(it.ref.deal.id, "Closed Won")

        [fact] = facts_of(world.poll(world.deals, start)[0])

        assert (fact.stage, fact.outcome, fact.lead) == ("Closed Won", "won", "ref_1")
        assert (fact.amount, fact.currency) == (120_050, "EUR")


def test_an_idle_poll_is_two_calls(world: World) -> None:
    world.poll(world.leads, world.leads.start(world.clock()))
    before = world.calls()
    world.clock.forward(minutes=2)
    world.poll(world.leads, world.leads.start(world.clock()))

    assert world.calls() - before == 2


def test_pages_follow_each_other_over_equal_times(clock: Clock, http: Session) -> None:
    with sandbox(clock, page=200) as crm:
        world = World(crm, clock, http)
        start = world.leads.start(clock())
        for batch in range(3):
            pushed(world.leads, *[lead(number) for number in range(batch * 200, batch * 200 + 200)])

        told, _ = world.poll(world.leads, start)

        assert {fact.lead for fact in facts_of(told)} == {f"ref_{number}" for number in range(600)}


def test_what_is_committed_late_is_found_by_the_overlap(clock: Clock, http: Session) -> None:
    with sandbox(clock, lag=lag_between(300, 600)) as crm:
        world = World(crm, clock, http)
        [it] = pushed(world.deals, lead())
        assert it.ref.deal
        clock.forward(minutes=30)
        start = world.deals.start(clock())
        world.org.move(it.ref.deal.id, "Closed Won")
        clock.forward(minutes=2)
        _, cursor = world.poll(world.deals, start)
        clock.forward(minutes=10)

        told, _ = world.poll(world.deals, cursor)

        assert [fact.stage for fact in facts_of(told)] == ["Closed Won"]


def test_a_poll_that_breaks_off_starts_anew(clock: Clock, http: Session) -> None:
    with sandbox(clock, page=200) as crm:
        world = World(crm, clock, http)
        start = world.leads.start(clock())
        for batch in range(3):
            pushed(world.leads, *[lead(number) for number in range(batch * 200, batch * 200 + 200)])
        fault = crm.faults.add(Fault(action="html_200", path="query(All)?/.", times=1))
        seen = start
        with suppress(Transient):
            for page in world.leads.changes(start, clock()):
                seen = page.cursor
            pytest.fail("the web page was taken for a page of the query")
        crm.faults.clear(fault)

        assert seen == start
        assert len(facts_of(world.poll(world.leads, seen)[0])) == 600


def test_a_converted_lead_is_followed_to_its_contact_and_its_deal(world: World) -> None:
    start = world.leads.start(world.clock())
    [it] = pushed(world.leads, lead())
    assert it.ref.deal
    converted = world.org.convert_lead(it.ref.deal.id, stage="Qualification")

    for told in (world.poll(world.leads, start)[0], world.leads.look_up([it.ref])):
        [gone] = gone_of(told)
        assert gone == Gone(
            ref=as_lead(it.ref.deal.id), why="merged", into=as_deal(str(converted.opportunity), converted.contact)
        )
        facts = {(fact.ref, fact.lead, fact.pipeline, fact.stage, fact.outcome) for fact in facts_of(told)}
        assert facts == {(gone.into, "ref_1", "Opportunity", "Qualification", "open")}


def test_a_lead_that_was_converted_without_a_deal_is_open_under_its_contact(world: World) -> None:
    start = world.leads.start(world.clock())
    [it] = pushed(world.leads, lead())
    assert it.ref.deal
    converted = world.org.convert_lead(it.ref.deal.id, opportunity=False)

    for told in (world.poll(world.leads, start)[0], world.leads.look_up([it.ref])):
        contact = RemoteId(type="Contact", id=converted.contact)
        assert gone_of(told) == [
            Gone(ref=RemoteRef(person=it.ref.person), why="merged", into=RemoteRef(person=contact))
        ]
        [fact] = facts_of(told)
        assert fact.ref == RemoteRef(person=contact, deal=it.ref.deal)
        assert (fact.lead, fact.stage, fact.outcome) == ("ref_1", "Closed - Converted", "open")


def test_a_deal_that_sales_opens_for_a_converted_leads_contact_is_the_leads(world: World) -> None:
    [it] = pushed(world.leads, lead())
    assert it.ref.deal
    converted = world.org.convert_lead(it.ref.deal.id, opportunity=False)
    world.clock.forward(hours=1)
    start = world.leads.start(world.clock())
    deal = world.org.open_deal(converted.contact, stage="Closed Won")

    refs = [it.ref, RemoteRef(person=RemoteId(type="Contact", id=converted.contact))]
    for told in (world.poll(world.leads, start)[0], world.leads.look_up(refs[:1]), world.leads.look_up(refs[1:])):
        [fact] = [fact for fact in facts_of(told) if fact.pipeline == "Opportunity"]
        assert (fact.ref, fact.lead, fact.outcome) == (as_deal(deal, converted.contact), "ref_1", "won")


def test_a_converted_deal_is_the_leads_even_when_nobody_has_a_role_in_it(world: World) -> None:
    [it] = pushed(world.leads, lead())
    assert it.ref.deal
    converted = world.org.convert_lead(it.ref.deal.id)
    [role] = world.org.under("OpportunityContactRole", "OpportunityId", str(converted.opportunity))
    world.org.archive("OpportunityContactRole", role.id)
    world.clock.forward(hours=1)
    start = world.leads.start(world.clock())
    world.org.move(str(converted.opportunity), "Closed Won")

    [fact] = facts_of(world.poll(world.leads, start)[0])

    assert (fact.ref, fact.lead) == (as_deal(str(converted.opportunity), converted.contact), "ref_1")


def test_a_deal_that_sales_opens_for_a_pushed_contact_names_the_contact(world: World) -> None:
    start = world.deals.start(world.clock())
    [it] = pushed(world.deals, lead())
    assert it.ref.person
    deal = world.org.open_deal(it.ref.person.id, stage="Closed Won")

    for told in (world.poll(world.deals, start)[0], world.deals.look_up([RemoteRef(person=it.ref.person)])):
        [fact] = [fact for fact in facts_of(told) if fact.ref.deal == RemoteId(type="Opportunity", id=deal)]
        assert (fact.ref, fact.lead, fact.outcome) == (as_deal(deal, it.ref.person.id), None, "won")


def test_a_strangers_deal_is_told_as_nobodys(world: World) -> None:
    start = world.deals.start(world.clock())
    [it] = pushed(world.deals, lead())
    assert it.ref.person
    deal = world.org.open_deal(it.ref.person.id)
    [role] = world.org.under("OpportunityContactRole", "OpportunityId", deal)
    world.org.archive("OpportunityContactRole", role.id)

    told, _ = world.poll(world.deals, start)

    assert [(fact.ref, fact.lead) for fact in facts_of(told) if not fact.lead] == [(as_deal(deal), None)]


def test_what_is_deleted_is_told_and_what_is_restored_stands_again(world: World) -> None:
    start = world.leads.start(world.clock())
    [one] = pushed(world.leads, lead(1))
    [two] = pushed(world.deals, lead(2))
    assert one.ref.deal
    assert two.ref.deal
    assert two.ref.person
    world.org.archive("Lead", one.ref.deal.id)
    world.org.archive("Opportunity", two.ref.deal.id)
    world.org.archive("Contact", two.ref.person.id)

    by_poll = [*world.poll(world.leads, start)[0], *world.poll(world.deals, start)[0]]
    by_id = [*world.leads.look_up([one.ref]), *world.deals.look_up([two.ref])]
    for told in (by_poll, by_id):
        deleted = {it.ref for it in gone_of(told) if it.why == "deleted"}
        assert deleted == {as_lead(one.ref.deal.id), as_deal(two.ref.deal.id), RemoteRef(person=two.ref.person)}
        assert facts_of(told) == []

    world.org.restore("Lead", one.ref.deal.id)
    assert [fact.lead for fact in facts_of(world.leads.look_up([one.ref]))] == ["ref_1"]


def test_what_is_no_longer_in_the_bin_cannot_be_seen(world: World) -> None:
    [it] = pushed(world.leads, lead())
    assert it.ref.deal
    world.org.archive("Lead", it.ref.deal.id)
    world.org.empty_bin()

    assert world.leads.look_up([it.ref]) == [Gone(ref=as_lead(it.ref.deal.id), why="invisible")]


@pytest.mark.parametrize("kind", ["Lead", "Contact"])
def test_a_merge_of_a_merge_leads_to_the_last_survivor(world: World, kind: str) -> None:
    connector = world.leads if kind == "Lead" else world.deals
    start = connector.start(world.clock())
    one, two, three = [it.ref.person for it in pushed(connector, lead(1), lead(2), lead(3))]
    assert one
    assert two
    assert three
    world.org.merge(kind, two.id, one.id)
    world.org.merge(kind, three.id, two.id)

    told = connector.look_up([RemoteRef(person=one)])
    polled, _ = world.poll(connector, start)

    into = {it.ref.person: it.into.person for it in gone_of(told) if it.into}
    assert into == {one: three, two: three}
    assert {it.ref.person for it in gone_of(polled) if it.why == "merged"} == {one, two}
    if kind == "Lead":
        assert [fact.ref for fact in facts_of(told)] == [as_lead(three.id)]
    else:
        assert {fact.ref.person for fact in facts_of(told)} <= {three, None}


def test_every_stage_that_a_deal_went_through_is_told_with_its_time(world: World) -> None:
    [it] = pushed(world.deals, lead())
    assert it.ref.deal
    for stage in ("Qualification", "Closed Lost", "Closed Won"):
        world.clock.forward(minutes=1)
        world.org.move(it.ref.deal.id, stage)
        world.org.set_amount(it.ref.deal.id, str(world.clock().minute))  # a row of the history that is no stage

    steps = world.deals.history([it.ref.deal, RemoteId(type="Lead", id="00Q000000000001AAA")])

    first = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    assert [(step.stage, step.outcome, step.at) for step in steps] == [
        ("Prospecting", "open", first),
        ("Qualification", "open", first + timedelta(minutes=1)),
        ("Closed Lost", "lost", first + timedelta(minutes=2)),
        ("Closed Won", "won", first + timedelta(minutes=3)),
    ]
    assert [step.version for step in steps] == sorted({step.version for step in steps})
    assert {(step.ref, step.lead) for step in steps} == {(as_deal(it.ref.deal.id), "ref_1")}


def test_two_stages_of_the_same_second_keep_their_order(world: World) -> None:
    [it] = pushed(world.deals, lead())
    assert it.ref.deal
    world.org.move(it.ref.deal.id, "Qualification")
    world.org.move(it.ref.deal.id, "Closed Won")

    steps = world.deals.history([it.ref.deal])

    assert [it.stage for it in sorted(steps, key=lambda step: step.version)] == [
        "Prospecting",
        "Qualification",
        "Closed Won",
    ]
    assert len({step.version for step in steps}) == 3


def test_a_history_that_is_kept_from_us_still_tells_the_present_stage(world: World) -> None:
    [it] = pushed(world.deals, lead())
    assert it.ref.deal
    world.clock.forward(minutes=1)
    world.org.move(it.ref.deal.id, "Closed Won")
    world.org.rows["OpportunityHistory"].clear()

    [step] = world.deals.history([it.ref.deal])

    assert (step.stage, step.outcome, step.at) == ("Closed Won", "won", world.clock())


def test_a_stage_keeps_its_name_when_people_rename_its_label(world: World) -> None:
    world.org.rename_stage("Closed Won", "Signed")

    assert ("Closed Won", "Signed", "won") in {(it.id, it.label, it.outcome) for it in world.deals.stages()}


def test_a_sweep_of_a_thousand_leads_is_two_calls(world: World) -> None:
    refs = [it.ref for batch in range(5) for it in pushed(world.leads, *[lead(batch * 200 + n) for n in range(200)])]
    before = world.calls()

    told = world.leads.look_up(refs)

    assert len(facts_of(told)) == 1000
    assert world.calls() - before == 2


# --- the start and the limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["leads", "deals"])
def test_a_whole_org_passes_and_a_check_writes_nothing(world: World, kind: str) -> None:
    account = getattr(world, kind).check()

    assert account.id == world.org.id
    assert account.warnings == ()
    assert world.http.calls["writes"] == 1  # the sign-in
    assert world.count("Lead") + world.count("Contact") == 0


@pytest.mark.parametrize(
    "referral",
    [None, ReferralField(unique=False), ReferralField(external_id=False), ReferralField(on=("Opportunity",))],
)
def test_an_org_without_the_unique_field_is_refused_at_the_start(clock: Clock, http: Session, referral: Any) -> None:
    with sandbox(clock, referral=referral) as crm, pytest.raises(Misconfigured) as caught:
        World(crm, clock, http).leads.check()

    assert caught.value.yaml_path == "push.referral_id"


@pytest.mark.parametrize("kind", ["leads", "deals"])
def test_a_unique_field_that_vanishes_later_stops_the_connector(clock: Clock, http: Session, kind: str) -> None:
    with sandbox(clock, referral=None) as crm, pytest.raises(Misconfigured) as caught:
        getattr(World(crm, clock, http), kind).push([lead()])

    assert caught.value.yaml_path == "push.referral_id"


def test_a_retired_version_is_named(world: World) -> None:
    with pytest.raises(Misconfigured) as caught:
        world.opened(api_version="150.0").check()

    assert caught.value.yaml_path == "api_version"


def test_a_spent_day_parks_and_a_crowded_moment_does_not(clock: Clock, http: Session) -> None:
    with sandbox(clock, limits=OrgLimits(daily=20, others=19)) as crm:
        world = World(crm, clock, http)
        with pytest.raises(Parked) as caught:
            world.leads.push([lead(1)])
        assert caught.value.until == clock() + timedelta(minutes=15)

        crm.faults.add(Fault(action="status", code=403, policy="ConcurrentRequests", path="query"))
        with pytest.raises(Throttled) as again:
            world.leads.push([lead(2)])
        assert again.value.retry_after


@pytest.mark.parametrize("action", ["hang", "drip", "slow_headers"])
def test_a_silent_org_costs_no_more_than_the_deadline(clock: Clock, world: World, action: Any) -> None:
    world.crm.faults.add(Fault(action=action, path="query", seconds=60, rate=1))
    with Session(deadline=0.3, now=clock, sleep=lambda _: None) as hasty:
        connector = Salesforce.open(settings(base_url=world.crm.url("salesforce")), hasty)

        with pytest.raises(Transient):
            connector.push([lead()])


def test_no_verdict_is_anything_but_one_of_ours(world: World) -> None:
    for code in (400, 404, 405, 409, 415, 420, 500, 502):
        fault = world.crm.faults.add(Fault(action="status", code=code, path="sobjects/Lead/"))
        try:
            verdicts = world.leads.push([lead(code)])
        except ConnectorError as error:
            verdicts = [error]
        assert all(isinstance(it, ConnectorError) for it in verdicts)
        world.crm.faults.clear(fault)
