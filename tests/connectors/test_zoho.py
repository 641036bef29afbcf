"""The Zoho connector, against the sandbox over real sockets."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from syncd.conformance.probe import Clock
from syncd.contract import (
    Gone,
    Lead,
    Misconfigured,
    Parked,
    Pushed,
    RemoteId,
    RemoteRef,
    StageFact,
    Transient,
    Unauthorized,
)
from syncd.http import Session
from syncd.oauth import equip
from syncd.sandbox.crm import Fault, Sandbox, ZohoOrg, ZohoSetup, lag_between
from syncd.sandbox.crm.zoho import STANDARD, Pipeline, ReferralField
from syncd_connectors.zoho import Zoho
from tests.connectors.zoho_leads import lead, settings

DEALS = {"as": "deal"}
STANDARD_NAME = "Standard (Standard)"


class World:
    """A simulated account and connectors that are open on it: one that makes Leads, one that makes Deals."""

    def __init__(self, crm: Sandbox, clock: Clock, http: Session) -> None:
        self.crm, self.clock, self.http = crm, clock, http
        self.org = crm.model("zoho", ZohoOrg)
        self.leads = self.opened()
        self.deals = self.opened(**DEALS)

    def opened(self, **given: Any) -> Zoho:
        url = self.crm.url("zoho")
        known = settings(**{"accounts_url": url, "base_url": url} | given)
        equip(self.http, Zoho, known, now=self.clock)
        return Zoho.open(known, self.http)

    def values(self, record: RemoteId | None) -> dict[str, Any]:
        assert record
        found = self.org.find(record.type, record.id)
        assert found
        return found.values

    def count(self, kind: str) -> int:
        return sum(not it.gone for it in self.org.records[kind].values())

    def poll(self, connector: Zoho, since: str) -> tuple[list[StageFact | Gone], str]:
        told: list[StageFact | Gone] = []
        for page in connector.changes(since, self.clock()):
            told += page.facts
            since = page.cursor
        return told, since

    def polls(self, connector: Zoho, since: str, times: int) -> list[StageFact | Gone]:
        """Poll every two minutes."""
        told: list[StageFact | Gone] = []
        for _ in range(times):
            self.clock.forward(minutes=2)
            some, since = self.poll(connector, since)
            told += some
        return told

    def calls(self, path: str = "", kind: str = "") -> int:
        """Count the calls whose path matches and that are of a kind."""
        return sum(kind in it.kind and re.search(path, it.path) is not None for it in self.crm.log.listed())

    def expire_token_at(self, path: str) -> None:
        """Let the access token end with the next call of this path."""
        self.crm.faults.add(Fault(action="token_expire", path=path, nth=1))


def sandbox(clock: Clock, **setup: Any) -> Sandbox:
    return Sandbox(now=clock, clock=lambda: clock().timestamp(), accounts=[ZohoSetup(background=False, **setup)])


@pytest.fixture
def world(clock: Clock, http: Session) -> Iterator[World]:
    with sandbox(clock) as crm:
        yield World(crm, clock, http)


def pushed(connector: Zoho, *leads: Lead) -> list[Pushed]:
    verdicts = connector.push(leads)
    assert all(isinstance(verdict, Pushed) for verdict in verdicts), verdicts
    return [verdict for verdict in verdicts if isinstance(verdict, Pushed)]


def facts_of(told: Sequence[StageFact | Gone]) -> list[StageFact]:
    return [it for it in told if isinstance(it, StageFact)]


def gone_of(told: Sequence[StageFact | Gone]) -> list[Gone]:
    return [it for it in told if isinstance(it, Gone)]


def id_of(record: RemoteId | None) -> str:
    assert record
    return record.id


def make_unique(world: World, kind: str, name: str) -> None:
    module = world.org.schema.modules[kind]
    fields = {**module.fields, name: replace(module.fields[name], unique=True)}
    world.org.schema.modules[kind] = replace(module, fields=fields)


# --- leads go out ----------------------------------------------------------------------------------------------------


def test_a_friend_becomes_a_lead(world: World) -> None:
    [it] = pushed(world.leads, lead(first_name="Ann", phone="1", fields={"Lead_Source": "Employee Referral"}))

    stored = world.values(it.ref.person)
    expected = {"Email": "friend1@example.com", "First_Name": "Ann", "Last_Name": "Archer", "Company": "Acme"}
    assert stored | expected | {"Phone": "1", "Lead_Source": "Employee Referral", "Referral_ID": "ref_1"} == stored
    assert (it.created, it.ref.deal) == (True, it.ref.person)
    assert it.ref.url == f"https://crm.zoho.eu/crm/tab/Leads/{id_of(it.ref.person)}"


def test_a_friend_becomes_a_contact_with_a_deal(world: World) -> None:
    connector = world.opened(**DEALS, stage="Needs Analysis")

    [it] = pushed(connector, lead(fields={"Deals.Description": "From a friend", "Title": "Baker"}))

    deal = world.values(it.ref.deal)
    assert (deal["Stage"], deal["Pipeline"], deal["Deal_Name"]) == ("Needs Analysis", STANDARD_NAME, "Referral CODE1")
    assert (deal["Description"], deal["Contact_Name"]) == ("From a friend", id_of(it.ref.person))
    assert world.values(it.ref.person)["Title"] == "Baker"
    assert it.ref.url == f"https://crm.zoho.eu/crm/tab/Deals/{id_of(it.ref.deal)}"


@pytest.mark.parametrize("kind", ["leads", "deals"])
def test_an_advocate_becomes_a_contact_only(world: World, kind: str) -> None:
    [it] = pushed(getattr(world, kind), lead(role="advocate", fields={"Deals.Description": "x"}))

    assert (it.ref.person and it.ref.person.type, it.ref.deal) == ("Contacts", None)
    assert [world.count(name) for name in ("Leads", "Contacts", "Deals")] == [0, 1, 0]


def test_a_thousand_leads_cost_ten_writing_calls(world: World) -> None:
    for start in range(0, 1_000, 100):
        pushed(world.leads, *(lead(number) for number in range(start, start + 100)))

    assert world.count("Leads") == 1_000
    assert world.calls(kind="write") == 10


def test_someone_without_a_last_name_arrives(world: World) -> None:
    [it] = pushed(world.leads, lead(last_name=None))

    assert world.values(it.ref.person)["Last_Name"] == "Unknown"


def test_a_repeated_push_changes_nothing_of_what_sales_made_of_a_lead(world: World) -> None:
    [it] = pushed(world.leads, lead())
    world.org.edit(id_of(it.ref.person), Lead_Status="Contacted", Phone="2")
    before = dict(world.values(it.ref.person))

    [again] = pushed(world.leads, lead(phone="1"))
    [known] = pushed(world.leads, lead(phone="1", known=it.ref))

    assert world.values(it.ref.person) == before
    assert [(again.ref, again.created), (known.ref, known.created)] == [(it.ref, False)] * 2


@pytest.mark.parametrize("kind", ["leads", "deals"])
def test_a_push_finds_what_queries_do_not_show_yet(world: World, kind: str) -> None:
    """The unique field refuses a second record, and names the first."""
    connector = getattr(world, kind)
    world.org.lag = lag_between(600, 600)
    [it] = pushed(connector, lead())

    [again] = pushed(connector, lead())

    assert (again.ref, again.created) == (it.ref, False)


@pytest.mark.parametrize("deal", [None, {"Deal_Name": "Big", "Stage": "Qualification"}])
@pytest.mark.parametrize("knows", [True, False])
def test_a_lead_that_was_converted_is_not_made_again(world: World, deal: Any, knows: bool) -> None:
    """Whether or not the answer to the first push was lost: the field mapping has copied our id to the contact."""
    [it] = pushed(world.leads, lead())
    became = world.org.convert_lead(id_of(it.ref.person), deal=deal)

    [again] = pushed(world.leads, lead(known=it.ref if knows else None))

    assert again.ref.person == RemoteId(type="Contacts", id=became.contact)
    assert sum(not it.converted for it in world.org.records["Leads"].values()) == 0
    if knows:
        assert again.ref.deal == (RemoteId(type="Deals", id=became.deal) if became.deal else None)


def test_a_lead_whose_conversion_was_told_is_not_made_again(world: World) -> None:
    """The daemon then knows the contact and the deal only."""
    [it] = pushed(world.leads, lead())
    became = world.org.convert_lead(id_of(it.ref.person), deal={"Deal_Name": "Big", "Stage": "Qualification"})
    known = RemoteRef(
        person=RemoteId(type="Contacts", id=became.contact), deal=RemoteId(type="Deals", id=str(became.deal))
    )

    [again] = pushed(world.leads, lead(known=known))

    assert (again.ref.person, again.ref.deal) == (known.person, known.deal)


def test_a_person_who_holds_a_unique_address_is_linked_and_gets_our_id(world: World) -> None:
    make_unique(world, "Contacts", "Email")
    known = world.org.create("Contacts", Last_Name="Before", Email="friend1@example.com")

    [it] = pushed(world.deals, lead())

    assert (id_of(it.ref.person), world.count("Contacts")) == (known, 1)
    assert world.values(it.ref.person)["Referral_ID"] == "ref_1"
    assert world.values(it.ref.person)["Last_Name"] == "Before"
    assert world.values(it.ref.deal)["Contact_Name"] == known


def test_a_person_who_is_another_leads_is_linked_and_keeps_its_id(world: World) -> None:
    """In one batch, too."""
    make_unique(world, "Contacts", "Email")

    first, second = pushed(world.deals, lead(1, email="both@example.com"), lead(2, email="both@example.com"))

    assert first.ref.person == second.ref.person
    assert world.values(first.ref.person)["Referral_ID"] == "ref_1"
    assert first.ref.deal != second.ref.deal


def test_of_two_leads_who_share_an_unmarked_person_the_first_marks_it(world: World) -> None:
    make_unique(world, "Contacts", "Email")
    known = world.org.create("Contacts", Last_Name="Before", Email="both@example.com")

    first, second = pushed(world.deals, lead(1, email="both@example.com"), lead(2, email="both@example.com"))

    assert {id_of(it.ref.person) for it in (first, second)} == {known}
    assert world.values(first.ref.person)["Referral_ID"] == "ref_1"


def test_a_contact_that_blocks_a_lead_is_linked(clock: Clock, http: Session) -> None:
    """An admin may let contacts count as duplicates of leads; then the contact is the lead's person."""
    with sandbox(clock, duplicates="mapped") as crm:
        world = World(crm, clock, http)
        make_unique(world, "Leads", "Email")
        known = world.org.create("Contacts", Last_Name="Before", Email="friend1@example.com")

        [it] = pushed(world.leads, lead())

        assert (it.ref.person, it.ref.deal) == (RemoteId(type="Contacts", id=known), None)
        assert world.count("Leads") == 0


