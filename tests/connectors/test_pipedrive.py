"""The Pipedrive connector on the simulated company: what the suite cannot ask of every vendor."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from syncd.conformance import Trouble
from syncd.conformance.world import World, deal_of, facts, gone, of_deal, one, opened, person_of
from syncd.contract import (
    Connector,
    Gone,
    KeepsHistory,
    ListsFields,
    ManagesWebhooks,
    Meters,
    Misconfigured,
    Provisions,
    Pushed,
    ReceivesWebhooks,
    Rejected,
    RemoteId,
    RemoteRef,
    StageFact,
    Transient,
    UsesOAuth,
)
from syncd.sandbox.crm.pipedrive import REFERRAL_ID, CustomField
from syncd_connectors.pipedrive import Pipedrive, connector
from tests.conformance.pipedrive import PipedriveDouble

HOUR = timedelta(hours=1)


class Company:
    """A simulated company with a connector that makes leads of friends, and one that makes deals of them."""

    def __init__(self, world: World, crm: PipedriveDouble) -> None:
        self.world, self.crm, self.model = world, crm, crm.company
        self.as_deal, self.as_lead = world.connector, world.open(push={"as": "lead"})

    def pushed(self, number: int = 1, **given: Any) -> Pushed:
        """Push a friend as a lead."""
        [pushed] = self.world.push(self.world.lead(number, **given), connector=self.as_lead)
        return pushed

    def news(self, since: str, connector: Connector | None = None) -> list[StageFact | Gone]:
        """Poll once, up to a moment from now."""
        until = self.world.clock.forward(seconds=2)
        return [it for page in (connector or self.as_lead).changes(since, until) for it in page.facts]

    def paths(self, since: int = 0) -> list[str]:
        """Give the paths of the calls so far, from a number on."""
        return [urlsplit(url).path.removeprefix("/pipedrive/api") for url in self.world.http.urls[since:]]

    def leads(self) -> list[str]:
        """Give the ids of all live leads."""
        return [it.id for it in self.model.listed("lead")]


@pytest.fixture
def company() -> Iterator[Company]:
    crm = PipedriveDouble()
    with opened(crm) as world:
        yield Company(world, crm)


def test_it_has_every_ability_that_pipedrive_has(company: Company) -> None:
    typed: type[Connector] = connector  # the type checker compares every signature

    assert typed is Pipedrive
    for ability in (
        Connector,
        KeepsHistory,
        ListsFields,
        Provisions,
        Meters,
        ReceivesWebhooks,
        ManagesWebhooks,
        UsesOAuth,
    ):
        assert isinstance(company.as_deal, ability)


# --- leads go out ---


def test_a_friend_becomes_a_person_and_a_lead_that_carry_our_id(company: Company) -> None:
    fields = {"Referred by": "Ann", "person.name": "Zebedee Q.", "deal.title": "From Ann", "deal.Referral code": "C1"}
    lead = replace(company.world.lead(), fields=fields)
    lead = replace(lead, person=replace(lead.person, phone="+4670123"))
    [pushed] = company.world.push(lead, connector=company.as_lead)

    assert pushed.ref.deal
    assert pushed.created
    person, made = company.model.live("person", person_of(pushed).id), company.model.live("lead", pushed.ref.deal.id)
    assert person.values["name"] == "Zebedee Q."
    assert [it["value"] for it in person.values["emails"]] == ["zebedee1@example.com"]
    assert [it["value"] for it in person.values["phones"]] == ["+4670123"]
    assert person.custom == {
        company.model.schema.key("person", REFERRAL_ID): "ref_0001",
        company.model.schema.key("person", "Referred by"): "Ann",
    }
    assert (made.values["title"], made.values["person_id"]) == ("From Ann", int(person.id))
    assert made.custom == {
        company.model.schema.key("deal", REFERRAL_ID): "ref_0001",
        company.model.schema.key("deal", "Referral code"): "C1",
    }
    assert pushed.ref == RemoteRef(
        person=RemoteId(type="person", id=person.id),
        deal=RemoteId(type="lead", id=made.id),
        url=f"https://acme.pipedrive.com/leads/inbox/{made.id}",
    )


def test_who_has_no_name_is_called_by_what_there_is(company: Company) -> None:
    """Pipedrive requires a name."""
    lead = company.world.lead(role="advocate")
    nameless = replace(lead, person=replace(lead.person, first_name=None, last_name=None))
    nobody = replace(nameless, id="ref_9", person=replace(nameless.person, email=None))

    for pushed, name in zip(
        company.world.push(nameless, nobody), ("zebedee1@example.com", "Referral ref_9"), strict=True
    ):
        assert company.model.live("person", person_of(pushed).id).values["name"] == name


def test_a_deal_starts_where_the_settings_say(company: Company) -> None:
    pipeline_alone = company.world.open(push={"pipeline": "2"})
    stage_alone = company.world.open(push={"stage": "3", "owner": company.model.user.id})

    [first] = company.world.push(company.world.lead(1), connector=pipeline_alone)
    [second] = company.world.push(company.world.lead(2), connector=stage_alone)

    assert [company.crm.stage(deal_of(it)) for it in (first, second)] == ["6", "3"]
    assert first.ref.url == f"https://acme.pipedrive.com/deal/{deal_of(first).id}"


def test_a_new_lead_costs_three_calls_and_its_batch_one(company: Company) -> None:
    company.pushed(99)  # so that the fields are known
    before = len(company.world.http.urls)

    company.world.push(*(company.world.lead(number) for number in range(1, 6)), connector=company.as_lead)

    assert len(company.world.http.urls) - before == 5 * 3 + 1


@pytest.mark.parametrize("kind", ["deal", "lead"])
@pytest.mark.parametrize("trouble", [Trouble.DROP_AFTER, Trouble.ERROR_AFTER, Trouble.TRUNCATED])
@pytest.mark.parametrize("broken_at", [2, 3])
def test_nothing_is_doubled_though_the_search_knows_nothing_yet(
    company: Company, kind: str, trouble: Trouble, broken_at: int
) -> None:
    """Nothing is unique in Pipedrive, and its search lags: the lists show what was made a moment ago."""
    chosen = company.as_lead if kind == "lead" else company.as_deal
    company.world.push(company.world.lead(99), connector=chosen)
    company.crm.lag(3_600)
    company.crm.trouble(trouble, after=broken_at)

    with pytest.raises(Transient):
        company.world.push(company.world.lead(), connector=chosen)
    company.crm.mend()
    company.world.clock.forward(minutes=9)
    company.world.push(company.world.lead(), connector=chosen)

    assert len(company.crm.persons("ref_0001")) == 1
    made = company.leads() if kind == "lead" else company.crm.deals("ref_0001")
    assert len(made) == (2 if kind == "lead" else 1)


def test_a_person_whom_a_look_alike_id_finds_is_not_taken(company: Company) -> None:
    """The search knows no case, and looks into every field."""
    key = company.model.schema.key("person", "Referred by")
    for text in ("ref_0001", "REF_0001"):
        person = company.model.meet("Somebody")
        company.model.edit("person", person, {"Referred by": text} if text.islower() else {REFERRAL_ID: text})

    pushed = company.pushed()

    assert company.model.live("person", person_of(pushed).id).custom[key] == "Quillfeather"
    assert pushed.created


def test_a_lead_that_sales_has_archived_is_not_made_again(company: Company) -> None:
    first = company.pushed()
    assert first.ref.deal
    company.model.edit("lead", first.ref.deal.id, is_archived=True)

    again, known = company.pushed(), company.pushed(known=first.ref)

    assert again.ref.deal == known.ref.deal == first.ref.deal
    assert len(company.leads()) == 1


def test_a_lead_that_became_a_deal_is_not_made_again(company: Company) -> None:
    first = company.pushed()
    assert first.ref.deal
    deal = company.model.convert_lead(first.ref.deal.id)

    again, known = company.pushed(), company.pushed(known=first.ref)

    assert again.ref.deal == known.ref.deal == RemoteId(type="deal", id=deal)
    assert company.leads() == []


def test_an_archived_deal_is_not_made_again(company: Company) -> None:
    [first] = company.world.push(company.world.lead())
    company.model.edit("deal", deal_of(first).id, is_archived=True)

    [again] = company.world.push(company.world.lead())

    assert again.ref.deal == first.ref.deal


def test_the_deal_of_another_lead_with_the_same_person_is_not_taken(company: Company) -> None:
    first, second = company.world.push(company.world.lead(1, role="advocate"), company.world.lead(2))
    company.model.edit("deal", deal_of(second).id, person_id=int(person_of(first).id))

    [pushed] = company.world.push(company.world.lead(1))

    assert pushed.ref.person == first.ref.person
    assert pushed.ref.deal != second.ref.deal


@pytest.mark.parametrize("role", ["friend", "advocate"])
def test_what_was_deleted_or_merged_away_needs_review_and_is_not_made_again(company: Company, role: Any) -> None:
    """Nobody can tell from outside whether another record stands for it now; a second one might be a double."""
    [first] = company.world.push(company.world.lead(1, role=role))
    company.crm.delete(first.ref.deal or person_of(first))
    before = company.crm.size()

    [verdict] = company.as_deal.push([company.world.lead(1, role=role, known=first.ref)])

    assert isinstance(verdict, Rejected)
    assert "needs review" in str(verdict)
    assert company.crm.size() == before


def test_an_id_that_people_write_into_the_survivor_ends_the_review(company: Company) -> None:
    """As the refusal says."""
    first, second = company.world.push(company.world.lead(1), company.world.lead(2))
    company.crm.merge(deal_of(first), deal_of(second))
    company.model.edit("deal", deal_of(first).id, {REFERRAL_ID: "ref_0002"}, person_id=int(person_of(second).id))

    [again] = company.world.push(replace(company.world.lead(2), known=second.ref))

    assert again.ref.deal == first.ref.deal


def test_two_failures_in_a_row_end_a_batch_and_one_does_not(company: Company) -> None:
    """A lead that breaks the CRM hurts nobody; a CRM that is down is left alone."""
    company.pushed(99)
    company.crm.trouble(Trouble.ERROR)
    before = len(company.world.http.urls)

    with pytest.raises(Transient):
        company.as_lead.push([company.world.lead(number) for number in range(1, 9)])

    assert len(company.world.http.urls) - before == 2 * 3  # each search is tried three times


def test_what_arrived_before_a_failure_is_told(company: Company) -> None:
    company.pushed(99)
    company.crm.trouble(Trouble.DAILY_LIMIT, after=4)

    verdicts = company.as_lead.push([company.world.lead(number) for number in range(1, 9)])

    assert [type(it).__name__ for it in verdicts] == ["Pushed", *["Parked"] * 7]


# --- stages come back ---


def test_a_won_deal_is_told_as_won_in_whatever_stage_it_stands(company: Company) -> None:
    """A deal keeps its last stage when it is won; were that told, a stage map would hide the win."""
    deal = company.world.deal()
    company.crm.move(deal, "2")
    company.crm.move(deal, "won")

    fact = one(facts(company.world.look_up(RemoteRef(deal=deal))))

    assert company.model.live("deal", deal.id).values["stage_id"] == 2
    assert (fact.pipeline, fact.stage, fact.outcome) == ("1", "won", "won")


def test_a_renamed_stage_keeps_its_id(company: Company) -> None:
    since, deal = company.world.now(), company.world.deal()
    company.crm.rename_stage("2", "Lost")
    company.crm.move(deal, "2")

    stage = one(it for it in company.as_deal.stages() if it.id == "2")
    fact = one(of_deal(company.world.news(since), deal))

    assert (stage.label, stage.outcome) == ("Lost", "open")
    assert (fact.stage, fact.outcome) == ("2", "open")


def test_each_pipeline_can_be_won_and_lost(company: Company) -> None:
    told = [(it.pipeline, it.id, it.outcome) for it in company.as_deal.stages() if it.outcome != "open"]

    assert told == [(pipeline, end, end) for pipeline in ("1", "2") for end in ("won", "lost")]


def test_leads_stand_in_a_pipeline_of_their_own(company: Company) -> None:
    assert [it.id for it in company.as_lead.stages() if it.pipeline == "leads"] == ["open", "archived"]
    assert [it.id for it in company.as_deal.stages() if it.pipeline == "leads"] == []


def test_a_lead_is_told_as_open_and_as_archived(company: Company) -> None:
    since, pushed = company.as_lead.start(company.world.clock()), company.pushed()
    lead = pushed.ref.deal
    assert lead
    told = [one(facts(company.news(since)))]
    company.model.edit("lead", lead.id, is_archived=True)
    company.world.clock.forward(minutes=61)
    told.append(one(facts(company.news(since))))

    assert [(it.ref.deal, it.lead, it.pipeline, it.stage, it.outcome) for it in told] == [
        (lead, "ref_0001", "leads", "open", "open"),
        (lead, "ref_0001", "leads", "archived", "open"),
    ]
    assert told[1].version > told[0].version


def test_a_converted_lead_is_followed_to_its_deal_by_the_poll(company: Company) -> None:
    since, pushed = company.as_lead.start(company.world.clock()), company.pushed()
    assert pushed.ref.deal
    deal = RemoteId(type="deal", id=company.model.convert_lead(pushed.ref.deal.id, stage="2"))

    told = company.news(since)

    moved = one(gone(told))
    assert (moved.ref.deal, moved.why, moved.into and moved.into.deal) == (pushed.ref.deal, "merged", deal)
    fact = one(facts(told))
    assert (fact.ref.deal, fact.lead, fact.stage) == (deal, "ref_0001", "2")
    assert told.index(moved) < told.index(fact)


def test_a_converted_lead_is_followed_to_its_deal_by_its_person(company: Company) -> None:
    pushed = company.pushed()
    assert pushed.ref.deal
    deal = company.model.convert_lead(pushed.ref.deal.id)

    told = list(company.as_lead.look_up([pushed.ref]))

    assert [(it.ref.deal, it.why, it.into and it.into.deal) for it in gone(told)] == [
        (pushed.ref.deal, "merged", RemoteId(type="deal", id=deal))
    ]
    assert one(facts(told)).lead == "ref_0001"


def test_a_lead_that_is_no_more_is_told_as_deleted_only_where_its_deal_would_be_seen(company: Company) -> None:
    """Without its person nobody knows whether it became a deal, and a win must not be taken for a loss."""
    pushed = company.pushed()
    assert pushed.ref.deal
    company.model.archive("lead", pushed.ref.deal.id)

    with_person, alone = (
        company.as_lead.look_up([pushed.ref]),
        company.as_lead.look_up([RemoteRef(deal=pushed.ref.deal)]),
    )

    assert [it.why for it in gone(with_person)] == ["deleted"]
    assert [it.why for it in gone(alone)] == ["invisible"]


def test_many_leads_are_read_in_pages_of_all_that_there_are(company: Company) -> None:
    """There is no list of leads by their ids."""
    refs = [company.pushed(number).ref for number in range(30)]
    assert refs[0].deal
    company.model.edit("lead", refs[0].deal.id, is_archived=True)
    before = len(company.world.http.urls)

    told = facts(company.as_lead.look_up([RemoteRef(deal=ref.deal) for ref in refs]))

    assert {it.ref.deal for it in told} == {ref.deal for ref in refs}
    assert company.paths(before) == ["/v1/leads", "/v1/leads", f"/v1/leads/{refs[0].deal.id}"]


def test_persons_without_further_deals_cost_no_call_each(company: Company) -> None:
    """An hourly sweep of a hundred open referrals asks twice, and once more for whom sales opened a deal."""
    pushed = company.world.push(*(company.world.lead(number) for number in range(1, 21)))
    deal = company.crm.open_deal(person_of(pushed[3]))
    before = len(company.world.http.urls)

    told = facts(company.as_deal.look_up([it.ref for it in pushed]))

    assert company.paths(before) == ["/v2/deals", "/v2/persons", "/v2/deals"]
    assert len(told) == 21
    assert one(it for it in told if it.ref.deal == deal).ref.person == person_of(pushed[3])


def test_a_deal_of_ours_names_no_person_or_it_would_be_everybodys_who_shares_that_one(company: Company) -> None:
    fact = one(of_deal(company.world.look_up(RemoteRef(deal=(deal := company.world.deal()))), deal))

    assert (fact.lead, fact.ref.person) == ("ref_0001", None)


def test_an_archived_deal_is_told_as_it_stands(company: Company) -> None:
    """By its id, and by the poll once an hour: ordinary lists leave it out."""
    since, deal = company.world.now(), company.world.deal()
    company.crm.move(deal, "won")
    company.model.edit("deal", deal.id, is_archived=True)
    company.world.clock.forward(minutes=30)

    assert of_deal(company.world.news(since), deal) == []
    assert [it.stage for it in facts(company.world.look_up(RemoteRef(deal=deal)))] == ["won"]
    company.world.clock.forward(minutes=31)
    assert [it.stage for it in of_deal(company.world.news(since), deal)] == ["won"]


def test_a_deleted_deal_is_told_by_the_poll_once_an_hour(company: Company) -> None:
    since, deal = company.world.now(), company.world.deal()
    company.crm.delete(deal)
    company.world.clock.forward(minutes=61)

    told, _ = company.world.poll(since)

    assert [(it.ref.deal, it.why) for it in gone(told)] == [(deal, "deleted")]


def test_a_deal_that_nobody_may_see_is_told_as_invisible(company: Company) -> None:
    """It is no loss: perhaps the token's user only lost a permission."""
    deal = company.world.deal()
    company.model.hide("deal", deal.id)

    assert [it.why for it in gone(company.world.look_up(RemoteRef(deal=deal)))] == ["invisible"]


