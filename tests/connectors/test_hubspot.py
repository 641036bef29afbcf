"""The HubSpot connector, against the sandbox over real sockets, and against answers that bit others."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses

from syncd.conformance.probe import Clock
from syncd.contract import (
    Account,
    Connector,
    ConnectorError,
    Gone,
    KeepsHistory,
    Lead,
    Misconfigured,
    Parked,
    Person,
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
from syncd.sandbox.crm import NO_LIMITS, CrmModel, Fault, HubSpotSetup, Required, Sandbox, lag_between
from syncd_connectors.hubspot import VERSION, HubSpot, HubSpotSettings, connector

TOKEN = "pat-eu1-1111-2222"


def settings(url: str = "https://api.hubapi.com", token: str = TOKEN, **push: Any) -> HubSpotSettings:
    sections = {name: push.pop(name) for name in ("stages", "poll", "portal", "currency") if name in push}
    return HubSpotSettings.model_validate(
        {"name": "hubspot", "type": "hubspot", "token": token, "base_url": url, "push": push, **sections}
    )


def lead(number: int = 1, *, email: str | None = None, role: Any = "friend", known: Any = None, **fields: str) -> Lead:
    return Lead(
        id=f"ref_{number}",
        role=role,
        person=Person(email=email or f"friend{number}@example.com"),
        campaign="spring",
        referral_code=f"CODE{number}",
        fields={name.replace("__", "."): text for name, text in fields.items()},
        known=known,
    )


# --- against the sandbox ---------------------------------------------------------------------------------------------


class World:
    """A simulated HubSpot and a connector that is open on it."""

    def __init__(self, crm: Sandbox, clock: Clock, http: Session, **push: Any) -> None:
        self.crm, self.clock, self.http = crm, clock, http
        self.model: CrmModel = crm.model()
        self.hubspot = HubSpot.open(settings(crm.url(), crm.token(), **push), http)

    def opened(self, **push: Any) -> HubSpot:
        """Open a further connector, with other settings."""
        return HubSpot.open(settings(self.crm.url(), self.crm.token(), **push), self.http)

    def pushed(self, *leads: Lead) -> list[Pushed]:
        verdicts = self.hubspot.push(leads)
        assert all(isinstance(verdict, Pushed) for verdict in verdicts), verdicts
        return [verdict for verdict in verdicts if isinstance(verdict, Pushed)]

    def stage(self, deal: RemoteId | None) -> str:
        assert deal
        record = self.model.find("deals", deal.id)
        assert record
        return record.values["dealstage"]

    def poll(self, since: str, hubspot: HubSpot | None = None) -> tuple[list[StageFact | Gone], str]:
        facts: list[StageFact | Gone] = []
        for page in (hubspot or self.hubspot).changes(since, self.clock()):
            facts += page.facts
            since = page.cursor
        return facts, since


def sandbox(clock: Clock, **setup: Any) -> Sandbox:
    account = HubSpotSetup(**{"limits": NO_LIMITS, **setup})
    return Sandbox(now=clock, accounts=[account])


@pytest.fixture
def world(clock: Clock, http: Session) -> Iterator[World]:
    with sandbox(clock) as crm:
        yield World(crm, clock, http)


def deal_of(pushed: Pushed) -> str:
    assert pushed.ref.deal
    return pushed.ref.deal.id


def person_of(pushed: Pushed) -> str:
    assert pushed.ref.person
    return pushed.ref.person.id


def facts_of(found: Sequence[StageFact | Gone]) -> list[StageFact]:
    return [it for it in found if isinstance(it, StageFact)]


def test_it_is_a_connector_that_keeps_history(world: World) -> None:
    typed: type[Connector] = connector  # the type checker compares every signature

    assert typed is HubSpot
    assert isinstance(world.hubspot, Connector)
    assert isinstance(world.hubspot, KeepsHistory)


def test_a_friend_becomes_a_contact_and_a_deal_that_are_associated(world: World) -> None:
    [pushed] = world.pushed(lead(firstname="Ann", contact__phone="1", deal__description="From a friend"))

    contact, deal = world.model.find("contacts", person_of(pushed)), world.model.find("deals", deal_of(pushed))
    assert contact
    assert deal
    assert contact.linked == {deal.id}
    assert contact.values | {"email": "friend1@example.com", "firstname": "Ann", "phone": "1"} == contact.values
    expected = {"dealname": "Referral CODE1", "dealstage": "appointmentscheduled", "description": "From a friend"}
    assert deal.values | expected == deal.values
    assert contact.values["referral_id"] == deal.values["referral_id"] == "ref_1"
    assert pushed.created


def test_an_advocate_becomes_a_contact_only(world: World) -> None:
    [pushed] = world.pushed(lead(role="advocate"))

    assert pushed.ref.deal is None
    assert world.model.records["deals"] == {}


def test_as_contact_makes_no_deals(world: World) -> None:
    [verdict] = world.opened(**{"as": "contact"}).push([lead()])

    assert isinstance(verdict, Pushed)
    assert verdict.ref.deal is None
    assert world.http.calls["writes"] == 1


def test_the_accounts_id_gives_links_to_records(world: World) -> None:
    hubspot = world.opened(portal="9000001")

    friend, advocate = (it.ref for it in hubspot.push([lead(1), lead(2, role="advocate")]) if isinstance(it, Pushed))

    assert friend.deal
    assert advocate.person
    assert friend.url == f"https://app.hubspot.com/contacts/9000001/record/0-3/{friend.deal.id}"
    assert advocate.url == f"https://app.hubspot.com/contacts/9000001/record/0-1/{advocate.person.id}"


def test_without_the_accounts_id_there_is_no_link(world: World) -> None:
    [pushed] = world.pushed(lead())

    assert pushed.ref.url is None


def test_a_thousand_leads_cost_thirty_writing_calls(world: World) -> None:
    for batch in range(10):
        world.pushed(*[lead(number) for number in range(batch * 100, batch * 100 + 100)])

    assert world.http.calls["writes"] == 30
    assert world.http.calls["reads"] == 10
    assert len(world.model.records["deals"]) == len(world.model.records["contacts"]) == 1000


def test_a_push_is_safe_to_repeat(world: World) -> None:
    leads = [lead(1), lead(2)]
    first = world.pushed(*leads)
    again = world.pushed(*leads)

    assert [it.ref for it in again] == [it.ref for it in first]
    assert [it.created for it in again] == [False, False]
    assert len(world.model.records["deals"]) == len(world.model.records["contacts"]) == 2


def test_a_repeated_push_never_moves_a_deal_back_nor_renames_it(world: World) -> None:
    [pushed] = world.pushed(lead())
    world.model.move(deal_of(pushed), "closedwon")
    world.model.edit("deals", deal_of(pushed), dealname="Big one")

    [again] = world.pushed(lead(deal__dealname="Referral of Ann"))

    assert world.stage(again.ref.deal) == "closedwon"
    record = world.model.find("deals", deal_of(pushed))
    assert record
    assert record.values["dealname"] == "Big one"


@pytest.mark.parametrize("call", ["contacts/batch/upsert", "deals/batch/upsert", "associate/default"])
@pytest.mark.parametrize("action", ["drop_before", "drop_after", "truncate"])
def test_after_any_lost_answer_there_is_one_contact_and_one_deal_where_sales_left_it(
    world: World, call: str, action: Any
) -> None:
    world.crm.faults.add(Fault(action=action, path=call, nth=1))
    try:
        world.hubspot.push([lead()])
    except Transient:
        for deal in list(world.model.records["deals"]):
            world.model.move(deal, "closedwon")  # sales is quicker than our repetition
    moved = [record.values["dealstage"] for record in world.model.records["deals"].values()]

    world.pushed(lead())

    assert len(world.model.records["contacts"]) == len(world.model.records["deals"]) == 1
    [record] = world.model.records["deals"].values()
    assert [record.values["dealstage"]] == (moved or ["appointmentscheduled"])
    assert len(record.linked) == 1


def test_the_call_that_creates_deals_is_never_repeated_by_itself(world: World) -> None:
    """Between its two tries sales could move the deal, and the second would put it back."""
    world.crm.faults.add(Fault(action="drop_after", path="deals/batch/upsert", times=1))

    with pytest.raises(Transient):
        world.hubspot.push([lead()])

    assert [call.path for call in world.crm.log.listed()].count(f"/crm/objects/{VERSION}/deals/batch/upsert") == 1


def test_a_lead_that_is_refused_does_not_hold_up_its_neighbours(world: World) -> None:
    verdicts = world.hubspot.push([lead(1), lead(2, email="not an address"), lead(3)])

    assert [type(verdict) for verdict in verdicts] == [Pushed, Rejected, Pushed]
    assert "email" in str(verdicts[1])
    assert "not an address" not in str(verdicts[1])
    assert len(world.model.records["deals"]) == 2
    assert world.http.calls["writes"] == 3


def test_a_rule_that_the_accounts_admin_made_refuses_the_lead_and_names_the_property(world: World) -> None:
    world.model.schema.required.append(Required(type="deals", property="closedate"))

    [verdict] = world.hubspot.push([lead()])

    assert isinstance(verdict, Rejected)
    assert "equired" in str(verdict)


def test_an_email_that_a_contact_has_already_is_linked_and_marked(world: World) -> None:
    old = world.model.write("contacts", None, {"email": "Friend1@example.com", "firstname": "Ann"}, origin="CRM_UI")

    [pushed] = world.pushed(lead(firstname="Other"))

    record = world.model.find("contacts", old.id)
    assert record
    assert (person_of(pushed), pushed.ref.deal is not None) == (old.id, True)
    assert record.values | {"referral_id": "ref_1", "firstname": "Ann"} == record.values
    assert len(world.model.records["contacts"]) == 1


def test_a_contact_of_another_lead_is_linked_and_not_written_to(world: World) -> None:
    [first] = world.pushed(lead(1, email="ann@example.com"))
    [second] = world.pushed(lead(2, email="ann@example.com", firstname="Not Ann"))

    record = world.model.find("contacts", person_of(first))
    assert record
    assert person_of(second) == person_of(first)
    assert record.values["referral_id"] == "ref_1"
    assert "firstname" not in record.values
    assert record.linked == {deal_of(first), deal_of(second)}


def test_two_leads_of_one_batch_with_one_known_email_share_its_contact(world: World) -> None:
    world.model.write("contacts", None, {"email": "ann@example.com"}, origin="CRM_UI")

    first, second = world.pushed(lead(1, email="ann@example.com"), lead(2, email="ANN@example.com"))

    assert person_of(first) == person_of(second)
    assert deal_of(first) != deal_of(second)
    [record] = world.model.records["contacts"].values()
    assert record.values["referral_id"] == "ref_1"


def test_a_merged_deal_is_found_again_by_its_old_id(world: World) -> None:
    first, second = world.pushed(lead(1), lead(2))
    new = world.model.merge("deals", deal_of(first), deal_of(second))

    [again] = world.pushed(lead(2, known=second.ref))

    assert deal_of(again) == new
    assert sum(record.merged_into is None for record in world.model.records["deals"].values()) == 1


def test_a_stage_that_does_not_exist_stops_the_connector_and_names_the_setting(world: World) -> None:
    with pytest.raises(Misconfigured) as caught:
        world.opened(stage="Appointment Scheduled").push([lead(1), lead(2)])

    assert caught.value.yaml_path == "push.stage"


def test_a_field_that_does_not_exist_stops_the_connector_and_names_the_setting(world: World) -> None:
    hubspot = world.opened(fields={"deal.favourite": "referral.code", "firstname": "friend.first_name"})
    with pytest.raises(Misconfigured) as caught:
        hubspot.push([lead(deal__favourite="x")])

    assert caught.value.yaml_path == "push.fields.deal.favourite"


def test_an_empty_text_does_not_clear_what_the_crm_knows(world: World) -> None:
    world.pushed(lead(firstname="Ann"))
    world.pushed(lead(firstname=""))

    [record] = world.model.records["contacts"].values()
    assert record.values["firstname"] == "Ann"


# --- reading back ---


def test_a_poll_without_changes_is_one_call(world: World) -> None:
    _, cursor = world.poll(world.hubspot.start(world.clock()))
    world.clock.forward(hours=1)
    before = world.http.calls["total"]

    assert world.poll(cursor)[0] == []
    assert world.http.calls["total"] == before + 1


def test_a_move_is_told_with_our_id_stage_amount_and_outcome(world: World) -> None:
    cursor = world.hubspot.start(world.clock())
    [pushed] = world.pushed(lead())
    at = world.clock.forward(minutes=5)
    world.model.edit("deals", deal_of(pushed), dealstage="closedwon", amount="1234.5", deal_currency_code="USD")

    facts, _ = world.poll(cursor)

    assert facts == [
        StageFact(
            ref=RemoteRef(deal=pushed.ref.deal),
            lead="ref_1",
            pipeline="default",
            stage="closedwon",
            outcome="won",
            amount=123450,
            currency="USD",
            at=at,
            version=int(at.timestamp() * 1000),
        )
    ]


def test_a_deal_that_sales_opened_for_a_lead_names_the_person(world: World) -> None:
    cursor = world.hubspot.start(world.clock())
    [pushed] = world.opened(**{"as": "contact"}).push([lead()])
    assert isinstance(pushed, Pushed)
    deal = world.model.open_deal(person_of(pushed), stage="closedlost")

    [fact] = facts_of(world.poll(cursor)[0])

    assert fact.ref == RemoteRef(person=pushed.ref.person, deal=RemoteId(type="deal", id=deal))
    assert (fact.lead, fact.outcome) == (None, "lost")


def test_a_deal_of_two_contacts_is_told_once_for_each(world: World) -> None:
    cursor = world.hubspot.start(world.clock())
    people = world.opened(**{"as": "contact"}).push([lead(1), lead(2)])
    ids = [person_of(it) for it in people if isinstance(it, Pushed)]
    deal = world.model.find("deals", world.model.open_deal(ids[0]))
    second = world.model.find("contacts", ids[1])
    assert deal
    assert second
    world.model.link(second, deal)

    told = {it.ref.person.id for it in facts_of(world.poll(cursor)[0]) if it.ref.person}

    assert told == set(ids)


@pytest.mark.parametrize(("given", "told"), [({"currency": "EUR"}, (1000, "EUR")), ({}, (None, None))])
def test_an_amount_without_a_currency_is_in_the_accounts_own_or_not_told(
    world: World, given: Mapping[str, str], told: Any
) -> None:
    hubspot = world.opened(**given)
    cursor = hubspot.start(world.clock())
    [pushed] = world.pushed(lead())
    world.model.set_amount(deal_of(pushed), "10")

    [fact] = facts_of(world.poll(cursor, hubspot)[0])

    assert (fact.amount, fact.currency) == told


def test_more_changes_than_a_page_with_one_timestamp_are_read_once_each_by_id(world: World) -> None:
    cursor = world.hubspot.start(world.clock())
    deals = [world.model.write("deals", None, {"dealname": "x", "dealstage": "closedwon"}).id for _ in range(450)]

    pages = list(world.hubspot.changes(cursor, world.clock.forward(minutes=1)))

    told = [fact.ref.deal.id for page in pages for fact in facts_of(page.facts) if fact.ref.deal]
    assert told == deals
    assert [page.cursor == cursor for page in pages] == [True, True, False]
    assert world.hubspot.start(world.clock()) == pages[-1].cursor


def test_a_full_last_page_is_followed_by_an_empty_one(world: World) -> None:
    for _ in range(200):
        world.model.write("deals", None, {"dealname": "x", "dealstage": "closedwon"})

    pages = list(world.hubspot.changes(world.hubspot.start(world.clock()), world.clock()))

    assert [len(page.facts) for page in pages] == [200, 0]


def test_the_overlap_finds_what_the_search_index_showed_late(clock: Clock, http: Session) -> None:
    with sandbox(clock, lag=lag_between(100, 300)) as crm:
        world = World(crm, clock, http)
        cursor = world.hubspot.start(clock())
        [pushed] = world.pushed(lead())
        world.model.move(deal_of(pushed), "closedwon")
        clock.forward(minutes=1)
        early, cursor = world.poll(cursor)
        clock.forward(minutes=6)
        late, _ = world.poll(cursor)

    assert early == []
    assert [fact.stage for fact in facts_of(late)] == ["closedwon"]


def test_a_window_that_ends_before_it_begins_is_not_read(world: World) -> None:
    cursor = world.hubspot.start(world.clock() + timedelta(days=1))

    assert [page.cursor for page in world.hubspot.changes(cursor, world.clock())] == [cursor]
    assert world.http.calls["total"] == 0


def test_a_merge_is_told_by_the_poll(world: World) -> None:
    first, second = world.pushed(lead(1), lead(2))
    cursor = world.hubspot.start(world.clock.forward(hours=1))
    new = RemoteRef(deal=RemoteId(type="deal", id=world.model.merge("deals", deal_of(first), deal_of(second))))

    told, _ = world.poll(cursor)

    gone = {it.ref.deal.id: (it.why, it.into) for it in told if isinstance(it, Gone) and it.ref.deal}
    assert gone == {deal_of(first): ("merged", new), deal_of(second): ("merged", new)}


def test_look_up_tells_stages_merges_and_deletions(world: World) -> None:
    stays, goes, melts, into = world.pushed(*[lead(number) for number in range(1, 5)])
    world.model.move(deal_of(stays), "contractsent")
    world.model.archive("deals", deal_of(goes))
    new = world.model.merge("deals", deal_of(into), deal_of(melts))

    told = world.hubspot.look_up([RemoteRef(deal=it.ref.deal) for it in (stays, goes, melts)])

    survivor = RemoteRef(deal=RemoteId(type="deal", id=new))
    gone = {it.ref.deal: (it.why, it.into) for it in told if isinstance(it, Gone)}
    assert gone == {goes.ref.deal: ("deleted", None), melts.ref.deal: ("merged", survivor)}
    assert {(it.ref.deal.id, it.stage, it.lead) for it in facts_of(told) if it.ref.deal} == {
        (deal_of(stays), "contractsent", "ref_1"),
        (new, "appointmentscheduled", "ref_4"),
    }


def test_look_up_of_a_person_brings_the_deals_that_sales_opened(world: World) -> None:
    [pushed] = world.opened(**{"as": "contact"}).push([lead()])
    assert isinstance(pushed, Pushed)
    deal = world.model.open_deal(person_of(pushed))

    [fact] = world.hubspot.look_up([RemoteRef(person=pushed.ref.person)])

    assert isinstance(fact, StageFact)
    assert fact.ref == RemoteRef(person=pushed.ref.person, deal=RemoteId(type="deal", id=deal))


def test_a_deal_that_sales_opened_is_told_once_though_its_id_and_its_person_are_asked_for(world: World) -> None:
    [pushed] = world.opened(**{"as": "contact"}).push([lead()])
    assert isinstance(pushed, Pushed)
    deal = RemoteId(type="deal", id=world.model.open_deal(person_of(pushed)))

    [fact] = world.hubspot.look_up([RemoteRef(person=pushed.ref.person, deal=deal)])

    assert fact.ref == RemoteRef(person=pushed.ref.person, deal=deal)


def test_a_deal_with_our_id_is_told_once_though_two_people_lead_to_it(world: World) -> None:
    one, two = world.pushed(lead(1), lead(2, role="advocate"))
    person, deal = world.model.find("contacts", person_of(two)), world.model.find("deals", deal_of(one))
    assert person
    assert deal
    world.model.link(person, deal)

    [fact] = world.hubspot.look_up([one.ref, two.ref])

    assert isinstance(fact, StageFact)
    assert (fact.lead, fact.ref) == ("ref_1", RemoteRef(person=one.ref.person, deal=one.ref.deal))


def test_look_up_follows_a_merged_contact_and_tells_a_deleted_one(world: World) -> None:
    melts, into, goes, waits = (
        it for it in world.opened(**{"as": "contact"}).push([lead(n) for n in range(4)]) if isinstance(it, Pushed)
    )
    world.model.archive("contacts", person_of(goes))
    new = RemoteId(type="contact", id=world.model.merge("contacts", person_of(into), person_of(melts)))
    deal = world.model.open_deal(new.id)
    # HubSpot's associations may or may not follow a merge; here they do not.
    told = unmerged(world, [RemoteRef(person=it.ref.person) for it in (melts, goes, waits)], person_of(melts))

    gone = {it.ref.person: (it.why, it.into) for it in told if isinstance(it, Gone)}
    assert gone == {melts.ref.person: ("merged", RemoteRef(person=new)), goes.ref.person: ("deleted", None)}
    assert [it.ref for it in facts_of(told)] == [RemoteRef(person=new, deal=RemoteId(type="deal", id=deal))]


def unmerged(world: World, refs: Sequence[RemoteRef], old: str) -> Sequence[StageFact | Gone]:
    """Look up while associations know nothing of the id that was merged away."""
    with responses.RequestsMock() as mock:
        mock.add_passthru(f"{world.crm.url()}/crm/objects")

        def associations(request: Any) -> tuple[int, dict[str, str], str]:
            asked = [it["id"] for it in json.loads(request.body)["inputs"]]
            results = []
            for id_ in asked:
                record = world.model.find("contacts", id_)
                if record and record.linked and id_ != old:
                    results.append({"from": {"id": id_}, "to": [{"toObjectId": int(it)} for it in record.linked]})
            return 207, {}, json.dumps({"status": "COMPLETE", "results": results, "numErrors": 1, "errors": []})

        url = f"{world.crm.url()}/crm/associations/{VERSION}/contacts/deals/batch/read"
        mock.add_callback(responses.POST, url, associations, content_type="application/json")
        return world.hubspot.look_up(refs)


def test_ten_thousand_open_deals_are_looked_up_in_a_hundred_calls(world: World) -> None:
    deals = [world.model.write("deals", None, {"dealname": "x", "dealstage": "closedwon"}).id for _ in range(300)]

    told = world.hubspot.look_up([RemoteRef(deal=RemoteId(type="deal", id=it)) for it in deals])

    assert (len(told), world.http.calls["total"]) == (300, 3)


def test_looking_up_nothing_calls_nobody(world: World) -> None:
    assert world.hubspot.look_up([]) == []
    assert world.hubspot.push([]) == []
    assert world.hubspot.history([]) == []
    assert world.http.calls["total"] == 0


def test_history_tells_a_stage_that_was_passed_between_two_polls(world: World) -> None:
    started = world.clock()
    [pushed] = world.pushed(lead())
    won = world.clock.forward(hours=1)
    world.model.move(deal_of(pushed), "closedwon")
    back = world.clock.forward(hours=1)
    world.model.move(deal_of(pushed), "contractsent")
    assert pushed.ref.deal

    facts = world.hubspot.history([pushed.ref.deal])

    assert [(fact.stage, fact.outcome, fact.at) for fact in facts] == [
        ("appointmentscheduled", "open", started),
        ("closedwon", "won", won),
        ("contractsent", "open", back),
    ]
    assert {(fact.lead, fact.pipeline) for fact in facts} == {("ref_1", "default")}
    assert [fact.version for fact in facts] == [int(fact.at.timestamp() * 1000) for fact in facts]


def test_history_asks_for_fifty_deals_a_call(world: World) -> None:
    deals = [world.model.write("deals", None, {"dealname": "x", "dealstage": "closedwon"}).id for _ in range(101)]
    world.hubspot.stages()
    before = world.http.calls["total"]

    assert len(world.hubspot.history([RemoteId(type="deal", id=it) for it in deals])) == 101
    assert world.http.calls["total"] == before + 3


# --- settings against the account ---


def test_check_names_the_account_and_what_it_proved(world: World) -> None:
    account = world.opened(portal="9000001", stages={"default": {"qualifiedtobuy": "meeting"}}).check()

    assert isinstance(account, Account)
    assert (account.name, account.id) == ("HubSpot account 9000001", "9000001")
    assert "deals have the unique property referral_id" in account.checked


def test_an_account_whose_id_nobody_told_is_called_hubspot(world: World) -> None:
    account = world.hubspot.check()

    assert (account.name, account.id) == ("HubSpot", "")


def test_check_of_a_connector_that_opens_no_deals_asks_nothing_of_them(world: World) -> None:
    world.model.schema.properties["deals"].pop("referral_id")

    account = world.opened(**{"as": "contact", "pipeline": "none"}).check()

    assert not [it for it in account.checked if it.startswith("deals")]


@pytest.mark.parametrize(
    ("given", "path", "hint"),
    [
        ({"pipeline": "sales"}, "push.pipeline", "default"),
        ({"stage": "won"}, "push.stage", "closedwon"),
        ({"stages": {"default": {"Closed Won": "won"}}}, "stages.default.Closed Won", "closedwon"),
        ({"stages": {"other": {"closedwon": "won"}}}, "stages.other", "default"),
        ({"referral_id": "referral"}, "push.referral_id", "create it in HubSpot"),
        ({"referral_id": "referral_code"}, "push.referral_id", "create it in HubSpot"),
        ({"fields": {"first_name": "friend.first_name"}}, "push.fields.first_name", "firstname"),
        ({"fields": {"deal.hs_is_closed": "referral.code"}}, "push.fields.deal.hs_is_closed", "another"),
    ],
)
def test_check_names_the_setting_at_fault_and_what_the_account_has(
    world: World, given: Mapping[str, Any], path: str, hint: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        world.opened(**given).check()

    assert caught.value.yaml_path == path
    assert hint in caught.value.hint


def test_check_names_the_scope_that_is_missing(world: World) -> None:
    world.crm.faults.add(Fault(action="scope_missing", path="batch/read", scope="crm.objects.contacts.read"))

    with pytest.raises(Misconfigured) as caught:
        world.hubspot.check()

    assert (caught.value.yaml_path, caught.value.hint) == ("token", "needed: crm.objects.contacts.read")


@pytest.mark.parametrize(
    "errors",
    [
        [{"context": {"requiredScopes": ["crm.objects.deals.read"]}}],
        [{"context": "{missingScopes=[crm.objects.deals.read]}"}],
        [{"message": "needs crm.objects.deals.read"}],
    ],
)
def test_a_missing_scope_is_named_wherever_it_is_written(
    mock: responses.RequestsMock, http: Session, errors: Any
) -> None:
    mock.post(SEARCH, status=403, json={"category": "MISSING_SCOPES", "errors": errors})

    with pytest.raises(Misconfigured) as caught:
        poll(HubSpot.open(settings(), http))

    assert caught.value.hint == "needed: crm.objects.deals.read"


def test_a_wrong_token_is_unauthorized(world: World) -> None:
    hubspot = HubSpot.open(settings(world.crm.url(), "pat-eu1-wrong"), world.http)

    with pytest.raises(Unauthorized) as caught:
        hubspot.push([lead()])

    assert caught.value.yaml_path == "token"
    assert "pat-eu1" not in str(caught.value)


def test_stages_are_won_and_lost_by_what_they_are_and_not_by_their_label(world: World) -> None:
    world.model.rename_stage("default", "closedwon", "Closed lost")

    outcomes = {stage.id: stage.outcome for stage in world.hubspot.stages()}

    assert (outcomes["closedwon"], outcomes["closedlost"], outcomes["contractsent"]) == ("won", "lost", "open")


# --- answers that bit others -----------------------------------------------------------------------------------------

HOST = "https://api.hubapi.com"
CONTACTS = f"{HOST}/crm/objects/{VERSION}/contacts/batch/upsert"
DEALS_READ = f"{HOST}/crm/objects/{VERSION}/deals/batch/read"
SEARCH = f"{HOST}/crm/objects/{VERSION}/deals/search"
PIPELINES = f"{HOST}/crm/pipelines/{VERSION}/deals"
DATE = {"Date": "Tue, 24 Nov 2026 22:30:00 GMT"}


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as it:
        yield it


@pytest.fixture
def as_contact(http: Session) -> HubSpot:
    return HubSpot.open(settings(**{"as": "contact"}), http)


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"id": str(100 + number), "properties": {"referral_id": f"ref_{number}"}, "new": True, **more}


def refusal(message: str, category: str = "VALIDATION_ERROR", **more: Any) -> dict[str, Any]:
    return {"status": "error", "message": message, "correlationId": "c-1", "category": category, **more}


def poll(hubspot: HubSpot) -> list[Any]:
    at = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    return list(hubspot.changes(hubspot.start(at), at))


@pytest.mark.parametrize("status", [200, 201, 202, 207])
def test_a_failed_row_is_told_from_the_body_whatever_the_status(
    mock: responses.RequestsMock, as_contact: HubSpot, status: int
) -> None:
    """The SDK returns None for a 2xx that it does not expect, and drops `errors` from a 200."""
    error = refusal("no", context={"objectWriteTraceId": ["ref_2"]})
    mock.post(
        CONTACTS, status=status, json={"status": "COMPLETE", "results": [row(1)], "numErrors": 1, "errors": [error]}
    )

    first, second = as_contact.push([lead(1), lead(2)])

    assert isinstance(first, Pushed)
    assert isinstance(second, Rejected)


def test_rows_are_told_apart_by_trace_id_or_property_and_never_by_their_place(
    mock: responses.RequestsMock, as_contact: HubSpot
) -> None:
    results = [row(2), {"id": "101", "properties": {}, "objectWriteTraceId": "ref_1", "new": False}]
    mock.post(CONTACTS, json={"results": results})

    verdicts = [it for it in as_contact.push([lead(1), lead(2)]) if isinstance(it, Pushed)]

    assert [(it.lead, person_of(it), it.created) for it in verdicts] == [
        ("ref_1", "101", False),
        ("ref_2", "102", True),
    ]


def test_a_row_that_the_answer_passes_over_is_looked_for(mock: responses.RequestsMock, as_contact: HubSpot) -> None:
    mock.post(CONTACTS, json={"results": [row(1)]})
    mock.post(CONTACTS.replace("upsert", "read"), json={"results": [row(2)]})

    assert [type(it) for it in as_contact.push([lead(1), lead(2)])] == [Pushed, Pushed]


def test_what_an_answer_says_of_rows_that_were_not_sent_is_passed_over(
    mock: responses.RequestsMock, as_contact: HubSpot
) -> None:
    strange = refusal("no", context={"objectWriteTraceId": ["ref_9"]})
    mock.post(CONTACTS, status=207, json={"results": [row(1), row(8)], "errors": [strange]})

    [verdict] = as_contact.push([lead(1)])

    assert isinstance(verdict, Pushed)


def test_a_pair_that_could_not_be_associated_is_pushed_again_later(mock: responses.RequestsMock, http: Session) -> None:
    mock.post(CONTACTS, json={"results": [row(1), row(2)]})
    mock.post(DEALS_READ, json={"results": []})
    deals = [row(1) | {"id": "201"}, row(2) | {"id": "202"}]
    mock.post(CONTACTS.replace("contacts", "deals"), json={"results": deals})
    done = {"from": {"id": "201"}, "to": {"id": "101"}}
    url = f"{HOST}/crm/associations/{VERSION}/deals/contacts/batch/associate/default"
    mock.post(url, status=207, json={"results": [done], "errors": [refusal("no")]})

    first, second = HubSpot.open(settings(), http).push([lead(1), lead(2)])

    assert isinstance(first, Pushed)
    assert isinstance(second, Transient)
    assert "associated" in str(second)


def test_a_row_that_is_nowhere_is_pushed_again_later(mock: responses.RequestsMock, as_contact: HubSpot) -> None:
    mock.post(CONTACTS, json={"results": []})
    missing = refusal("gone", "OBJECT_NOT_FOUND", context={"ids": ["ref_1"]})
    mock.post(CONTACTS.replace("upsert", "read"), status=207, json={"results": [], "errors": [missing]})

    with pytest.raises(Transient, match="says nothing of some"):
        as_contact.push([lead(1)])


def test_a_batch_that_is_refused_as_a_whole_is_halved_down_to_the_row_at_fault(
    mock: responses.RequestsMock, as_contact: HubSpot
) -> None:
    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        rows = json.loads(request.body)["inputs"]
        if any(it["id"] == "ref_3" for it in rows):
            return 400, {}, json.dumps(refusal("Ann Lee <x@example.com> is bad: no ANN LEE here"))
        return 200, {}, json.dumps({"results": [row(int(it["id"].removeprefix("ref_"))) for it in rows]})

    mock.add_callback(responses.POST, CONTACTS, answer, content_type="application/json")

    verdicts = as_contact.push([lead(number, firstname="Ann Lee") for number in range(8)])

    assert [type(it) for it in verdicts] == [Pushed] * 3 + [Rejected] + [Pushed] * 4
    assert str(verdicts[3]) == "… <…> is bad: no … here (correlation id c-1)"


@pytest.mark.parametrize(
    ("answer", "path"),
    [
        (refusal('Property "referral_id" does not exist'), "push.referral_id"),
        (refusal("Unable to perform update/upsert by non-unique property: referral_id"), "push.referral_id"),
        (
            refusal(
                "Property values were not valid: "
                '[{"isValid":false,"message":"x was not one of the allowed options","error":"INVALID_OPTION",'
                '"name":"pipeline"}]'
            ),
            "push.pipeline",
        ),
    ],
)
def test_a_refusal_that_would_befall_every_lead_stops_the_connector(
    mock: responses.RequestsMock, as_contact: HubSpot, answer: Any, path: str
) -> None:
    mock.post(CONTACTS, status=400, json=answer)

    with pytest.raises(Misconfigured) as caught:
        as_contact.push([lead(1), lead(2)])

    assert caught.value.yaml_path == path
    assert len(mock.calls) == 1


def test_a_409_that_names_only_the_first_conflict_of_a_batch_ends_in_the_right_contact(
    mock: responses.RequestsMock, as_contact: HubSpot
) -> None:
    def upsert(request: Any) -> tuple[int, dict[str, str], str]:
        rows = json.loads(request.body)["inputs"]
        if any(it["id"] == "ref_2" for it in rows):
            return 409, {}, json.dumps(refusal("Contact already exists. Existing ID: 51", "CONFLICT"))
        return 200, {}, json.dumps({"results": [row(1)]})

    mock.add_callback(responses.POST, CONTACTS, upsert, content_type="application/json")
    holder = {
        "id": "51",
        "properties": {"email": "x@example.com", "hs_additional_emails": "friend2@example.com;b@example.com"},
    }
    mock.post(CONTACTS.replace("upsert", "read"), json={"results": [holder]})
    marked = {"id": "51", "properties": {"referral_id": "ref_2"}}
    mock.post(CONTACTS.replace("upsert", "update"), json={"results": [marked]})

    verdicts = [it for it in as_contact.push([lead(1), lead(2)]) if isinstance(it, Pushed)]

    assert [person_of(it) for it in verdicts] == ["101", "51"]


def test_a_contact_with_another_email_is_not_adopted(mock: responses.RequestsMock, as_contact: HubSpot) -> None:
    mock.post(CONTACTS, status=409, json=refusal("Contact already exists. Existing ID: 51", "CONFLICT"))
    mock.post(
        CONTACTS.replace("upsert", "read"), json={"results": [{"id": "51", "properties": {"email": "z@example.com"}}]}
    )

    [verdict] = as_contact.push([lead(1)])

    assert isinstance(verdict, Rejected)


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "wait"),
    [
        (429, {}, {"policyName": "SECONDLY"}, Throttled, 1.0),
        (429, {}, {"policyName": "TEN_SECONDLY_ROLLING"}, Throttled, 10.0),
        (429, {"Retry-After": "20"}, {"policyName": "TEN_SECONDLY_ROLLING"}, Throttled, 20.0),
        (429, {"Retry-After": "1000000000"}, {}, Throttled, 3600.0),
        (429, {}, {"policyName": "DAILY"}, Throttled, 3600.0),
        (423, {}, {}, Transient, 2.0),
        (500, {}, {}, Transient, None),
        (502, {"Retry-After": "60"}, {}, Transient, 60.0),
        (521, {}, {}, Transient, None),
        (524, {}, {}, Transient, None),
        (401, {}, {"category": "INVALID_AUTHENTICATION"}, Unauthorized, None),
        (403, {}, {"category": "MISSING_SCOPES"}, Misconfigured, None),
        (404, {}, {}, Misconfigured, None),
        (410, {}, {}, Misconfigured, None),
        (302, {"Location": "https://evil.example.com/"}, {}, Misconfigured, None),
        (400, {}, {}, Misconfigured, None),
    ],
)
def test_a_status_says_what_happens_next(
    mock: responses.RequestsMock, http: Session, status: int, headers: Any, body: Any, kind: Any, wait: float | None
) -> None:
    mock.post(SEARCH, status=status, headers=headers, json=body)

    with pytest.raises(ConnectorError) as caught:
        poll(HubSpot.open(settings(), http))

    assert isinstance(caught.value, kind)
    assert isinstance(caught.value, Throttled) == (kind is Throttled)
    assert getattr(caught.value, "retry_after", None) == wait


@pytest.mark.parametrize(
    ("date", "until"),
    [
        ("Tue, 24 Nov 2026 22:30:59 GMT", datetime(2026, 11, 24, 23, tzinfo=UTC)),
        ("Tue, 24 Nov 2026 23:00:00 GMT", datetime(2026, 11, 25, tzinfo=UTC)),
    ],
)
def test_a_spent_daily_limit_parks_until_the_next_full_hour_of_hubspots_clock(
    mock: responses.RequestsMock, http: Session, date: str, until: datetime
) -> None:
    mock.post(SEARCH, status=429, headers={"Date": date}, json={"policyName": "DAILY"})

    with pytest.raises(Parked, match=r"daily limit .* midnight of the account's time zone; .* each hour") as caught:
        poll(HubSpot.open(settings(), http))

    assert caught.value.until == until


@pytest.mark.parametrize(
    ("asked", "until"),
    [
        ({"Retry-After": "7200"}, datetime(2026, 11, 25, 0, 30, tzinfo=UTC)),
        ({}, datetime(2026, 11, 24, 23, 30, tzinfo=UTC)),
        ({"Retry-After": "999999999999999"}, datetime(2026, 11, 25, 22, 30, tzinfo=UTC)),
    ],
)
def test_a_477_parks_for_as_long_as_it_says_and_a_day_at_the_most(
    mock: responses.RequestsMock, http: Session, asked: Mapping[str, str], until: datetime
) -> None:
    mock.post(SEARCH, status=477, headers={**DATE, **asked}, json={})

    with pytest.raises(Parked) as caught:
        poll(HubSpot.open(settings(), http))

    assert caught.value.until == until


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>Maintenance</html>", "text/html"),
        (b"", "application/json"),
        (b'{"results": [', "application/json"),
        (b"[]", "application/json"),
        (b"{}", "application/json"),
        (b'{"results": null}', "application/json"),
        (b'{"results": [], "results": []}', "application/json"),
        (b'{"total": NaN, "results": []}', "application/json"),
        (b'\xef\xbb\xbf{"results": []}', "application/json"),
        (b'{"results": ["\xff"]}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"results": []}', "text/plain"),
        (b'{"results": [{"id": null, "properties": {}}]}', "application/json"),
        (b'{"results": [{"id": "1"}]}', "application/json"),
        (b'{"results": [{"id": "1", "properties": {"dealstage": "a", "pipeline": "b"}}]}', "application/json"),
    ],
)
def test_a_200_that_is_no_answer_is_not_taken_for_no_changes(
    mock: responses.RequestsMock, http: Session, body: bytes, kind: str
) -> None:
    mock.post(SEARCH, body=body, content_type=kind)

    with pytest.raises(Transient):
        poll(HubSpot.open(settings(), http))


def test_a_search_that_repeats_its_page_does_not_go_on_for_ever(mock: responses.RequestsMock, http: Session) -> None:
    deals = [{"id": str(n), "properties": {"hs_lastmodifieddate": "1"}} for n in range(1, 201)]
    mock.post(SEARCH, json={"results": deals})
    hubspot = HubSpot.open(settings(), http)
    mock.post(f"{HOST}/crm/associations/{VERSION}/deals/contacts/batch/read", json={"results": []})

    with pytest.raises(Transient, match="order"):
        poll(hubspot)


@pytest.mark.parametrize("ids", [["2", "1"], ["1", "1"], ["9", "10", "9"]])
def test_a_page_that_is_not_in_order_is_not_believed(
    mock: responses.RequestsMock, http: Session, ids: Sequence[str]
) -> None:
    mock.post(SEARCH, json={"results": [{"id": it, "properties": {}} for it in ids]})

    with pytest.raises(Transient, match="order"):
        poll(HubSpot.open(settings(), http))


def test_a_deal_that_an_answer_leaves_out_without_a_word_is_not_taken_for_deleted(
    mock: responses.RequestsMock, http: Session
) -> None:
    mock.post(DEALS_READ, json={"status": "COMPLETE", "results": []})

    [gone] = HubSpot.open(settings(), http).look_up([RemoteRef(deal=RemoteId(type="deal", id="9"))])

    assert isinstance(gone, Gone)
    assert gone.why == "invisible"


def test_an_amount_becomes_minor_units_and_garbage_becomes_none(mock: responses.RequestsMock, http: Session) -> None:
    values = {"dealstage": "s", "pipeline": "p", "hs_lastmodifieddate": "2026-11-24T10:00:00.123Z"}
    money = [("1.234", "KWD"), ("1.234,56", "EUR")]
    deals = [
        {"id": number, "properties": {**values, "amount": amount, "deal_currency_code": currency}}
        for number, (amount, currency) in enumerate(money, 1)
    ]
    mock.post(DEALS_READ, json={"results": deals})

    told = HubSpot.open(settings(), http).look_up([RemoteRef(deal=RemoteId(type="deal", id=it)) for it in ("1", "2")])

    assert [(it.amount, it.currency) for it in facts_of(told)] == [(1234, "KWD"), (None, None)]
    assert {(it.version, it.outcome) for it in facts_of(told)} == {(1795514400123, None)}


def test_more_associations_than_a_page_are_all_read(mock: responses.RequestsMock, http: Session) -> None:
    url = f"{HOST}/crm/associations/{VERSION}/contacts/deals/batch/read"
    first = {"from": {"id": "7"}, "to": [{"toObjectId": 1}], "paging": {"next": {"after": "1"}}}
    mock.post(url, json={"results": [first]})
    mock.post(url, json={"results": [{"from": {"id": "7"}, "to": [{"toObjectId": 2}]}]})
    deals = [
        {"id": n, "properties": {"dealstage": "s", "pipeline": "p", "hs_lastmodifieddate": "1"}} for n in ("1", "2")
    ]
    mock.post(DEALS_READ, json={"results": deals})

    told = HubSpot.open(settings(), http).look_up([RemoteRef(person=RemoteId(type="contact", id="7"))])

    assert [it.ref.deal.id for it in told if it.ref.deal] == ["1", "2"]
    assert json.loads(mock.calls[1].request.body or "")["inputs"] == [{"id": "7", "after": "1"}]


def test_a_stage_called_closed_lost_that_is_open_is_open(mock: responses.RequestsMock, http: Session) -> None:
    stages = [
        {"id": "a", "label": "Closed lost", "metadata": {"isClosed": "false", "probability": "0.8"}},
        {"id": "b", "label": "Not won", "metadata": {"isClosed": "true", "probability": "1.0"}},
        {"id": "c", "label": "Won", "metadata": {"isClosed": "true", "probability": "0.0"}},
        {"id": "d", "label": "Sure", "metadata": {"isClosed": "false", "probability": "1.0"}},
    ]
    mock.get(PIPELINES, json={"results": [{"id": "p", "label": "P", "stages": stages}]})

    assert [it.outcome for it in HubSpot.open(settings(), http).stages()] == ["open", "won", "lost", "open"]


def test_history_gives_each_stage_the_pipeline_that_the_deal_was_in(
    mock: responses.RequestsMock, http: Session
) -> None:
    def past(*entries: tuple[str, int]) -> list[dict[str, Any]]:
        return [{"value": value, "timestamp": str(at), "sourceType": "CRM_UI"} for value, at in entries]

    history = {"dealstage": past(("won", 30), ("new", 10)), "pipeline": past(("second", 30), ("first", 10))}
    values = {"dealstage": "won", "pipeline": "second", "hs_lastmodifieddate": "40", "hs_is_closed_won": "true"}
    mock.post(DEALS_READ, json={"results": [{"id": "1", "properties": values, "propertiesWithHistory": history}]})
    mock.get(PIPELINES, json={"results": []})

    facts = HubSpot.open(settings(), http).history([RemoteId(type="deal", id="1")])

    assert [(it.pipeline, it.stage, it.version, it.outcome) for it in facts] == [
        ("first", "new", 10, None),
        ("second", "won", 30, "won"),
    ]


# --- the SDK, tamed --------------------------------------------------------------------------------------------------


def test_no_call_goes_by_a_path_of_the_old_versions(world: World) -> None:
    [pushed] = world.pushed(lead())
    assert pushed.ref.deal
    world.hubspot.check()
    world.hubspot.look_up([pushed.ref])
    world.hubspot.history([pushed.ref.deal])
    world.poll(world.hubspot.start(world.clock()))

    paths = {call.path for call in world.crm.log.listed()}
    assert paths
    assert all(f"/{VERSION}/" in path for path in paths)


def test_the_sdk_goes_through_our_session_and_keeps_no_pool_of_its_own(
    mock: responses.RequestsMock, http: Session
) -> None:
    """Pins the SDK's private names: `responses` sees the call only if it went through our session."""
    mock.post(SEARCH, json={"results": []})

    poll(HubSpot.open(settings(), http))

    [call] = mock.calls
    assert call.request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert http.calls["reads"] == 1


def test_opening_needs_no_network_and_validating_settings_needs_no_sdk(http: Session) -> None:
    HubSpot.open(settings(), http)

    assert http.calls["total"] == 0


def test_a_prefix_of_the_address_is_kept_and_its_last_slash_is_not() -> None:
    assert settings("http://127.0.0.1:9001/hubspot/").base_url == "http://127.0.0.1:9001/hubspot"


def test_neither_token_nor_lead_shows_in_logs_and_errors(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world.crm.faults.add(Fault(action="drop_before", path="contacts/batch/upsert"))

    with pytest.raises(Transient) as caught:
        world.hubspot.push([lead(firstname="Ann-Canary")])

    told = caplog.text + str(caught.value) + repr(world.hubspot) + repr(lead())
    assert world.crm.token() not in told
    assert "friend1@example.com" not in told
    assert "Ann-Canary" not in told