@pytest.mark.parametrize(("trigger", "told"), [([], []), (["workflow", "blueprint"], ["blueprint", "workflow"])])
def test_automations_run_only_if_the_settings_say_so(world: World, trigger: list[str], told: list[str]) -> None:
    pushed(world.opened(trigger=trigger), lead())

    assert sorted(world.org.log[-1].workflows) == told


def test_one_locked_record_fails_alone_and_is_tried_again(world: World) -> None:
    world.crm.faults.add(Fault(action="row_locked", row=2, path="/Leads$", method="POST"))

    verdicts = world.leads.push([lead(1), lead(2), lead(3)])

    assert [type(it) for it in verdicts] == [Pushed, Transient, Pushed]


@pytest.mark.parametrize("on", [("Contacts",), ()])
def test_nothing_is_written_without_a_unique_field(clock: Clock, http: Session, on: tuple[str, ...]) -> None:
    """Without it a repeated push would make a second record."""
    with sandbox(clock, referral=ReferralField(on=on, mapped=())) as crm:
        world = World(crm, clock, http)

        with pytest.raises(Misconfigured, match="does not exist") as caught:
            world.deals.push([lead()])

        assert caught.value.yaml_path == "push.referral_id"
        assert world.count("Deals") == 0


def test_a_field_that_allows_duplicates_is_refused_and_looked_at_again(clock: Clock, http: Session) -> None:
    with sandbox(clock, referral=ReferralField(unique=False)) as crm:
        world = World(crm, clock, http)
        with pytest.raises(Misconfigured, match="allows duplicate values"):
            world.leads.check()
        with pytest.raises(Misconfigured, match="allows duplicate values"):
            world.leads.push([lead()])
        make_unique(world, "Leads", "Referral_ID")

        assert pushed(world.leads, lead())


