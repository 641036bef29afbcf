"""HubSpot's webhooks: what proves them, and what is in them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from syncd.contract import BadDelivery, Delivery, Poke, ReceivesWebhooks, RemoteId, RemoteRef
from syncd.http import Session
from syncd_connectors.hubspot import HubSpot, HubSpotSettings

SECRET = "11112222-client-secret"
URL = "https://refer.example.com/webhooks/hubspot"
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
EVENT = {"eventId": 7, "portalId": 1, "occurredAt": 5, "attemptNumber": 0, "changeSource": "CRM_UI"}
MOVED = EVENT | {"objectId": 51, "subscriptionType": "deal.propertyChange", "propertyName": "dealstage"}


def hubspot(secret: str = SECRET, **given: Any) -> HubSpot:
    webhook = {"secret": secret, **({"path_secret": given.pop("path_secret")} if "path_secret" in given else {})}
    section = {"name": "hubspot", "type": "hubspot", "token": "pat-eu1", "webhook": webhook, **given}
    return HubSpot.open(HubSpotSettings.model_validate(section), Session())


def signed(body: bytes, *, url: str = URL, over: str | None = None, at: datetime = NOW) -> Delivery:
    """A request as HubSpot signs it; `over` is the URL that is signed, if it is not the one that is called."""
    sent = str(int(at.timestamp() * 1000))
    text = f"POST{over or url}".encode() + body + sent.encode()
    made = base64.b64encode(hmac.new(SECRET.encode(), text, hashlib.sha256).digest()).decode()
    headers = {"x-hubspot-signature-v3": made, "x-hubspot-request-timestamp": sent}
    return Delivery(method="POST", url=url, headers=headers, body=body, at=NOW)


def read(*events: Any, **given: Any) -> list[Poke]:
    return list(hubspot(**given).read_webhook(signed(json.dumps(events).encode())))


def refs(*events: Any) -> list[tuple[str, str]]:
    found = [it for poke in read(*events) for ref in poke.refs for it in (ref.person, ref.deal) if it]
    return [(it.type, it.id) for it in found]


def refusal(delivery: Delivery, connector: HubSpot | None = None) -> str:
    with pytest.raises(BadDelivery) as caught:
        (connector or hubspot()).read_webhook(delivery)
    return caught.value.reason


# --- the proof -------------------------------------------------------------------------------------------------------


def test_the_example_of_hubspots_own_pages_is_proved() -> None:
    """Its body is no JSON: that it is unreadable, and not forged, shows that the signature was right."""
    delivery = Delivery(
        method="POST",
        url="https://www.example.com/webhook_uri",
        headers={
            "x-hubspot-signature-v3": "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=",
            "x-hubspot-request-timestamp": "1693657560000",
        },
        body=b"{'example_field':'example_value'}",
        at=datetime.fromtimestamp(1693657560, tz=UTC),
    )
    connector = hubspot("yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy")

    assert refusal(delivery, connector) == "unreadable"
    assert refusal(replace(delivery, body=b"{'example_field':'another_value'}"), connector) == "forged"


def test_it_receives_webhooks() -> None:
    assert isinstance(hubspot(), ReceivesWebhooks)


def test_twelve_characters_of_the_query_are_signed_as_they_are() -> None:
    url = f"{URL}?a=%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B&b=%3a%2f&c=%20%26%C3%A4"
    over = f"{URL}?a=:/?@!$'()*,;&b=:/&c=%20%26%C3%A4"

    assert hubspot().read_webhook(signed(b"[]", url=url, over=over)) == []
    assert refusal(signed(b"[]", url=url)) == "forged"


def test_the_path_is_signed_as_it_is_written() -> None:
    url = f"{URL}%2Fmore"

    assert hubspot().read_webhook(signed(b"[]", url=url)) == []


@pytest.mark.parametrize("minutes", [-5, 0, 5])
def test_five_minutes_are_allowed_in_either_direction(minutes: int) -> None:
    at = NOW + timedelta(minutes=minutes)
    beyond = at + timedelta(milliseconds=minutes)

    assert hubspot().read_webhook(signed(b"[]", at=at)) == []
    assert not minutes or refusal(signed(b"[]", at=beyond)) == "stale"


def test_a_year_from_now_is_stale() -> None:
    assert refusal(signed(b"[]", at=NOW + timedelta(days=365))) == "stale"


@pytest.mark.parametrize("sent", ["", "now", "-1", "1e12", "١٧٩٥٥١٤٤٠٠٠٠٠", "9" * 40, " 1795514400000"])
def test_what_is_no_time_proves_nothing(sent: str) -> None:
    delivery = signed(b"[]")

    assert refusal(replace(delivery, headers={**delivery.headers, "x-hubspot-request-timestamp": sent})) == "forged"


def test_an_older_signature_proves_nothing() -> None:
    """v1 covers neither time nor address: whoever has seen one request could send it again for ever."""
    made = hashlib.sha256(SECRET.encode() + b"[]").hexdigest()
    headers = {"x-hubspot-signature": made, "x-hubspot-signature-version": "v1"}

    assert refusal(replace(signed(b"[]"), headers=headers)) == "forged"


def test_a_path_secret_is_wanted_where_there_is_one() -> None:
    secret = "0123456789abcdef"
    connector = hubspot(path_secret=secret)
    delivery = signed(b"[]", url=f"{URL}/{secret}")

    assert connector.read_webhook(replace(delivery, secret=secret)) == []
    assert [refusal(replace(delivery, secret=it), connector) for it in ("", "0123456789abcdee")] == ["forged"] * 2


@pytest.mark.parametrize("secret", ["", "short"])
def test_a_secret_that_anybody_could_guess_is_no_setting(secret: str) -> None:
    with pytest.raises(ValidationError):
        hubspot(secret)


# --- what is in them -------------------------------------------------------------------------------------------------


def test_an_event_names_its_record() -> None:
    [poke] = read(MOVED)

    assert poke == Poke(id="1:deal.propertyChange:51:7:5", refs=(RemoteRef(deal=RemoteId(type="deal", id="51")),))


@pytest.mark.parametrize("event", ["creation", "deletion", "restore", "propertyChange", "privacyDeletion"])
@pytest.mark.parametrize(("kind", "number"), [("deal", "0-3"), ("contact", "0-1")])
def test_both_dialects_say_the_same(kind: str, number: str, event: str) -> None:
    classic = EVENT | {"objectId": 51, "subscriptionType": f"{kind}.{event}"}
    newer = EVENT | {"objectId": "51", "objectTypeId": number, "subscriptionType": f"object.{event}"}

    assert refs(classic) == refs(newer) == [(kind, "51")]


def test_a_merge_names_all_that_took_part() -> None:
    merged = {"primaryObjectId": 51, "mergedObjectIds": [52, 53], "newObjectId": 60, "subscriptionType": "deal.merge"}

    assert sorted(refs(EVENT | merged)) == [("deal", it) for it in ("51", "52", "53", "60")]
    assert sorted(refs(EVENT | merged | {"objectId": 51})) == [("deal", it) for it in ("51", "52", "53", "60")]


@pytest.mark.parametrize(
    "types",
    [
        {"subscriptionType": "deal.associationChange", "associationType": "DEAL_TO_CONTACT"},
        {"subscriptionType": "object.associationChange", "fromObjectTypeId": "0-3", "toObjectTypeId": "0-1"},
    ],
)
def test_an_association_names_both_ends(types: dict[str, str]) -> None:
    """Sales has put a deal to a contact of ours: reading the contact finds it."""
    assert refs(EVENT | types | {"fromObjectId": 51, "toObjectId": 9}) == [("deal", "51"), ("contact", "9")]


def test_an_association_with_something_else_names_the_deal_alone() -> None:
    types = {"subscriptionType": "deal.associationChange", "associationType": "DEAL_TO_COMPANY"}

    assert refs(EVENT | types | {"fromObjectId": 51, "toObjectId": 9}) == [("deal", "51")]


@pytest.mark.parametrize(
    "event",
    [
        EVENT | {"objectId": 51, "subscriptionType": "company.creation"},
        EVENT | {"objectId": 51, "subscriptionType": "object.creation", "objectTypeId": "0-2"},
        EVENT | {"objectId": 51, "subscriptionType": "object.creation"},
        EVENT | {"objectId": 51, "subscriptionType": 7},
        EVENT | {"objectId": True, "subscriptionType": "deal.creation"},
        EVENT | {"objectId": "51; DROP", "subscriptionType": "deal.creation"},
        {},
    ],
)
def test_what_is_of_no_interest_is_passed_over_and_its_neighbours_are_not(event: dict[str, Any]) -> None:
    assert refs(event, MOVED) == [("deal", "51")]


def test_a_repetition_is_known_by_its_id_and_another_event_is_not() -> None:
    first, again = read(MOVED, MOVED | {"attemptNumber": 3})
    others = read(*(MOVED | {name: 99} for name in ("portalId", "objectId", "eventId", "occurredAt")))

    assert first.id == again.id
    assert len({first.id, *(it.id for it in others)}) == 5


def test_no_id_is_longer_than_the_inbox_has_room_for() -> None:
    numbers = dict.fromkeys(("eventId", "portalId", "occurredAt", "objectId", "newObjectId"), "9" * 20)
    event = numbers | {"mergedObjectIds": [10**19 + n for n in range(20)], "subscriptionType": "deal.merge"}
    long = numbers | {"objectTypeId": "0-3", "subscriptionType": f"object.{'x' * 40}"}
    merged = event | {"objectTypeId": "0-3", "subscriptionType": "object.merge"}

    assert all(len(poke.id) <= 200 for poke in read(event, long, merged))


def test_another_accounts_events_are_passed_over() -> None:
    """One app can be in many accounts, and all of their events come to its one address."""
    assert [len(read(MOVED, portal=portal)) for portal in ("1", "2")] == [1, 0]


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"null", b"[1]", b"[" * 100_000, b"\xff", b'[{"a":1,"a":2}]', b"[" + b"{}," * 1_000 + b"{}]"]
)
def test_a_proved_body_that_is_no_list_of_events_is_unreadable(body: bytes) -> None:
    assert refusal(signed(body)) == "unreadable"
