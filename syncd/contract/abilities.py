"""What a connector can do. A further ability is a further small Protocol, never a flag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, runtime_checkable

from syncd.contract.errors import ConnectorError
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