# --- stages come back ------------------------------------------------------------------------------------------------


def test_a_status_of_a_lead_is_told(world: World) -> None:
    since = world.leads.start(world.clock())
    [it] = pushed(world.leads, lead())
    world.org.move(id_of(it.ref.person), "Contacted")

    [fact] = facts_of(world.polls(world.leads, since, 1))

    assert (fact.pipeline, fact.stage, fact.outcome, fact.lead) == ("Leads", "Contacted", "open", "ref_1")
    assert (fact.ref.person, fact.ref.deal) == (it.ref.person, it.ref.deal)


def test_a_lead_without_a_status_stands_in_zohos_empty_one(world: World) -> None:
    [it] = pushed(world.leads, lead())

    assert [fact.stage for fact in facts_of(world.leads.look_up([it.ref]))] == ["-None-"]


@pytest.mark.parametrize("mapped", [("Contacts", "Deals"), ()])
def test_a_conversion_is_told_with_the_deal_that_it_made(clock: Clock, http: Session, mapped: tuple[str, ...]) -> None:
    """The deal is told to be the lead's, whether or not the admin's field mapping has copied our id to it."""
    with sandbox(clock, referral=ReferralField(mapped=mapped)) as crm:
        world = World(crm, clock, http)
        since = world.leads.start(clock())
        [it] = pushed(world.leads, lead())
        became = world.org.convert_lead(id_of(it.ref.person), deal={"Deal_Name": "Big", "Stage": "Closed Won"})
        contact, deal = RemoteId(type="Contacts", id=became.contact), RemoteId(type="Deals", id=str(became.deal))
        merged = Gone(
            ref=RemoteRef(person=it.ref.person, deal=it.ref.deal),
            why="merged",
            into=RemoteRef(person=contact, deal=deal),
        )

        for told in (world.polls(world.leads, since, 3), world.leads.look_up([it.ref])):
            assert merged in told
            mine = [fact for fact in facts_of(told) if fact.ref.deal == deal and fact.lead]
            assert {(fact.lead, fact.stage, fact.outcome) for fact in mine} == {("ref_1", "Closed Won", "won")}


