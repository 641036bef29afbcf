"""The company as people and routes see it: its records, and what a sales team does with them by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from syncd.sandbox.crm.humans import DealStage, Found
from syncd.sandbox.crm.pipedrive import values
from syncd.sandbox.crm.pipedrive.record import Record, Source
from syncd.sandbox.crm.pipedrive.schema import REFERRAL_ID, Kind
from syncd.sandbox.crm.pipedrive.store import KEPT_DELETED, Store, ids

_ENDS = {"won": "Won", "lost": "Lost"}
"""What people call the statuses that end a deal. A deal keeps its stage when it is won or lost."""

_OF_THE_END = {"lost_reason", "close_time", "won_time", "lost_time"}


class Company(Store):
    """One company's records, and the hands that move them; has what `humans.Humans` asks for.

    Beside the stages, "won" and "lost" are names to which `move` drags a deal: they are statuses.
    """

    # --- what people in sales do ---

    def edit(self, kind: Kind, id_: str, custom: dict[str, Any] | None = None, **raw: Any) -> None:
        """Change a record by hand; values as in JSON, custom fields by their names."""
        with self.lock:
            keyed = {self.schema.key(kind, name): value for name, value in (custom or {}).items()}
            read = values.read_custom(self.schema.custom(kind), keyed)
            self.write(kind, self.live(kind, id_), values.read(kind, raw), read)

    def meet(self, name: str, email: str = "") -> str:
        """Enter a person by hand, without any id of ours; give the id."""
        emails = [{"value": email}] if email else []
        return self.write("person", None, values.read("person", {"name": name, "emails": emails})).id

    def open_deal(self, person: str, *, name: str = "A deal", stage: str = "1", **raw: Any) -> str:
        """Open a deal for a person by hand, without any id of ours; give its id."""
        given = {"title": name, "person_id": int(self.live("person", person).id), "stage_id": int(stage), **raw}
        return self.write("deal", None, values.read("deal", given)).id

    def move(self, deal: str, stage: str) -> None:
        """Drag a deal to a stage, or to "won" or "lost"; a lead becomes a deal on the way."""
        with self.lock:
            if deal in self.records["lead"]:
                deal = self.convert_lead(deal)
            elif stage not in _ENDS and self.live("deal", deal).values["status"] != "open":
                self.edit("deal", deal, status="open")
            self.edit("deal", deal, **({"status": stage} if stage in _ENDS else {"stage_id": int(stage)}))

    def set_amount(self, deal: str, amount: str) -> None:
        """Write the value of a deal or a lead, as decimal text."""
        if deal in self.records["lead"]:
            self.edit("lead", deal, value={"amount": float(amount), "currency": self.currency})
        else:
            self.edit("deal", deal, value=float(amount))

    def convert_lead(self, lead: str, *, stage: str | None = None, source: Source = "app") -> str:
        """Make a deal of a lead and give its id; the lead is deleted, its custom fields go along."""
        with self.lock:
            it = self.live("lead", lead)
            worth = it.values.get("value") or {}
            given: dict[str, Any] = {"title": it.values["title"], "person_id": it.values["person_id"]}
            given["expected_close_date"] = it.values.get("expected_close_date")
            given |= {"value": worth["amount"], "currency": worth["currency"]} if worth else {}
            given |= {"stage_id": int(stage)} if stage else {}
            deal = self.write("deal", None, {**given, "source_lead_id": it.id}, it.custom, source=source)
            self.delete(it, source=source)
            return deal.id

    def merge(self, kind: Kind, primary: str, other: str) -> str:
        """Merge `other` into `primary` and give the latter's id; the other's values fill the gaps only."""
        with self.lock:
            first, second = self.live(kind, primary), self.live(kind, other)
            if first is second or kind == "lead" or first.archived or second.archived:
                raise KeyError(f"{primary} and {other} are no two records of {kind} that can be merged")
            gaps = {code for code in values.READERS[kind] if first.values.get(code) in (None, [])} - _OF_THE_END
            filled = {code: second.values[code] for code in gaps if second.values.get(code) is not None}
            if kind == "person":
                filled |= {code: _joined(first.values[code], second.values[code]) for code in ("emails", "phones")}
            custom = {code: it for code, it in second.custom.items() if code not in first.custom}
            self.delete(second, merged_to=first.id)
            self.write(kind, first, filled, custom, merged_from=second.id)
            if kind == "person":
                self._move_to(first, second)
            return first.id

    def archive(self, kind: Kind, id_: str) -> None:
        """Put a record into the bin, which the vendor calls deleting; a second time changes nothing."""
        with self.lock:
            if not (record := self.records[kind][id_]).deleted:
                self.delete(record)

    def restore(self, kind: Kind, id_: str) -> None:
        """Take a record out of the bin. Raises KeyError after 30 days, and for what was merged or converted."""
        with self.lock:
            record = self.records[kind][id_]
            if record.deleted and (record.merged_into or record.deleted < self.now() - KEPT_DELETED):
                raise KeyError(f"{kind} {id_} cannot come back")
            if record.deleted:
                self.undelete(record)

    def shelve(self, kind: Kind, id_: str, *, away: bool = True) -> None:
        """Take a deal or a lead out of the lists, which the vendor calls archiving, or put it back."""
        self.edit(kind, id_, is_archived=away)

    def hide(self, kind: Kind, id_: str, *, away: bool = True) -> None:
        """Take a record out of the sight of the user whose token the API is called with, or put it back."""
        with self.lock:
            self.records[kind][id_].hidden = away

    def rename_stage(self, stage: str, label: str) -> None:
        """Give a stage another name; its id stays."""
        with self.lock:
            self.schema.rename_stage(int(stage), label)

    # --- what they see ---

    def stages(self) -> Sequence[DealStage]:
        """List the stages of all pipelines, all of them open, and the two statuses that end a deal."""
        open_ones = [
            DealStage(pipeline=str(it.pipeline), id=str(it.id), label=it.name, outcome="open")
            for it in self.schema.stages.values()
        ]
        won = DealStage(pipeline="status", id="won", label=_ENDS["won"], outcome="won")
        return [*open_ones, won, DealStage(pipeline="status", id="lost", label=_ENDS["lost"], outcome="lost")]

    def label(self, stage: str) -> str:
        """Tell what people call a stage, or a status that ends a deal."""
        return _ENDS.get(stage) or self.schema.stages[int(stage)].name

    def is_open(self, deal: str) -> bool:
        """Tell whether a deal is neither won nor lost; a lead is open as long as it is one."""
        with self.lock:
            if deal in self.records["lead"]:
                return self.live("lead", deal).live
            return bool(self.live("deal", deal).values["status"] == "open")

    def of_referral(self, referral: str) -> Sequence[Found]:
        """Find every record that carries a referral's id, deleted ones too: persons, deals, leads."""
        with self.lock:
            kinds: tuple[Kind, ...] = ("person", "deal", "lead")
            return [self._found(it) for kind in kinds for it in self._carrying(kind, referral)]

    # --- inside ---

    def _carrying(self, kind: Kind, referral: str) -> list[Record]:
        keys = [code for code, it in self.schema.custom(kind).items() if it.name == REFERRAL_ID]
        return [it for it in self.records[kind].values() if any(it.custom.get(key) == referral for key in keys)]

    def _move_to(self, first: Record, second: Record) -> None:
        """Let the deals and leads of one person be another's."""
        of_them: list[Kind] = ["deal", "lead"]
        for kind in of_them:
            for it in list(self.records[kind].values()):
                if it.values.get("person_id") == int(second.id) and not it.deleted and not it.archived:
                    self.write(kind, it, {"person_id": int(first.id)})

    def _found(self, it: Record) -> Found:
        deals = self.records["deal"].values()
        own = it.values.get("person_id")
        linked = ids(d for d in deals if str(d.values.get("person_id")) == it.id and d.deleted is None)
        status = it.values.get("status", "open")
        stage = it.values.get("stage_id")
        worth = it.values.get("value")
        amount = worth.get("amount") if isinstance(worth, dict) else worth
        return Found(
            role="person" if it.kind == "person" else "deal",
            type=it.kind,
            id=it.id,
            archived=it.deleted is not None,
            merged_into=it.merged_into,
            pipeline=str(it.values["pipeline_id"]) if it.kind == "deal" else None,
            stage=None if stage is None else (status if status in _ENDS else str(stage)),
            amount=None if amount is None else str(amount),
            linked=linked if it.kind == "person" else (() if own is None else (str(own),)),
        )


def _joined(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = {point["value"].lower() for point in first}
    more = [{**point, "primary": not first} for point in second if point["value"].lower() not in known]
    return [*first, *more]
