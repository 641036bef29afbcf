"""Faults in what is made of messages that a CRM sends by itself."""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import count

from syncd.contract import BadDelivery, ConnectorError, Delivery, JsonObject, Poke, Pushed, RemoteId, read_time
from tests.conformance.hearing import WINDOW, signature
from tests.conformance.planted import caught_by
from tests.conformance.reference import Reference, Verdict
from tests.conformance.telling import ref

log = logging.getLogger("reference")

# --- what is understood ---


@caught_by("a_move_is_told_by_itself")
class NamesTheEvent(Reference):
    """Takes the number of an event for the deal's."""

    def poke(self, event: JsonObject) -> Poke:
        return super().poke({**event, "id": event["number"]})


@caught_by("a_message_on_a_record_that_is_new_to_us_is_understood")
class HearsOfItsOwnOnly(Reference):
    """Passes over deals that it has not pushed itself."""

    own: frozenset[RemoteId | None] = frozenset()

    def verdict(self, lead: str, contact: Verdict, deal: Verdict | None) -> Pushed | ConnectorError:
        verdict = super().verdict(lead, contact, deal)
        self.own |= {verdict.ref.deal} if isinstance(verdict, Pushed) else set()
        return verdict

    def read_webhook(self, delivery: Delivery) -> Sequence[Poke]:
        return [it for it in super().read_webhook(delivery) if it.refs[0].deal in self.own]


@caught_by("messages_in_disorder_lead_to_the_present_stage")
class WantsOrder(Reference):
    """Passes over an event that is older than the last one."""

    last = 0

    def is_of_interest(self, event: JsonObject) -> bool:
        is_newer = int(event["number"]) > self.last
        self.last = max(self.last, int(event["number"]))
        return is_newer and super().is_of_interest(event)


@caught_by("several_changes_are_all_told")
class ReadsTheFirst(Reference):
    """Reads one event of a message, as if there were never more."""

    def read_events(self, delivery: Delivery) -> Sequence[JsonObject]:
        return super().read_events(delivery)[:1]


class Choosing(Reference):
    """Passes over one kind of event."""

    ignored = ""

    def is_of_interest(self, event: JsonObject) -> bool:
        return event.get("what") != self.ignored and super().is_of_interest(event)


@caught_by("a_deletion_is_told_by_itself")
class SkipsDeletions(Choosing):
    """Passes over deletions."""

    ignored = "deleted"


@caught_by("a_merge_is_told_by_itself")
class SkipsMerges(Choosing):
    """Passes over merges."""

    ignored = "merged"


@caught_by("what_is_of_no_interest_names_nobody")
class PokesForEverything(Reference):
    """Takes an event on whatever it is for one on a deal."""

    def is_of_interest(self, event: JsonObject) -> bool:
        return True


# --- which message it is ---


@caught_by("a_repeated_message_has_the_same_id")
class CountsAttempts(Reference):
    """Takes the number of the attempt into the id."""

    def read_webhook(self, delivery: Delivery) -> Sequence[Poke]:
        pokes = super().read_webhook(delivery)
        return [replace(it, id=f"{it.id}:{json.loads(delivery.body)['attempt']}") for it in pokes]


@caught_by("a_repeated_message_has_the_same_id")
class NumbersMessages(Reference):
    """Gives each message a number of our own, also one that comes again."""

    numbers = count()

    def name(self, event: JsonObject) -> str:
        return str(next(self.numbers))


@caught_by("another_message_has_another_id")
class NamesTheRecord(Reference):
    """Takes the deal's id for that of the message."""

    def name(self, event: JsonObject) -> str:
        return str(event["id"])


# --- whether it is proved ---


@caught_by("a_forged_message_is_refused")
class BelievesAnybody(Reference):
    """Does not look at the signature."""

    def prove(self, delivery: Delivery) -> None:
        if not delivery.headers.get("x-crm-time", "").isdecimal():
            raise BadDelivery("forged", "the message has no time")


@caught_by("a_forged_message_is_refused")
class TakesWhatIsUnsigned(Reference):
    """Proves a signature only where there is one."""

    def prove(self, delivery: Delivery) -> None:
        if delivery.headers.get("x-crm-signature"):
            super().prove(delivery)


@caught_by("a_forged_message_is_refused")
class TakesABeginning(Reference):
    """Takes the beginning of a signature for the whole."""

    def prove(self, delivery: Delivery) -> None:
        time, signed = (delivery.headers.get(name, "") for name in ("x-crm-time", "x-crm-signature"))
        if not signed or not signature("webhook-secret-7f3c", delivery, time).startswith(signed):
            raise BadDelivery("forged", "the signature does not fit")


@caught_by("odd_headers_bring_nothing_else_out")
class WantsItsHeaders(Reference):
    """Takes it for granted that there is a signature."""

    def prove(self, delivery: Delivery) -> None:
        if delivery.headers["x-crm-signature"]:
            super().prove(delivery)


@caught_by("odd_headers_bring_nothing_else_out")
class ComparesTexts(Reference):
    """Compares signatures as texts, which fails for one that is not ASCII."""

    def prove(self, delivery: Delivery) -> None:
        hmac.compare_digest(delivery.headers.get("x-crm-signature", ""), "0" * 64)
        super().prove(delivery)


@caught_by("odd_headers_bring_nothing_else_out")
class DatesBeforeItProves(Reference):
    """Reads the time before it knows that it is one."""

    def prove(self, delivery: Delivery) -> None:
        int(delivery.headers.get("x-crm-time", "0"))
        super().prove(delivery)