def test_a_converted_lead_and_its_deal_are_told_once(world: World) -> None:
    [it] = pushed(world.leads, lead())
    became = world.org.convert_lead(id_of(it.ref.person), deal={"Deal_Name": "Big", "Stage": "Closed Won"})
    deal = RemoteId(type="Deals", id=str(became.deal))

    told = world.leads.look_up([it.ref, RemoteRef(deal=deal)])

    assert [(fact.ref.deal, fact.lead) for fact in facts_of(told)] == [(deal, "ref_1")]


def test_a_deal_that_carries_our_id_names_no_contact(world: World) -> None:
    """Sales may hang it on anybody; our id says whose it is."""
    [it] = pushed(world.deals, lead())

    told = facts_of(world.deals.look_up([RemoteRef(deal=it.ref.deal)]))

    assert [(fact.lead, fact.ref.person) for fact in told] == [("ref_1", None)]


def test_a_conversion_without_a_deal_moves_the_person_only(world: World) -> None:
    [it] = pushed(world.leads, lead())
    became = world.org.convert_lead(id_of(it.ref.person))
    contact = RemoteId(type="Contacts", id=became.contact)

    told = world.leads.look_up([it.ref])

    assert gone_of(told) == [Gone(ref=RemoteRef(person=it.ref.person), why="merged", into=RemoteRef(person=contact))]
    assert [(fact.ref.person, fact.ref.deal) for fact in facts_of(told)] == [(contact, it.ref.deal)]


def test_a_deal_that_sales_opened_after_a_conversion_is_told_to_be_the_leads(world: World) -> None:
    [it] = pushed(world.leads, lead())
    became = world.org.convert_lead(id_of(it.ref.person))
    deal = world.org.open_deal(became.contact)

    told = facts_of(world.leads.look_up([it.ref]))

    assert [fact.lead for fact in told if fact.ref.deal == RemoteId(type="Deals", id=deal)] == ["ref_1"]


def test_an_idle_poll_is_one_call_where_deals_are_pushed_and_two_where_leads_are(world: World) -> None:
    for connector, most in ((world.deals, 1), (world.leads, 2)):
        since = connector.start(world.clock())
        _, since = world.poll(connector, since)
        before = world.calls()
        world.clock.forward(minutes=2)

        world.poll(connector, since)

        assert world.calls() - before == most


