"""What the suite needs of a CRM's double: to act as sales does, to go wrong on demand, and to tell what it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol, runtime_checkable

from syncd.contract import Connector, Delivery, Lead, RemoteId


class Trouble(Enum):
    """What goes wrong with a call, whoever the vendor is."""

    DROP_BEFORE = "the connection closes and nothing was done"
    DROP_AFTER = "the connection closes and the work was done"
    ERROR = "a 5xx in the vendor's form, and nothing was done"
    ERROR_AFTER = "a 5xx in the vendor's form, and the work was done"
    TRUNCATED = "the work is done and a part of the answer arrives"
    GARBAGE = "a 200 with bytes that mean nothing"
    HTML = "a 200 with a web page"
    BARRED = "a 400 with a web page, of a proxy or a firewall that stands between; nothing was done"
    EMPTY = "a 200 without a body"
    DRIP = "an answer that comes a byte at a time, for longer than anybody waits"
    ECHO = "a refusal that repeats the values that were sent"
    THROTTLE = "too many calls, in the vendor's form"
    DAILY_LIMIT = "the day's quota is spent, in the vendor's form"
    EXPIRED = "the credential that the call carries is out of date from now on"
    REVOKED = "no credential of this account opens anything any more"
    SCOPE_MISSING = "the credential lacks a permission that this call needs"
    SAME_PAGE = "each page of a list is the one that was sent before"

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, kw_only=True, slots=True)
class Calls:
    """How many calls arrived; one that only reads is a read, also where the vendor makes it a POST."""

    reads: int
    writes: int


class CrmDouble(Protocol):
    """A CRM on loopback, in the state of a new account that an admin has prepared for syncd.

    Ids are the CRM's own. A person is whatever the connector makes of a lead: a contact, a lead record.
    """

    connector: type[Connector]
    secrets: Sequence[str]  # texts of `settings` that must show nowhere
    page_size: int  # the most deals that one page of changes holds; a few are enough, and quicker
    text_field: str  # a field of persons that takes any text, as a key of push.fields
    pipeline: str
    open_stages: Sequence[str]  # three ids, in order; a pushed deal starts in the first
    won: str
    lost: str

    def start(self, now: Callable[[], datetime]) -> str:
        """Begin to answer, by this clock; give the base URL."""
        ...

    def stop(self) -> None:
        """End every connection and free the port."""
        ...

    def settings(self, url: str) -> dict[str, Any]:
        """Give the connector's section of syncd.yaml for a CRM at this URL; friends become a person and a deal."""
        ...

    # --- what it holds ---

    def persons(self, lead: str) -> Sequence[RemoteId]:
        """Give the live persons that carry this id of ours."""
        ...

    def deals(self, lead: str) -> Sequence[RemoteId]:
        """Give the live deals that carry this id of ours."""
        ...

    def deals_of(self, person: RemoteId) -> Sequence[RemoteId]:
        """Give the live deals that hang on a person."""
        ...

    def size(self) -> tuple[int, int]:
        """Count the live persons and deals, whoever made them."""
        ...

    def stage(self, deal: RemoteId) -> str:
        """Tell the id of the stage in which a deal stands."""
        ...

    def value(self, person: RemoteId, field: str) -> str:
        """Tell what a field of a person holds, "" for nothing."""
        ...

    def calls(self) -> Calls:
        """Count the calls so far, also those that were not answered."""
        ...

    # --- what sales does ---

    def add_person(self, email: str) -> RemoteId:
        """Add a person by hand, without any id of ours."""
        ...

    def open_deal(self, person: RemoteId) -> RemoteId:
        """Open a deal for a person by hand, in the first stage, without any id of ours."""
        ...

    def move(self, deal: RemoteId, stage: str) -> None:
        """Drag a deal to a stage."""
        ...

    def touch(self, deal: RemoteId) -> None:
        """Change something of a deal that is neither its stage nor its price."""
        ...

    def price(self, deal: RemoteId, amount: str, currency: str) -> None:
        """Write a deal's amount as decimal text, and its currency."""
        ...

    def delete(self, record: RemoteId) -> None:
        """Delete a person or a deal, as a user does."""
        ...

    def rename_stage(self, stage: str, label: str) -> None:
        """Give a stage another label; its id stays."""
        ...

    def unacceptable(self, lead: Lead) -> Lead:
        """Give the lead with something in it that the CRM refuses, and that concerns this lead alone."""
        ...

    # --- what goes wrong ---

    def trouble(self, trouble: Trouble, *, after: int = 0, retry_after: int | None = None) -> None:
        """Let every call from now on go wrong, but for the next `after` ones, until `mend`.

        `retry_after` is the wait in seconds that a THROTTLE asks for; None sends none.
        """
        ...

    def mend(self) -> None:
        """Let all be well again; what was revoked or has expired stays so."""
        ...


@runtime_checkable
class Merges(Protocol):
    """A CRM that can melt two records of a type into one."""

    def merge(self, kept: RemoteId, other: RemoteId) -> RemoteId:
        """Merge two records; the values of `kept` win. Give the survivor, which may have an id of its own."""
        ...


@runtime_checkable
class Restores(Protocol):
    """A CRM with a recycle bin."""

    def restore(self, record: RemoteId) -> None:
        """Take a record out of it."""
        ...


@runtime_checkable
class Lags(Protocol):
    """A CRM whose lists and searches show a write some time after it."""

    def lag(self, seconds: float) -> None:
        """Show each write from now on only after so many seconds; reading by id is never late."""
        ...


@runtime_checkable
class Tells(Protocol):
    """A CRM that sends webhooks; `secrets` names those that prove them, too."""

    webhook_url: str
    """Where it believes us to be, path secret and all: `settings` have a `webhook` that fits. Empty: the suite sets it.

    Where the connector orders its webhooks itself, the suite has it do so, to this URL.
    """

    def messages(self) -> Sequence[Delivery]:
        """Take what the CRM has sent since the last time, in its own form, as it would arrive now."""
        ...

    def forge(self, message: Delivery) -> Sequence[Delivery]:
        """Give the same, as others would send it who know everything but the secret: each must be refused."""
        ...


@runtime_checkable
class TellsAnything(Protocol):
    """A double of a CRM that sends webhooks, which can also prove what nobody has sent so far."""

    def sealed(self, message: Delivery, body: bytes) -> Delivery:
        """Give a message another body, and all that proves it to be the CRM's."""
        ...

    def again(self, message: Delivery) -> Delivery:
        """Give the message as the CRM repeats it when it heard no thanks: a later attempt, at the same moment."""
        ...

    def strange(self) -> Sequence[Delivery]:
        """Give messages that are proved: on object types and events that are of no interest, or not invented yet."""
        ...


@runtime_checkable
class TakesOrders(Protocol):
    """A CRM in which webhooks are ordered by its API."""

    def subscriptions(self) -> Sequence[str]:
        """Tell the URL of every live subscription, as often as it has one."""
        ...

    def order(self, url: str) -> None:
        """Have changes told to another URL, as another program or an admin does."""
        ...

    def cancel(self, url: str) -> None:
        """Remove every subscription of a URL, as an admin does, or the CRM itself after too many failures."""
        ...


@runtime_checkable
class Authorizes(Protocol):
    """A CRM whose connector can come with OAuth, where `settings` hold a credential of another kind."""

    def oauth_settings(self, url: str) -> dict[str, Any]:
        """Give the section as `settings` do, but with a refresh token that is good."""
        ...


def merged(section: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Give a section of the YAML with some of its keys replaced, mapping by mapping."""
    changed = dict(section)
    for key, value in changes.items():
        old = changed.get(key)
        changed[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return changed
