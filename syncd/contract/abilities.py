"""What a connector can do. A further ability is a further small Protocol, never a flag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, runtime_checkable

from syncd.contract.errors import ConnectorError
from syncd.contract.oauth import AccessToken, OAuth
from syncd.contract.quotas import Quota, Told
from syncd.contract.settings import ConnectorSettings
from syncd.contract.values import (
    Account,
    Cursor,
    Gone,
    Lead,
    Page,
    Pushed,
    RemoteField,
    RemoteId,
    RemoteRef,
    Stage,
    StageFact,
)
from syncd.contract.webhooks import Acknowledgement, Delivery, Poke, Subscription

if TYPE_CHECKING:
    import requests


class Http(Protocol):
    """The daemon's HTTP session as a connector sees it: bounded in time and size, counted, without redirects.

    `request` has a total deadline, raises `Transient` for anything that happened to the connection, and returns every
    answer that arrived whole, whatever its status. With `idempotent` it repeats by itself for a few seconds after
    a lost answer, a 502, 503, 504 or a 429 that names a short wait; leave it off where a repetition could do harm.
    """

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: bytes | Mapping[str, str] | None = None,
        idempotent: bool = False,
    ) -> requests.Response: ...

    def access_token(self, instead_of: AccessToken | None = None) -> AccessToken:
        """Give the OAuth access token, renewed before it ends, or a new one in place of one that was just refused.

        For connectors that are `UsesOAuth`. Raises `Unauthorized` when no token can be had any more, `Parked` when too
        many were asked for, `Transient` when the vendor does not answer.
        """
        ...


@runtime_checkable
class Connector(Protocol):
    """One CRM account. Methods may be called from several threads and block; errors are `ConnectorError`s."""

    Settings: ClassVar[type[ConnectorSettings]]
    batch_size: ClassVar[int]  # how many leads one `push` takes at the most

    @classmethod
    def open(cls, settings: Any, http: Http) -> Self:
        """Build a connector without calling the CRM; SDKs are imported here, not before."""
        ...

    def check(self) -> Account:
        """Prove credentials, permissions, the unique property, fields and stages, or raise naming the YAML path."""
        ...

    def stages(self) -> Sequence[Stage]:
        """List the CRM's deal stages."""
        ...

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        """Bring every lead into the CRM once, however often it is called; a verdict for each, in their order.

        Raises only what concerns all of them (`Transient`, `Parked`, `Misconfigured`).
        """
        ...

    def start(self, at: datetime) -> Cursor:
        """Give the cursor for "from `at` on", so that a first poll digs up no old deals."""
        ...

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        """Read what changed from `since`, less the overlap, to `until` (the CRM's clock). May repeat, must not skip."""
        ...

    def look_up(self, refs: Sequence[RemoteRef]) -> Sequence[StageFact | Gone]:
        """Read these records by their ids: their deals' present stages, merges followed, deletions told.

        A ref that names a person also brings the deals that sales opened for that person. Any number of refs, answers
        in any order.
        """
        ...


@runtime_checkable
class KeepsHistory(Protocol):
    """A CRM that remembers which stages a deal went through."""

    def history(self, deals: Sequence[RemoteId]) -> Sequence[StageFact]:
        """Tell every stage that these deals entered, each with the time at which they did."""
        ...


@runtime_checkable
class Provisions(Protocol):
    """A connector that can create in the CRM what `check` wants and an admin would otherwise create by hand."""

    def provision(self) -> Sequence[str]:
        """Create what carries our id and is missing; tell what was created, in words. Safe to repeat.

        Nothing that is there is changed, and no field that `push.fields` names is created: a misspelt one would
        become a field of its own.
        """
        ...


@runtime_checkable
class ListsFields(Protocol):
    """A CRM that can tell which fields its records have."""

    def fields(self) -> Sequence[RemoteField]:
        """List the fields that `push.fields` may name."""
        ...


@runtime_checkable
class UsesOAuth(Protocol):
    """A connector whose access tokens the daemon gets, renews and keeps; it asks `Http.access_token` for them."""

    @classmethod
    def oauth(cls, settings: Any) -> OAuth | None:
        """Say where tokens are had; None where the settings hold a credential of another kind."""
        ...


@runtime_checkable
class Meters(Protocol):
    """A CRM whose limits are known. The daemon then spaces calls out, and stops when our share of a day is spent."""

    def quotas(self) -> Sequence[Quota]:
        """List what the account allows, by the settings and by what answers have said so far."""
        ...

    def price(self, method: str, path: str) -> Mapping[str, int]:
        """Say how many units of which quota a call takes; nothing for one that the CRM does not count."""
        ...

    def told(self, answer: requests.Response) -> Sequence[Told]:
        """Read what an answer's headers say of quotas."""
        ...


@runtime_checkable
class ReceivesWebhooks(Protocol):
    """A CRM that tells of changes by itself. What it says is a hint: a few seconds are won, nothing hangs on it."""

    acknowledgement: ClassVar[Acknowledgement]

    def read_webhook(self, delivery: Delivery) -> Sequence[Poke]:
        """Prove that the CRM sent this, then say which records it is about; none for a message of no interest.

        Called only where the settings have a `webhook`. Calls nobody. Raises `BadDelivery`, and nothing else, whatever
        the bytes are.
        """
        ...


@runtime_checkable
class ManagesWebhooks(Protocol):
    """A CRM in which a connector can order its webhooks itself."""

    def subscribe(self, url: str) -> Subscription:
        """See to it that changes are told to this URL: order, renew, order again what was removed. Safe to repeat.

        What others have ordered stays as it is, and so does what is well.
        """
        ...

    def unsubscribe(self, url: str) -> None:
        """Have nothing told to this URL any more."""
        ...
