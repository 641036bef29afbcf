"""What a connector is: the values it is given and gives, what it can do, and how it says that something went wrong.

This is the one module that a connector imports; a built-in connector and one of a third party see the same.
Times are aware and in UTC, money is an integer of minor units, ids are text and never interpreted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, Self, runtime_checkable

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

if TYPE_CHECKING:
    import requests

# --- values ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """A human as a CRM needs to know them. Never logged: `repr` shows nothing of it."""

    email: str | None = field(default=None, repr=False)
    first_name: str | None = field(default=None, repr=False)
    last_name: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    company: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteId:
    """The CRM's name of one of its records: object type ("contact", "deal", "Lead") and id."""

    type: str
    id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteRef:
    """Where a lead lives in the CRM: the person's record, the deal's record, or both."""

    person: RemoteId | None = None
    deal: RemoteId | None = None
    url: str | None = None  # a page that a sales rep can open


@dataclass(frozen=True, kw_only=True, slots=True)
class Lead:
    """A referral as a CRM sees it."""

    id: str  # ours, opaque; it travels into the CRM's unique property and comes back with every fact
    role: Literal["friend", "advocate"]  # an advocate becomes a person only, never a deal
    person: Person
    campaign: str
    referral_code: str | None = None
    advocate: str | None = None  # the id of who invited, None for an advocate
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)  # CRM field -> text, as `push.fields` maps it
    known: RemoteRef | None = None  # where an earlier push put it


@dataclass(frozen=True, kw_only=True, slots=True)
class Pushed:
    """The verdict "it is there": where, and whether this call created it."""

    lead: str
    ref: RemoteRef
    created: bool


Outcome = Literal["open", "won", "lost"]


@dataclass(frozen=True, kw_only=True, slots=True)
class StageFact:
    """What a CRM said of a deal: it stood in this stage from `at` on."""

    ref: RemoteRef
    lead: str | None = None  # our id, if the record carries it
    pipeline: str
    stage: str  # the id, never the label
    outcome: Outcome | None = None  # as the CRM itself says; None where it does not
    amount: int | None = None  # minor units of `currency`
    currency: str | None = None
    at: datetime  # the CRM's time at which the stage was entered, or of the last change where that is all it tells
    version: int  # of two facts of one deal the greater is the newer


@dataclass(frozen=True, kw_only=True, slots=True)
class Gone:
    """A record that can no longer be read under its old name."""

    ref: RemoteRef
    why: Literal["deleted", "merged", "invisible"]
    into: RemoteRef | None = None  # the survivor of a merge


Cursor = str
"""JSON text: how far a source has been read. Opaque to the daemon, and small."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Some facts, and the cursor that is true once they are stored."""

    facts: Sequence[StageFact | Gone]
    cursor: Cursor


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A deal stage that the CRM knows."""

    pipeline: str
    id: str
    label: str
    outcome: Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Whose account the credentials open, what was proved, and what an admin should know."""

    name: str
    id: str
    checked: Sequence[str] = ()
    warnings: Sequence[str] = ()


# --- errors: the type says what happens next -------------------------------------------------------------------------


class ConnectorError(Exception):
    """Something that a CRM call ended with. Its text is shown to people: no secret, no address, no lead data."""