@caught_by("a_message_whose_body_was_changed_is_forged")
class ProvesWhatItRead(Reference):
    """Proves the signature of the body as it would have written it."""

    def prove(self, delivery: Delivery) -> None:
        super().prove(replace(delivery, body=json.dumps(self.read_events_of(delivery)).encode()))

    def read_events_of(self, delivery: Delivery) -> object:
        try:
            return json.loads(delivery.body)
        except (ValueError, RecursionError):
            raise BadDelivery("unreadable", "the message is not JSON") from None


@caught_by("a_message_to_another_address_is_forged")
class ProvesItsOwnAddress(Reference):
    """Takes it for granted that a message came to our address."""

    def prove(self, delivery: Delivery) -> None:
        super().prove(replace(delivery, url="https://syncd.example.com/webhooks/crm"))


@caught_by("an_old_message_is_stale", "a_message_from_the_future_is_stale")
class IgnoresTheTime(Reference):
    """Does not look at the time."""

    def date(self, delivery: Delivery) -> None:
        pass


@caught_by("a_message_from_the_future_is_stale")
class LooksBackOnly(Reference):
    """Takes any time that is not too long ago."""

    def date(self, delivery: Delivery) -> None:
        if delivery.at - read_time(delivery.headers["x-crm-time"]) > WINDOW:
            raise BadDelivery("stale", "the message is too old")


@caught_by("a_clock_that_is_a_little_off_is_no_harm")
class TakesNoFuture(Reference):
    """Takes nothing that is a second ahead of our clock."""

    def date(self, delivery: Delivery) -> None:
        super().date(delivery)
        if read_time(delivery.headers["x-crm-time"]) > delivery.at:
            raise BadDelivery("stale", "the message is from the future")


@caught_by("a_clock_that_is_a_little_off_is_no_harm")
class GivesNoTime(Reference):
    """Takes a message in the second in which it was sent."""

    def date(self, delivery: Delivery) -> None:
        if abs(delivery.at - read_time(delivery.headers["x-crm-time"])) > timedelta(seconds=1):
            raise BadDelivery("stale", "the message is too old")


# --- what cannot be read ---


@caught_by("what_cannot_be_read_is_refused")
class FallsForDepth(Reference):
    """Breaks down over a body that is nested without end."""

    def read_events(self, delivery: Delivery) -> Sequence[JsonObject]:
        with suppress(ValueError):
            json.loads(delivery.body)
        return super().read_events(delivery)


@caught_by("what_cannot_be_read_is_refused")
class ForgivesBodies(Reference):
    """Thanks for a body that it could not read."""

    def read_events(self, delivery: Delivery) -> Sequence[JsonObject]:
        try:
            return super().read_events(delivery)
        except BadDelivery:
            return []


@caught_by("what_cannot_be_read_is_refused")
class TakesTheLastKey(Reference):
    """Takes the last of two values of one key, where another reader takes the first."""

    def read_events(self, delivery: Delivery) -> Sequence[JsonObject]:
        with suppress(ValueError, RecursionError):
            delivery = replace(delivery, body=json.dumps(json.loads(delivery.body)).encode())
        return super().read_events(delivery)


@caught_by("what_is_not_as_it_should_be_brings_nothing_else_out")
class TrustsEvents(Reference):
    """Takes it for granted that an event names its deal."""

    def poke(self, event: JsonObject) -> Poke:
        return Poke(id=self.name(event), refs=(ref(deal=event["id"]),))


@caught_by("what_is_not_as_it_should_be_brings_nothing_else_out")
class TakesAnyText(Reference):
    """Takes any text for an id, however long, and whatever is in it."""

    def poke(self, event: JsonObject) -> Poke:
        if not isinstance(event.get("id"), str):
            raise BadDelivery("unreadable", "an event names no deal")
        return Poke(id=f"{event.get('number')}", refs=(ref(deal=event["id"]),))


# --- what it does and says beside ---


@caught_by("reading_a_message_calls_nobody")
class AsksAtOnce(Reference):
    """Reads the deal before it thanks for the message."""

    def read_webhook(self, delivery: Delivery) -> Sequence[Poke]:
        pokes = super().read_webhook(delivery)
        self.look_up([it for poke in pokes for it in poke.refs])
        return pokes


@caught_by("no_secret_and_no_person_shows_in_what_is_refused")
class LogsBodies(Reference):
    """Logs the body of what it refuses."""

    def read_webhook(self, delivery: Delivery) -> Sequence[Poke]:
        try:
            return super().read_webhook(delivery)
        except BadDelivery:
            log.warning("a message was refused: %s", delivery.body)
            raise


@caught_by("no_secret_and_no_person_shows_in_what_is_refused")
class QuotesBodies(Reference):
    """Quotes the body that it could not read."""

    def read_events(self, delivery: Delivery) -> Sequence[JsonObject]:
        try:
            return super().read_events(delivery)
        except BadDelivery:
            raise BadDelivery("unreadable", f"this cannot be read: {delivery.body!r}") from None


@caught_by("no_secret_and_no_person_shows_in_what_is_refused")
class ExplainsTheSignature(Reference):
    """Shows with what a message should have been signed."""

    def prove(self, delivery: Delivery) -> None:
        try:
            super().prove(delivery)
        except BadDelivery as error:
            assert self.settings.webhook is not None
            secret = self.settings.webhook.secret.get_secret_value()
            raise BadDelivery(error.reason, f"not signed with {secret}") from None
