"""What is known of a referral, one sentence an event."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from syncd_rules.events import Event


def facts_of(events: Iterable[Event], friend: str) -> list[tuple[Event, str]]:
    """Give the events about somebody's referral in canonical order, each with what it says."""
    ordered = sorted(events, key=lambda event: event.order)
    codes = {
        event.data["code"].casefold()
        for event in ordered
        if event.type in {"referral.captured", "friend.signed_up"} and event.data["friend"] == friend
    }
    orders = {event.data["order"] for event in ordered if event.data.get("participant") == friend and _is_order(event)}
    subjects = {friend, *orders}
    return [
        (event, _sentence(event.type, event.data)) for event in ordered if _concerns(event, friend, codes, subjects)
    ]


def _is_order(event: Event) -> bool:
    return event.type in {"order.paid", "order.refunded"}


def _concerns(event: Event, friend: str, codes: set[str], subjects: set[str]) -> bool:
    data = event.data
    if event.type == "code.created":
        return data["code"].casefold() in codes
    if event.type == "identity.merged":
        return friend in {data["from"], data["into"]}
    return friend in {data.get("friend"), data.get("participant")} or data.get("subject") in subjects


def _sentence(sort: str, data: Any) -> str:
    by = f", on the word of {data['by']}" if data.get("by") else ""
    match sort:
        case "code.created":
            return f"{data['advocate']} got the code {data['code']}"
        case "participant.joined":
            return f"{data['participant']} joined"
        case "participant.erased":
            return f"{data['participant']} was erased"
        case "identity.merged":
            return f"{data['from']} turned out to be {data['into']}"
        case "customer.existing":
            return f"{data['friend']} was a customer already"
        case "referral.captured":
            return f"{data['friend']} came by the code {data['code']}{_over(data)}"
        case "friend.signed_up":
            return f"{data['friend']} signed up with the code {data['code']}{_over(data)}"
        case "deal.stage_changed":
            return f"deal {data['deal']} moved to {data['stage']}"
        case "order.paid":
            return f"{data['participant']} paid {data['amount']} {data['currency']} for order {data['order']}"
        case "order.refunded":
            return f"{data['amount']} {data['currency']} of order {data['order']} were refunded ({data['refund']})"
        case "referral.qualified":
            return f"somebody said by {data['via']} that {data['friend']} is qualified"
        case "referral.disqualified":
            why = f": {data['reason']}" if data.get("reason") else ""
            return f"somebody said by {data['via']} that {data['friend']} is not qualified{why}"
    if sort.startswith("reward."):
        return f"reward {data['rule']} for {data['subject']} to {data['to']} was {sort.partition('.')[2]}{by}"
    return f"{data.get('participant') or data.get('advocate')}: {sort.replace('.', ' ').replace('_', ' ')}"


def _over(data: Any) -> str:
    return f" over {data['channel']}" if data.get("channel") else ""