def test_an_idle_poll_is_two_calls_with_leads_and_five_once_an_hour(company: Company) -> None:
    company.pushed()
    company.world.clock.forward(days=1)
    since = company.as_lead.start(company.world.clock())
    numbers = []
    for _ in range(2):
        before = len(company.world.http.urls)
        company.world.clock.forward(minutes=31)
        company.news(since)
        numbers.append(len(company.world.http.urls) - before)

    assert numbers == [2, 5]


def test_the_rest_is_read_from_where_it_was_read_last(company: Company) -> None:
    """The slow lists have a mark of their own, or an hour of deletions would fall between two of them."""
    clock = company.world.clock
    since = company.world.now()
    for _ in range(5):
        clock.forward(minutes=20)
        _, since = company.world.poll(since)

    assert json.loads(since)["until"] - json.loads(since)["rest"] == 2 * 20 * 60_000


def test_the_history_tells_what_was_passed_won_and_reopened(company: Company) -> None:
    deal = company.world.deal()
    times = [company.world.clock()]
    for stage in ("2", "won", "3"):
        times.append(company.world.clock.forward(minutes=1))
        company.crm.move(deal, stage)

    told = company.world.historian().history([deal])

    # A won deal that is dragged on is open again first, in its old stage, within the same second.
    assert [(it.stage, it.outcome, it.at) for it in told] == [
        (stage, outcome, at)
        for (stage, outcome), at in zip(
            [("1", "open"), ("2", "open"), ("won", "won"), ("3", "open")], times, strict=True
        )
    ]
    assert [it.lead for it in told] == ["ref_0001"] * 4