def test_no_poll_of_an_idle_account_makes_more_than_two_calls(world: World) -> None:
    _, since = world.poll(world.leads, world.leads.start(world.clock()))
    for _ in range(12):
        before = world.calls("/crm/v8/")
        world.clock.forward(minutes=2)
        _, since = world.poll(world.leads, since)

        assert world.calls("/crm/v8/") - before == 2


def test_every_list_is_read_in_its_turn(world: World) -> None:
    world.polls(world.leads, world.leads.start(world.clock()), 15)

    assert min(world.calls("/Leads/deleted$"), world.calls("/Deals/deleted$")) >= 2
    assert world.calls("/crm/v8/Leads$") >= 4  # conversions
    assert world.calls("/coql$") >= 15 + 4  # deals each time, and leads


@pytest.mark.parametrize("kind", ["leads", "deals"])
def test_a_deletion_is_told_within_a_quarter_of_an_hour(world: World, kind: str) -> None:
    connector = getattr(world, kind)
    [it] = pushed(connector, lead())
    since = connector.start(world.clock())
    world.clock.forward(minutes=1)
    assert it.ref.deal
    world.org.archive(it.ref.deal.type, it.ref.deal.id)

    told = gone_of(world.polls(connector, since, 7))

    assert {(gone.ref.deal, gone.why) for gone in told} == {(it.ref.deal, "deleted")}


def test_a_deletion_in_a_list_of_several_pages_is_told(world: World) -> None:
    deals = [world.org.create("Deals", Deal_Name=f"{number}", Stage="Qualification") for number in range(450)]
    since = world.deals.start(world.clock())
    world.clock.forward(minutes=1)
    for deal in deals:
        world.org.archive("Deals", deal)

    told = gone_of(world.polls(world.deals, since, 6))

    assert {gone.ref.deal.id for gone in told if gone.ref.deal} == set(deals)


def test_a_mark_of_the_cursor_stays_behind_while_its_list_waits(world: World) -> None:
    """What was deleted long before its list's turn is told all the same."""
    [it] = pushed(world.deals, lead())
    since = world.deals.start(world.clock())
    world.clock.forward(minutes=1)
    world.org.archive("Deals", id_of(it.ref.deal))
    world.clock.forward(minutes=1)
    _, since = world.poll(world.deals, since)
    world.clock.forward(days=2)

    assert gone_of(world.poll(world.deals, since)[0])


def test_what_is_kept_from_us_is_told_as_invisible(world: World) -> None:
    ref = RemoteRef(deal=RemoteId(type="Deals", id="410888000999999"))

    assert [it.why for it in gone_of(world.deals.look_up([ref]))] == ["invisible"]


def test_a_record_that_was_removed_for_good_is_told_as_deleted(world: World) -> None:
    [it] = pushed(world.leads, lead())
    world.org.archive("Leads", id_of(it.ref.person))
    world.org.empty_bin()

    assert [gone.why for gone in gone_of(world.leads.look_up([it.ref]))] == ["deleted"]


def test_many_deals_are_read_a_hundred_a_call(world: World) -> None:
    deals = [world.org.create("Deals", Deal_Name=f"{number}", Stage="Qualification") for number in range(250)]
    world.deals.stages()
    before = world.calls()

    told = facts_of(world.deals.look_up([RemoteRef(deal=RemoteId(type="Deals", id=deal)) for deal in deals]))

    assert {fact.ref.deal.id for fact in told if fact.ref.deal} == set(deals)
    assert world.calls() - before <= 4  # and the fields, the first time


def test_deals_of_many_contacts_are_found_fifty_a_query(world: World) -> None:
    people = [world.org.create("Contacts", Last_Name=f"{number}") for number in range(120)]
    deals = [world.org.open_deal(person) for person in people]
    refs = [RemoteRef(person=RemoteId(type="Contacts", id=person)) for person in people]

    told = facts_of(world.deals.look_up(refs))

    assert {fact.ref.deal.id for fact in told if fact.ref.deal} == set(deals)
    assert world.calls("/coql$") == 3


