"""What people do in a CRM by hand, in words that hold for every vendor's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any, Literal, Protocol

Outcome = Literal["open", "won", "lost"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DealStage:
    """A stage that a deal can stand in, in the order of its pipeline."""

    pipeline: str
    id: str
    label: str
    outcome: Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A record that carries a referral's id. `type` is the vendor's name of the object type."""

    role: Literal["person", "deal"]
    type: str
    id: str
    archived: bool
    merged_into: str | None = None
    pipeline: str | None = None
    stage: str | None = None
    amount: str | None = None
    linked: tuple[str, ...] = ()  # ids of the deals of a person, of the persons of a deal


class Humans(Protocol):
    """A CRM as a sales team works with it. Safe to call from any thread; an unknown id raises KeyError.

    `kind` is the vendor's own name of an object type, as `Found.type` has it.
    """

    lock: RLock

    def stages(self) -> Sequence[DealStage]:
        """List the stages of all pipelines."""
        ...

    def label(self, stage: str, /) -> str:
        """Tell what people call a stage."""
        ...

    def open_deal(self, person: str, /, *, name: str = ..., stage: str = ...) -> str:
        """Open a deal for a person, without any id of ours; give its id."""
        ...

    def move(self, deal: str, stage: str, /) -> None:
        """Drag a deal to a stage."""
        ...

    def set_amount(self, deal: str, amount: str, /) -> None:
        """Write a deal's amount, as decimal text in the account's currency."""
        ...

    def is_open(self, deal: str, /) -> bool:
        """Tell whether a deal is neither won nor lost."""
        ...

    def merge(self, kind: Any, primary: str, other: str, /) -> str:
        """Make one record of two; give the id under which it is found from now on."""
        ...

    def archive(self, kind: Any, id_: str, /) -> None:
        """Put a record into the bin."""
        ...

    def restore(self, kind: Any, id_: str, /) -> None:
        """Take a record out of the bin."""
        ...

    def of_referral(self, referral: str, /) -> Sequence[Found]:
        """Find every record that carries a referral's id, also in the bin: persons first."""
        ...