def test_steps_within_one_second_keep_their_order(company: Company) -> None:
    deal = company.world.deal()
    company.world.clock.forward(minutes=1)
    company.crm.move(deal, "2")
    company.world.clock.forward(seconds=1)
    company.crm.move(deal, "won")

    told = company.world.historian().history([deal])

    assert [it.stage for it in told] == ["1", "2", "won"]
    assert sorted({it.version for it in told}) == [it.version for it in told]


def test_the_history_of_what_never_changed_costs_no_call_of_its_own(company: Company) -> None:
    """A changelog costs 20 tokens, and every new deal is asked for once."""
    deals = [deal_of(it) for it in company.world.push(*(company.world.lead(number) for number in range(1, 6)))]
    company.world.clock.forward(minutes=1)
    company.crm.move(deals[0], "2")
    before = len(company.world.http.urls)

    told = company.world.historian().history([*deals, RemoteId(type="lead", id="no-such-lead")])

    assert company.paths(before) == ["/v2/deals", f"/v1/deals/{deals[0].id}/changelog"]
    assert len(told) == 6


# --- settings against the company ---


def test_check_names_whose_account_it_is(company: Company) -> None:
    account = company.as_deal.check()

    assert account.id
    assert "persons have the field Referral ID" in account.checked


@pytest.mark.parametrize(
    ("push", "path", "hint"),
    [
        ({"fields": {"Referred bye": "friend.name"}}, "push.fields.Referred bye", "did you mean Referred by?"),
        ({"fields": {"deal.Budget": "friend.name"}}, "push.fields.deal.Budget", "map a custom field of the type text"),
        ({"fields": {"owner_id": "friend.name"}}, "push.fields.owner_id", "map a custom field of the type text"),
        ({"referral_id": "Budget"}, "push.referral_id", "create it in Pipedrive: Data fields, person, text"),
        ({"referral_id": "title"}, "push.referral_id", "create it in Pipedrive: Data fields, person, text"),
        ({"referral_id": "name"}, "push.referral_id", "make it a custom field of the type text"),
        ({"pipeline": "9"}, "push.pipeline", "it has 1, 2"),
        ({"pipeline": "2", "stage": "3"}, "push.stage", "it has 6, 7"),
        ({"stage": "99"}, "push.stage", "it has 1, 2, 3, 4, 5, 6, 7"),
    ],
)
def test_check_names_the_setting_at_fault(company: Company, push: Any, path: str, hint: str) -> None:
    company.model.schema.add(CustomField(on="deal", name="Budget", type="double"))

    with pytest.raises(Misconfigured) as caught:
        company.world.open(push=push).check()

    assert (caught.value.yaml_path, caught.value.hint) == (path, hint)