def test_the_same_stage_in_two_pipelines_is_told_with_its_pipeline(clock: Clock, http: Session) -> None:
    other = Pipeline(name="Upsell", stages=STANDARD.stages)
    with sandbox(clock, pipelines=(STANDARD, other)) as crm:
        world = World(crm, clock, http)
        deal = world.org.create("Deals", Deal_Name="Big", Stage="Closed Won", Pipeline="Upsell")

        [fact] = facts_of(world.deals.look_up([RemoteRef(deal=RemoteId(type="Deals", id=deal))]))

        assert (fact.pipeline, fact.stage, fact.outcome) == ("Upsell", "Closed Won", "won")
        assert {stage.pipeline for stage in world.deals.stages()} == {STANDARD_NAME, "Upsell"}


@pytest.mark.parametrize("currencies", [True, False])
def test_an_amount_is_in_the_deals_currency_or_in_the_accounts(clock: Clock, http: Session, currencies: bool) -> None:
    with sandbox(clock, currencies=currencies) as crm:
        world = World(crm, clock, http)
        deal = world.org.create("Deals", Deal_Name="Big", Stage="Closed Won", Amount=19.99)
        if currencies:
            world.org.edit(deal, Currency="USD")

        [fact] = facts_of(world.deals.look_up([RemoteRef(deal=RemoteId(type="Deals", id=deal))]))

        assert (fact.amount, fact.currency) == (1_999, "USD" if currencies else "EUR")


def test_history_tells_two_moves_of_one_second_in_their_order(world: World) -> None:
    [it] = pushed(world.deals, lead())
    for stage in ("Needs Analysis", "Closed Lost", "Needs Analysis"):
        world.org.move(id_of(it.ref.deal), stage)

    steps = world.deals.history([RemoteId(type="Deals", id=id_of(it.ref.deal))])

    assert [step.stage for step in steps] == ["Qualification", "Needs Analysis", "Closed Lost", "Needs Analysis"]
    assert [step.outcome for step in steps] == ["open", "open", "lost", "open"]
    assert [step.version for step in steps] == sorted({step.version for step in steps})


def test_a_new_amount_is_no_step_of_the_history(world: World) -> None:
    [it] = pushed(world.deals, lead())
    world.clock.forward(minutes=1)
    world.org.set_amount(id_of(it.ref.deal), "5")

    steps = world.deals.history([RemoteId(type="Deals", id=id_of(it.ref.deal))])

    assert [(step.stage, step.amount) for step in steps] == [("Qualification", 500)]


def test_leads_have_no_history(world: World) -> None:
    [it] = pushed(world.leads, lead())
    before = world.calls()

    assert (world.leads.history([it.ref.deal] if it.ref.deal else []), world.calls()) == ([], before)


# --- what the account is ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["leads", "deals"])
def test_a_check_names_the_account_and_what_it_proved(world: World, kind: str) -> None:
    account = getattr(world, kind).check()

    assert account.name == "Acme"
    assert "Contacts have the unique field Referral_ID" in account.checked
    assert len(account.warnings) == 1


