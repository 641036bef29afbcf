"""Pipedrive's own webhooks: what proves one, what it names, and how they are ordered."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from syncd.conformance.probe import Clock
from syncd.conformance.world import World, opened
from syncd.contract import BadDelivery, Delivery, Misconfigured, RemoteId, RemoteRef, Subscription
from syncd.sandbox.crm import Fault
from syncd.sandbox.crm.hooks import Hooks
from syncd.sandbox.crm.pipedrive import Pipedrive as Account
from syncd_connectors.pipedrive import Pipedrive, PipedriveSettings
from syncd_connectors.pipedrive.webhooks import Orders, read
from tests.conformance.pipedrive import PipedriveDouble

USER, PASSWORD, PATH = "syncd", "a-password-of-24-letters", "a-path-secret-of-26-letters"
URL = f"https://syncd.example.com/webhooks/pd/{PATH}"
LEAD = "adf21080-0e10-11eb-879b-05d71fb426ec"


def settings(**given: Any) -> PipedriveSettings:
    webhook = {"user": USER, "password": PASSWORD, "path_secret": PATH}
    section = {"name": "pd", "type": "pipedrive", "company_domain": "acme", "api_token": "t", "webhook": webhook}
    return PipedriveSettings.model_validate(section | given)


def basic(pair: bytes) -> str:
    return f"Basic {base64.b64encode(pair).decode()}"


GOOD = basic(f"{USER}:{PASSWORD}".encode())


def delivery(clock: Clock, *, proof: str | None = GOOD, secret: str = PATH, **meta: Any) -> Delivery:
    said = {"id": "5d2f-1", "version": "2.0", "action": "change", "entity": "deal", "entity_id": "7", **meta}
    return Delivery(
        method="POST",
        url=URL,
        secret=secret,
        headers={} if proof is None else {"authorization": proof},
        body=json.dumps({"meta": said, "data": None, "previous": None}).encode(),
        at=clock(),
    )


def refs(clock: Clock, **meta: Any) -> list[RemoteRef]:
    webhook = settings().webhook
    assert webhook
    return [ref for poke in read(delivery(clock, **meta), webhook) for ref in poke.refs]


# --- what proves one, and what it names ---


@pytest.mark.parametrize("proof", [GOOD, GOOD.replace("Basic", "basic"), GOOD.replace(" ", "   ")])
def test_user_and_password_prove_a_message(clock: Clock, proof: str) -> None:
    assert refs(clock, proof=proof) == [RemoteRef(deal=RemoteId(type="deal", id="7"))]


@pytest.mark.parametrize(
    "proof",
    [
        None,
        "",
        "Basic",
        "Bearer " + GOOD[6:],
        basic(f"other:{PASSWORD}".encode()),
        basic(f"{USER}:{PASSWORD}x".encode()),
        basic(f"{USER}:".encode()),
        basic(f"{USER}:pässword".encode("latin-1")),
        f"Basic {USER}:{PASSWORD}",
        "Basic é",
        "Basic \udcff",
    ],
)
def test_anything_else_is_forged(clock: Clock, proof: str | None) -> None:
    with pytest.raises(BadDelivery) as caught:
        refs(clock, proof=proof)

    assert caught.value.reason == "forged"


@pytest.mark.parametrize("secret", ["", PATH[:-1], f"{PATH}é"])
def test_the_address_has_to_be_the_secret_one(clock: Clock, secret: str) -> None:
    with pytest.raises(BadDelivery) as caught:
        refs(clock, secret=secret)

    assert caught.value.reason == "forged"


@pytest.mark.parametrize(
    ("meta", "named"),
    [
        ({"entity": "deal", "action": "create"}, ["deal 7"]),
        ({"entity": "deal", "action": "delete", "merged_to_id": 9}, ["deal 7", "deal 9"]),
        ({"entity": "lead", "entity_id": LEAD, "action": "delete"}, [f"lead {LEAD}"]),
        ({"entity": "lead", "entity_id": LEAD, "action": "create"}, []),
        ({"entity": "person", "action": "delete", "merged_to_id": "9"}, ["person 7", "person 9"]),
        ({"entity": "person", "action": "change"}, []),
        ({"entity": "activity"}, []),
        ({"entity": "deal", "entity_id": "7; drop"}, []),
        ({"entity": "deal", "entity_id": {"id": 7}}, []),
    ],
)
def test_a_message_names_the_records_that_are_of_interest(clock: Clock, meta: dict[str, Any], named: list[str]) -> None:
    found = [it for ref in refs(clock, **meta) for it in (ref.person, ref.deal) if it]

    assert [f"{it.type} {it.id}" for it in found] == named


@pytest.mark.parametrize("meta", [{"version": "1.0"}, {"version": 2}, {"id": None}, {"id": ""}, {"id": "x" * 201}])
def test_a_message_of_another_form_is_unreadable(clock: Clock, meta: dict[str, Any]) -> None:
    with pytest.raises(BadDelivery) as caught:
        refs(clock, **meta)

    assert caught.value.reason == "unreadable"


@pytest.mark.parametrize(
    "webhook",
    [
        {"user": "syncd"},
        {"user": "a:b", "password": PASSWORD},
        {"user": "", "password": PASSWORD},
        {"user": "syncd", "password": "short"},
    ],
)
def test_a_proof_that_proves_little_is_refused_at_the_start(webhook: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="webhook"):
        settings(webhook=webhook)


# --- ordering them, in the simulated company ---


class Ordering:
    """A simulated company in which webhooks are ordered."""

    def __init__(self, world: World, crm: PipedriveDouble, account: Account) -> None:
        self.world, self.crm, self.account = world, crm, account
        self.url = crm.webhook_url

    def subscribe(self, **changes: Any) -> Subscription:
        connector = self.world.open(**changes)
        assert isinstance(connector, Pipedrive)
        return connector.subscribe(self.url)

    @property
    def hooks(self) -> Hooks:
        return self.account.webhooks.hooks

    def order(self, entity: str = "deal", **given: Any) -> str:
        """Order a webhook for our URL by hand, the right one but for what is given; give its id."""
        usual = {"name": "by hand", "url": self.url, "action": "*", "entity": entity, "user": 1}
        proof = {"auth_user": "syncd", "auth_password": self.crm.secrets[3]}
        return self.account.webhooks.create(**{**usual, **proof, **given}).id

    def listed(self) -> list[str]:
        return sorted(f"{it.entity}.{it.action}" for it in self.account.webhooks.listed() if it.url == self.url)

    def ids(self) -> set[str]:
        return {it.id for it in self.account.webhooks.listed()}


@pytest.fixture
def ordering() -> Iterator[Ordering]:
    crm = PipedriveDouble()
    with opened(crm) as world:
        account = crm._crm.accounts["pipedrive"]
        assert isinstance(account, Account)
        yield Ordering(world, crm, account)


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [("deal", ["deal.*", "person.delete"]), ("lead", ["deal.*", "lead.*", "person.delete"])],
)
def test_no_more_is_ordered_than_serves(ordering: Ordering, kind: str, wanted: list[str]) -> None:
    first, again = (ordering.subscribe(push={"as": kind}) for _ in range(2))

    assert ordering.listed() == wanted
    assert (first.done, again.done) == (f"ordered {', '.join(_in_order(wanted))}", "")


def _in_order(wanted: list[str]) -> list[str]:
    return sorted(wanted, key=lambda it: ["deal.*", "lead.*", "person.delete"].index(it))


@pytest.mark.parametrize(
    "given", [{"auth_user": "other"}, {"auth_user": None}, {"auth_password": "another-password-7f3c"}]
)
def test_one_with_another_proof_is_replaced(ordering: Ordering, given: dict[str, Any]) -> None:
    wrong = ordering.order(**given)

    subscription = ordering.subscribe()

    assert wrong not in ordering.ids()
    assert ordering.listed() == ["deal.*", "person.delete"]
    assert "removed 1" in subscription.done


def test_doubles_and_what_is_no_longer_wanted_are_removed(ordering: Ordering) -> None:
    """A creating call whose answer was lost may have worked; and leads may no longer be pushed."""
    kept = ordering.order()
    for entity in ("deal", "lead"):
        ordering.order(entity)

    ordering.subscribe()

    assert ordering.listed() == ["deal.*", "person.delete"]
    assert kept in ordering.ids()


def test_the_new_one_is_there_before_the_old_one_goes(ordering: Ordering) -> None:
    """Else what happens between the two would be told to nobody."""
    ordering.order(auth_user="other")

    ordering.subscribe()

    writes = [it.method for it in ordering.crm._crm.log.listed() if it.method != "GET"]
    assert writes == ["POST", "POST", "DELETE"]


def test_those_of_others_stay(ordering: Ordering) -> None:
    theirs = ordering.order(url=f"{ordering.url}x", auth_user="other")

    ordering.subscribe()
    connector = ordering.world.open()
    assert isinstance(connector, Pipedrive)
    connector.unsubscribe(ordering.url)

    assert ordering.ids() == {theirs}


def test_a_ban_is_noticed_and_ended_by_ordering_anew(ordering: Ordering) -> None:
    """Ten messages that were not taken at once ban a webhook for half an hour; what happens meanwhile is lost."""
    ordering.subscribe()
    ordering.hooks._post = lambda *_: 500
    [deal] = [ordering.world.deal()]
    for number in range(12):
        ordering.world.crm.move(deal, ordering.crm.open_stages[number % 3])
        ordering.hooks.tick()
    ordering.hooks._post = ordering.crm._sent

    subscription = ordering.subscribe()
    ordering.world.crm.move(deal, "won")

    assert subscription.done == "ordered deal.*; removed 1 that did not serve"
    assert ordering.crm.messages()


def test_what_pipedrive_removed_after_three_days_is_ordered_again(ordering: Ordering) -> None:
    ordering.subscribe()
    deal = ordering.world.deal()
    ordering.hooks._post = lambda *_: 500
    ordering.world.clock.forward(days=3)
    ordering.world.crm.move(deal, "won")
    ordering.hooks.tick()
    gone = ordering.listed()

    ordering.subscribe()

    assert (gone, ordering.listed()) == (["person.delete"], ["deal.*", "person.delete"])


def test_an_address_that_pipedrive_does_not_take_is_the_settings_fault(ordering: Ordering) -> None:
    ordering.crm._crm.faults.add(Fault(action="status", code=400, path="/webhooks", method="POST"))

    with pytest.raises(Misconfigured) as caught:
        ordering.subscribe()

    assert caught.value.yaml_path == "webhook"


def test_one_that_somebody_else_removed_first_is_gone_all_the_same(ordering: Ordering) -> None:
    ordering.order(auth_user="other")
    ordering.crm._crm.faults.add(Fault(action="status", code=404, path="/webhooks/", method="DELETE"))

    assert ordering.subscribe().done


# --- a list of a few rows ---


class _V1:
    """Gives a list of webhooks and notes what is changed."""

    BASE_URL = "/api/v1/"

    def __init__(self, **row: Any) -> None:
        usual = {"id": 1, "subscription_url": URL, "event_action": "*", "event_object": "deal", "version": "2.0"}
        self.rows = [{**usual, "is_active": 1, "http_auth_user": USER, "http_auth_password": PASSWORD, **row}]
        self.webhooks, self.body, self.changes = self, {"data": self.rows}, list[str]()

    def get_hooks_subscription(self) -> _V1:
        return self

    def delete_hook_subscription(self, id_: str) -> None:
        self.changes.append(f"removed {id_}")

    def _post(self, _: str, json: dict[str, Any]) -> None:
        self.changes.append(f"ordered {json['event_object']}")


@pytest.mark.parametrize(
    ("row", "is_kept"),
    [
        ({}, True),
        ({"http_auth_password": None}, True),
        ({"http_auth_password": "********"}, True),
        ({"http_auth_password": "other"}, False),
        ({"version": "1.0"}, False),
        ({"is_active": 0}, False),
        ({"is_active": False}, False),
        ({"event_object": "organization"}, False),
    ],
)
def test_one_is_kept_unless_it_does_not_serve(row: dict[str, Any], is_kept: bool) -> None:
    """A password that the list does not show may be the right one: to order anew each time would never end."""
    v1 = _V1(**row)

    Orders(v1, settings(push={"as": "deal"})).subscribe(URL)

    assert v1.changes == (["ordered person"] if is_kept else ["ordered deal", "ordered person", "removed 1"])
