"""The CRM as people and routes see it: its records, and what a sales team does with them by hand.

No HTTP here. A simulated sales team and tests call the model directly; the routes call it for clients.
"""

from __future__ import annotations

from collections.abc import Sequence

from syncd.sandbox.crm.hubspot.record import Record
from syncd.sandbox.crm.hubspot.schema import ObjectType
from syncd.sandbox.crm.hubspot.store import Store
from syncd.sandbox.crm.humans import DealStage, Found


class CrmModel(Store):
    """One account's records, and the hands that move them; has what `humans.Humans` asks for."""

    def open_deal(
        self, contact: str, *, name: str = "A deal", stage: str = "appointmentscheduled", **values: str
    ) -> str:
        """Open a deal for a contact by hand, without any id of ours; give its id."""
        with self.lock:
            person = self.live("contacts", contact)
            deal = self.write("deals", None, {"dealname": name, "dealstage": stage, **values}, origin="CRM_UI")
            self.link(person, deal, origin="CRM_UI")
            return deal.id

    def move(self, deal: str, stage: str, *, pipeline: str | None = None) -> None:
        """Drag a deal to a stage, in another pipeline if one is named."""
        self.edit("deals", deal, dealstage=stage, **({"pipeline": pipeline} if pipeline else {}))

    def set_amount(self, deal: str, amount: str) -> None:
        """Write a deal's amount, as decimal text."""
        self.edit("deals", deal, amount=amount)

    def edit(self, kind: ObjectType, id_: str, **values: str) -> None:
        """Change a record's properties by hand."""
        with self.lock:
            self.write(kind, self.live(kind, id_), values, origin="CRM_UI")

    def rename_stage(self, pipeline: str, stage: str, label: str) -> None:
        """Give a stage another label; its id stays."""
        with self.lock:
            self.schema.rename_stage(pipeline, stage, label)

    # --- what they see ---

    def stages(self) -> Sequence[DealStage]:
        """List the stages of all pipelines."""
        pipelines = self.schema.pipelines.values()
        return [
            DealStage(pipeline=pipeline.id, id=stage.id, label=stage.label, outcome=stage.outcome)
            for pipeline in pipelines
            for stage in pipeline.stages
        ]

    def label(self, stage: str) -> str:
        """Tell what people call a stage; of two pipelines with one stage id the first counts."""
        return next(it.label for it in self.stages() if it.id == stage)

    def is_open(self, deal: str) -> bool:
        """Tell whether a deal is neither won nor lost."""
        with self.lock:
            values = self.live("deals", deal).values
            stage = self.schema.pipelines[values["pipeline"]].stage(values["dealstage"])
            return stage is None or stage.outcome == "open"

    def of_referral(self, referral: str) -> Sequence[Found]:
        """Find every record that carries a referral's id, archived and merged ones too: contacts first."""
        with self.lock:
            kinds: tuple[ObjectType, ...] = ("contacts", "deals")
            return [_found(it) for kind in kinds for it in self.having(kind, "referral_id", referral)]


def _found(it: Record) -> Found:
    return Found(
        role="person" if it.type == "contacts" else "deal",
        type=it.type,
        id=it.id,
        archived=it.archived is not None,
        merged_into=it.merged_into,
        pipeline=it.values.get("pipeline"),
        stage=it.values.get("dealstage"),
        amount=it.values.get("amount"),
        linked=tuple(sorted(it.linked, key=int)),
    )