def test_a_required_field_that_nothing_is_mapped_to_is_a_warning(world: World) -> None:
    module = world.org.schema.modules["Leads"]
    company = replace(module.fields["Website"], required=True)
    world.org.schema.modules["Leads"] = replace(module, fields={**module.fields, "Website": company})

    [warning, _] = world.leads.check().warnings

    assert warning.startswith("Leads.Website is required")
    assert len(world.opened(fields={"Website": "https://example.com"}).check().warnings) == 1


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"fields": {"Compny": "friend.company"}}, "push.fields.Compny"),
        ({"fields": {"Full_Name": "friend.name"}}, "push.fields.Full_Name"),
        ({"fields": {"Deals.Description": "x"}}, "push.fields.Deals.Description"),
        ({**DEALS, "fields": {"Deals.Amount": "friend.name"}}, "push.fields.Deals.Amount"),
        ({**DEALS, "stage": "Won"}, "push.stage"),
        ({**DEALS, "pipeline": "Upsell"}, "push.pipeline"),
        ({"stages": {"Leads": {"Contactd": "meeting"}}}, "stages.Leads.Contactd"),
        ({"stages": {"Standard": {"Closed Won": "won"}}}, "stages.Standard"),
    ],
)
def test_a_check_names_the_setting_that_the_account_does_not_have(world: World, given: Any, path: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        world.opened(**given).check()

    assert caught.value.yaml_path == path


def test_a_misspelt_field_is_told_with_the_one_that_there_is(world: World) -> None:
    with pytest.raises(Misconfigured) as caught:
        world.opened(fields={"Compny": "friend.company"}).check()

    assert caught.value.hint == "did you mean Company?"


def test_the_stages_of_leads_are_their_statuses(world: World) -> None:
    leads = [stage for stage in world.leads.stages() if stage.pipeline == "Leads"]

    assert "Contacted" in {stage.id for stage in leads}
    assert {stage.outcome for stage in leads} == {"open"}
    assert not [stage for stage in world.deals.stages() if stage.pipeline == "Leads"]


def test_the_fields_that_can_be_mapped_are_listed(world: World) -> None:
    names = {field.name for field in world.deals.fields()}

    assert {"Title", "Deals.Description", "Email"} <= names
    assert not {"Referral_ID", "Full_Name", "Deals.Amount", "Account_Name"} & names


# --- signing in ------------------------------------------------------------------------------------------------------


def test_a_token_is_renewed_before_it_ends(world: World) -> None:
    """No call is refused on the way."""
    since = world.deals.start(world.clock())
    for _ in range(40):  # an hour and twenty minutes
        world.clock.forward(minutes=2)
        _, since = world.poll(world.deals, since)

    assert world.calls("/oauth/v2/token$") == 2
    assert not [call for call in world.crm.log.listed() if call.code == 401]


def test_a_token_that_ended_between_two_calls_is_renewed_once_by_many_threads(world: World) -> None:
    world.deals.stages()
    world.clock.forward(hours=2)
    ready = threading.Barrier(12)

    def ask(_: int) -> int:
        ready.wait(timeout=5)
        return len(world.deals.stages())

    with ThreadPoolExecutor(12) as threads:
        assert len(set(threads.map(ask, range(12)))) == 1

    assert world.calls("/oauth/v2/token$") == 2


def test_more_than_ten_tokens_in_ten_minutes_park_the_connector(world: World) -> None:
    """We stop before Zoho does, and go on when the ten minutes are over."""
    for number in range(10):
        if number:
            world.expire_token_at("/settings/layouts$")
        world.deals.stages()
    world.expire_token_at("/settings/layouts$")

    with pytest.raises(Parked) as caught:
        world.deals.stages()

    assert caught.value.until == world.clock() + timedelta(minutes=10)
    assert world.calls("/oauth/v2/token$") == 10
    world.clock.forward(minutes=10)
    assert world.deals.stages()


def test_another_process_that_took_the_tokens_parks_the_connector(world: World) -> None:
    """Zoho says so with a 200 and the words Access Denied."""
    for _ in range(10):
        world.opened().stages()

    with pytest.raises(Parked) as caught:
        world.opened().stages()

    assert caught.value.until == world.clock() + timedelta(minutes=10)


def test_a_refresh_token_that_was_revoked_is_unauthorized(world: World) -> None:
    world.deals.stages()
    world.crm.accounts["zoho"].revoke()

    with pytest.raises(Unauthorized):
        world.deals.stages()


def test_the_api_is_where_the_sign_in_says_if_that_is_this_machine(clock: Clock, http: Session) -> None:
    with sandbox(clock, api_domain="") as crm:
        connector = World(crm, clock, http).opened(base_url=None, data_center=None)

        assert connector.check().name == "Acme"


def test_a_missing_scope_is_named(world: World) -> None:
    world.crm.faults.add(Fault(action="scope_missing", path="/coql$"))

    with pytest.raises(Misconfigured, match=r"ZohoCRM\.coql\.READ") as caught:
        world.deals.check()

    assert caught.value.yaml_path == "oauth.refresh_token"


def test_spent_credits_park_the_connector(clock: Clock, http: Session) -> None:
    """Zoho's refusal is that of too many calls at once; what was left before it tells the two apart."""
    with sandbox(clock, credits=30) as crm:
        world = World(crm, clock, http)
        world.leads.check()

        with pytest.raises(Parked) as caught:
            [world.leads.push([lead(number)]) for number in range(60)]

        assert caught.value.until == clock() + timedelta(minutes=15)
        assert world.count("Leads") > 5
