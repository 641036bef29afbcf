"""The sandbox CRM's records as a sales team works on them, without HTTP."""

from __future__ import annotations

import threading
from datetime import datetime

import pytest

from syncd.sandbox.crm import CrmModel, Refusal
from tests.sandbox.crm_client import Clock


@pytest.fixture
def model(clock: Clock) -> CrmModel:
    return CrmModel(now=clock.now)


def person(model: CrmModel, name: str) -> str:
    return model.write("contacts", None, {"email": f"{name}@example.com", "firstname": name}).id


def test_a_deal_opened_by_hand_belongs_to_its_contact_and_carries_no_id_of_ours(model: CrmModel) -> None:
    contact = person(model, "mei")

    deal = model.open_deal(contact, name="Big one", amount="1249.00")

    record = model.find("deals", deal)
    assert record is not None
    assert "referral_id" not in record.values
    assert (record.values["amount"], record.values["pipeline"]) == ("1249.00", "default")
    assert [it.id for it in model.linked(record)] == [contact]


def test_the_change_log_tells_every_step_in_order(model: CrmModel) -> None:
    contact = person(model, "mei")
    deal = model.open_deal(contact)
    begun = model.log[-1].seq

    model.move(deal, "closedwon")
    model.set_amount(deal, "99.50")
    model.archive("deals", deal)
    model.restore("deals", deal)

    steps = [(it.what, it.property) for it in model.log if it.seq > begun and it.type == "deals"]
    wanted = [("changed", "dealstage"), ("changed", "amount"), ("archived", None), ("restored", None)]
    assert [step for step in steps if step in wanted] == wanted
    assert [it.seq for it in model.log] == list(range(1, len(model.log) + 1))
    assert "mei@example.com" not in repr(model.log)
    assert "mei@example.com" not in repr(model.records)


def test_an_archived_records_unique_values_are_free_and_may_bar_its_way_back(model: CrmModel) -> None:
    first = person(model, "mei")
    model.archive("contacts", first)
    second = person(model, "mei")

    with pytest.raises(Refusal, match="Contact already exists"):
        model.restore("contacts", first)
    model.archive("contacts", second)
    model.restore("contacts", first)

    assert model.find("contacts", first) is not None


def test_a_merge_of_merges_still_leads_from_every_old_id_to_the_last(model: CrmModel) -> None:
    ids = [person(model, name) for name in ("a", "b", "c")]

    middle = model.merge("contacts", ids[0], ids[1])
    last = model.merge("contacts", ids[2], middle)

    found = {record.id for id_ in [*ids, middle] if (record := model.find("contacts", id_))}
    assert found == {last}
    assert model.records["contacts"][last].values["hs_merged_object_ids"].split(";") == [ids[2], middle, *ids[:2]]
    owners = [model.find_by("contacts", "email", f"{name}@example.com") for name in "abc"]
    assert [owner.id for owner in owners if owner] == [last] * 3


def test_a_merged_deal_keeps_the_primarys_stage_and_its_past(model: CrmModel, clock: Clock) -> None:
    contact = person(model, "mei")
    first, second = model.open_deal(contact, stage="contractsent"), model.open_deal(contact)
    clock.move(5)
    model.move(second, "closedwon")

    new = model.records["deals"][model.merge("deals", first, second)]

    assert new.values["dealstage"] == "contractsent"
    assert [past.value for past in new.history["dealstage"]] == ["contractsent"]
    assert [it.id for it in model.linked(model.records["contacts"][contact])] == [new.id]


@pytest.mark.parametrize("wrong", ["same", "archived", "unknown"])
def test_only_two_live_records_can_be_merged(model: CrmModel, wrong: str) -> None:
    first, second = person(model, "a"), person(model, "b")
    model.archive("contacts", second)
    other = {"same": first, "archived": second, "unknown": "1"}[wrong]

    with pytest.raises(KeyError):
        model.merge("contacts", first, other)


def test_a_property_remembers_a_limited_number_of_values(model: CrmModel) -> None:
    deal = model.open_deal(person(model, "mei"))
    for n in range(100):
        model.set_amount(deal, str(n))

    assert [past.value for past in model.records["deals"][deal].history["amount"]] == [
        str(n) for n in range(99, 79, -1)
    ]


def test_a_record_keeps_no_states_that_search_can_no_longer_show(model: CrmModel) -> None:
    deal = model.open_deal(person(model, "mei"))
    for n in range(100):
        model.set_amount(deal, str(n))

    assert len(model.records["deals"][deal].snapshots) == 1


def test_unknown_and_archived_records_cannot_be_edited(model: CrmModel) -> None:
    deal = model.open_deal(person(model, "mei"))
    model.archive("deals", deal)

    for id_ in (deal, "1"):
        with pytest.raises(KeyError):
            model.move(id_, "closedwon")


def test_counts_of_associations_follow_archival_and_return(model: CrmModel) -> None:
    contact = person(model, "mei")
    deal = model.open_deal(contact)

    def count() -> str:
        return model.records["deals"][deal].values["num_associated_contacts"]

    counts = [count()]
    model.archive("contacts", contact)
    counts.append(count())
    model.restore("contacts", contact)

    assert [*counts, count()] == ["1", "0", "1"]


def test_times_are_cut_to_the_millisecond(model: CrmModel, clock: Clock) -> None:
    clock.move(0.0019)

    contact = model.records["contacts"][person(model, "mei")]

    assert contact.updated.microsecond == 1_000
    assert contact.values["lastmodifieddate"] == "2026-11-24T09:00:00.001Z"


def test_of_many_threads_that_write_one_email_one_makes_the_contact(clock: Clock) -> None:
    def dawdle() -> datetime:  # between the check and the write, so that the threads would meet there
        threading.Event().wait(0.005)
        return clock.now()

    model = CrmModel(now=dawdle)
    gate, refused = threading.Barrier(8), []

    def write() -> None:
        gate.wait()
        try:
            person(model, "mei")
        except Refusal as refusal:
            refused.append(refusal.status)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(model.records["contacts"]) == 1
    assert refused == [409] * 7