def test_two_fields_of_one_name_are_told_apart_by_their_keys(company: Company) -> None:
    """Names are not unique in Pipedrive: the wrong one would carry our ids."""
    second = company.model.schema.add(CustomField(on="person", name=REFERRAL_ID)).code

    with pytest.raises(Misconfigured) as caught:
        company.as_deal.check()

    assert caught.value.yaml_path == "push.referral_id"
    assert second in caught.value.hint


def test_stages_of_leads_and_ends_of_deals_can_be_mapped(company: Company) -> None:
    stages = {"leads": {"archived": "lost"}, "1": {"won": "won", "2": "meeting"}}

    assert company.world.open(push={"as": "lead"}, stages=stages).check().checked


def test_the_field_is_created_where_it_is_missing(company: Company) -> None:
    fresh = company.world.open(push={"referral_id": "Our key"})
    assert isinstance(fresh, Provisions)

    assert fresh.provision() == ["the field Our key on persons", "the field Our key on deals"]
    assert fresh.provision() == []
    fresh.check()
    company.world.push(company.world.lead(), connector=fresh)


def test_a_field_that_is_created_now_needs_no_restart(company: Company) -> None:
    fresh = company.world.open(push={"referral_id": "Our key"})
    with pytest.raises(Misconfigured):
        company.world.push(company.world.lead(), connector=fresh)
    for on in ("person", "deal"):
        company.model.schema.add(CustomField(on=on, name="Our key"))

    assert company.world.push(company.world.lead(), connector=fresh)


def test_fields_that_take_text_are_listed_by_the_name_that_the_settings_use(company: Company) -> None:
    company.model.schema.add(CustomField(on="deal", name="Budget", type="double"))
    assert isinstance(company.as_deal, ListsFields)

    listed = [(it.of, it.name) for it in company.as_deal.fields()]

    assert listed == [
        ("person", "Name"),
        ("person", "Referral code"),
        ("person", "Referred by"),
        ("deal", "deal.Title"),
        ("deal", "deal.Referral code"),
        ("deal", "deal.Referred by"),
    ]


def test_every_listed_field_can_be_written(company: Company) -> None:
    assert isinstance(company.as_deal, ListsFields)
    fields: Sequence[str] = [it.name for it in company.as_deal.fields()]
    lead = replace(company.world.lead(), fields={name: f"text of {name}" for name in fields})

    [pushed] = company.world.push(lead)

    person, deal = company.model.live("person", person_of(pushed).id), company.model.live("deal", deal_of(pushed).id)
    written = [*person.custom.values(), person.values["name"], *deal.custom.values(), deal.values["title"]]
    assert {f"text of {name}" for name in fields} <= set(written)
