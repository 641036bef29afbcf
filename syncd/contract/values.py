"""The values that a connector is given and gives.

Times are aware and in UTC, money is an integer of minor units, ids are text and never interpreted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


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
    # CRM field -> text, as `push.fields` maps it. An empty one is not to be sent: it would clear what sales found out.
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
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
    version: int  # of two facts of one deal the greater is the newer; such as to_ms(at)


@dataclass(frozen=True, kw_only=True, slots=True)
class Gone:
    """A record that can no longer be read under its old name."""

    ref: RemoteRef  # one record: the person's, or the deal's
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
class RemoteField:
    """A field that a lead's values can be written to."""

    of: str  # the object type that has it: "contact", "deal"
    name: str  # as `push.fields` names it
    label: str  # what people see in the CRM
    type: str  # in the CRM's own words


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Whose account the credentials open, what was proved, and what an admin should know."""

    name: str
    id: str
    checked: Sequence[str] = ()
    warnings: Sequence[str] = ()
