"""How the reference connector reads what the CRM says of its records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from syncd.contract import Gone, JsonObject, Outcome, RemoteId, RemoteRef, StageFact, minor_units, read_time, to_ms
from tests.conformance.asking import MERGED, Asking

DEAL = ("dealstage", "pipeline", "amount", "deal_currency_code", "hs_is_closed", "hs_is_closed_won")
MODIFIED = "hs_lastmodifieddate"


class Telling(Asking):
    """Records in, facts out."""

    def fates(self, kind: str, ids: Iterable[str], records: Sequence[JsonObject], missing: set[str]) -> list[Gone]:
        """Tell which of these ids lead nowhere, or to another record."""
        now = {old: it["id"] for it in records for old in names(it)}
        gone = [Gone(ref=ref(**{kind: it}), why="deleted") for it in ids if it in missing]
        merged = [
            Gone(ref=ref(**{kind: it}), why="merged", into=ref(**{kind: now[it]}))
            for it in ids
            if now.get(it, it) != it
        ]
        return [*gone, *merged]

    def entered(self, record: JsonObject, past: JsonObject, outcome: Outcome) -> StageFact:
        """Tell a stage that was entered, with its time."""
        values = {**record["properties"], "dealstage": past["value"], MODIFIED: past["timestamp"]}
        return replace(self.fact({**record, "properties": values}, None), outcome=outcome)

    def facts(self, records: Sequence[JsonObject], people: Mapping[str, Sequence[str]]) -> list[StageFact]:
        """Give the facts of deals; one that is ours needs nobody to say whose it is."""
        ours = {it["id"] for it in records if it["properties"].get(self.key)}
        nobody: Sequence[str | None] = [None]
        whose = {it["id"]: nobody if it["id"] in ours else people.get(it["id"]) or nobody for it in records}
        return [self.fact(it, person) for it in records for person in whose[it["id"]]]

    def fact(self, record: JsonObject, person: str | None) -> StageFact:
        """Read what is said of a deal."""
        values = record["properties"]
        at = read_time(values[MODIFIED])
        amount = self.amount(values.get("amount") or "", values.get("deal_currency_code") or "")
        return StageFact(
            ref=ref(contact=person, deal=record["id"]),
            lead=values.get(self.key),
            pipeline=values["pipeline"],
            stage=values["dealstage"],
            outcome=self.outcome(values),
            amount=amount,
            currency=values.get("deal_currency_code") if amount is not None else None,
            at=at,
            version=self.version(at),
        )

    def outcome(self, values: Mapping[str, str]) -> Outcome:
        """Tell what the CRM thinks of a deal."""
        won, closed = values["hs_is_closed_won"] == "true", values["hs_is_closed"] == "true"
        return "won" if won else "lost" if closed else "open"

    def version(self, at: datetime) -> int:
        """Order the facts of a deal."""
        return to_ms(at)

    def amount(self, text: str, currency: str) -> int | None:
        """Read money."""
        return minor_units(text, currency)


def ref(*, contact: str | None = None, deal: str | None = None) -> RemoteRef:
    """Name a contact, a deal, or both."""
    return RemoteRef(
        person=RemoteId(type="contact", id=contact) if contact else None,
        deal=RemoteId(type="deal", id=deal) if deal else None,
    )


def names(record: JsonObject) -> list[str]:
    """Give every id that leads to a record: its own, and those that were merged into it."""
    return [record["id"], *(record["properties"].get(MERGED) or "").split(";")]