class Transient(ConnectorError):
    """Again later. `retry_after` is the least number of seconds to wait, where the CRM said so."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Parked(ConnectorError):
    """A quota is spent: the whole connector waits until `until`, and nothing is counted as an attempt."""

    def __init__(self, message: str, *, until: datetime) -> None:
        super().__init__(message)
        self.until = until


class Rejected(ConnectorError):
    """This lead never, as it stands; the others go on."""


class Misconfigured(ConnectorError):
    """Every lead would fail: the connector stops, the admin is told once, its leads wait.

    `yaml_path` names the setting at fault inside the connector's section, as in "push.referral_id".
    """

    def __init__(self, message: str, *, yaml_path: str, hint: str = "") -> None:
        super().__init__(message)
        self.yaml_path = yaml_path
        self.hint = hint


class Unauthorized(Misconfigured):
    """The CRM refuses our credentials."""


def status_error(status: int, message: str, *, retry_after: float | None = None) -> ConnectorError | None:
    """Tell what an HTTP status means for the work at hand; None for a 2xx. A connector overrides only its oddities."""
    if 200 <= status < 300:
        return None
    if status == 401:
        return Unauthorized(message, yaml_path="token", hint="the CRM refuses this credential; issue a new one")
    if status == 403:
        return Misconfigured(message, yaml_path="token", hint="the credential lacks a permission")
    if status in {408, 423, 425, 429} or status >= 500:
        return Transient(message, retry_after=retry_after)
    if 300 <= status < 400:
        return Misconfigured(
            message, yaml_path="base_url", hint="the CRM answers with a redirect, which is not followed"
        )
    return Rejected(message)


# --- settings: a connector's part of syncd.yaml ----------------------------------------------------------------------

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _interval(value: object) -> object:
    if isinstance(value, str):
        if not (match := re.fullmatch(r"(\d{1,9})([smhd])", value.strip())):
            raise ValueError("write an interval as a number and s, m, h or d, such as 90s or 2m")
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    return value


def _share(value: object) -> object:
    if isinstance(value, str):
        if not (match := re.fullmatch(r"(\d{1,3})\s*%", value.strip())) or not 1 <= int(match[1]) <= 100:
            raise ValueError("write a share as a percentage from 1% to 100%")
        return int(match[1]) / 100
    return value


def _no_stage(value: object) -> object:
    return None if value in ("null", "~") else value  # the YAML's scalars come as text


Interval = Annotated[timedelta, BeforeValidator(_interval)]
Share = Annotated[float, BeforeValidator(_share)]
OptionalStage = Annotated[str | None, BeforeValidator(_no_stage)]


class Section(BaseModel):
    """A mapping of the YAML: frozen, unknown keys refused; the line below a field is its documentation."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True, populate_by_name=True
    )


class Constant(Section):
    """A text that is the same for every lead."""

    text: str


class PushSettings(Section):
    """What a lead becomes in the CRM. A connector adds its own keys."""

    referral_id: str = "referral_id"
    """The CRM's unique property that carries our id of the lead."""
    fields: dict[str, str | Constant] = Field(default_factory=dict)
    """CRM field <- value of the lead: a dotted name, a text with {names}, or {text: a constant}."""
    advocates: bool = True
    """Whether advocates are pushed too, as persons, when they join."""


class PollSettings(Section):
    """When and how far back the CRM is read."""

    every: Annotated[Interval, Field(ge=timedelta(seconds=1), le=timedelta(days=1))] = timedelta(minutes=2)
    """How often to ask what changed."""
    overlap: Annotated[Interval, Field(ge=timedelta(seconds=30), le=timedelta(days=2))] = timedelta(minutes=10)
    """How far each reading goes back behind the last one; longer than the CRM's search index lags."""
    sweep: Annotated[Interval, Field(ge=timedelta(seconds=1), le=timedelta(days=7))] = timedelta(hours=1)
    """How often every open referral is read by its id."""


class LimitSettings(Section):
    """How much of the account's allowance is ours."""

    share: Share = 0.8
    """The part of the CRM's own rate limit that this connector may use."""


class ConnectorSettings(Section):
    """The keys that every connector's section has; a connector's own `Settings` extends it."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    """Unique, kept in the database; rename with renamed_from."""
    type: str
    """Which connector: the name of its module."""
    renamed_from: str | None = None
    """The name under which the database knows this connector so far."""
    push: PushSettings = PushSettings()
    """What is written to the CRM."""
    stages: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Pipeline id -> CRM stage id -> the campaign's stage."""
    won: OptionalStage = "won"
    """The campaign's stage for what the CRM itself calls won, where `stages` does not say otherwise."""
    lost: OptionalStage = "lost"
    """The campaign's stage for what the CRM itself calls lost."""
    poll: PollSettings = PollSettings()
    """How the CRM is read."""
    limits: LimitSettings = LimitSettings()
    """How much of the CRM's allowance may be used."""


# --- abilities -------------------------------------------------------------------------------------------------------


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
