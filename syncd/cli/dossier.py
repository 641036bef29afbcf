"""All that is known of one referral, to be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection as Transaction

from syncd.cli.output import Cell, Row, plain_text, shown
from syncd.cli.people import full_name
from syncd.cli.sentences import Labels, sentence
from syncd.store import people, records, referrals, sources
from syncd.store.referrals import Referral

LINES = 500  # of history, the oldest


@dataclass(frozen=True, kw_only=True, slots=True)
class Dossier:
    """A referral's facts, its records and deals in the CRMs, and its history."""

    facts: Mapping[str, Cell]
    records: Sequence[Row]
    deals: Sequence[Row]
    history: Sequence[Row]

    def data(self) -> dict[str, Any]:
        """Give it for JSON."""
        return {**self.facts, "records": self.records, "deals": self.deals, "history": self.history}

    def text(self) -> str:
        """Write it out for people."""
        width = max(map(len, self.facts)) + 2
        lines = [
            f"{name.replace('_', ' '):<{width}}{shown(value)}"
            for name, value in self.facts.items()
            if value is not None
        ]
        for title, rows in (("in the CRMs", self.records), ("deals", self.deals), ("history", self.history)):
            if rows:
                lines += ["", title, plain_text(rows, list(rows[0]))]
        return "\n".join(lines)


def read(tx: Transaction, id: str) -> Dossier | None:
    """Read a referral's dossier; None if there is no such referral."""
    referral = referrals.get(tx, id)
    if referral is None:
        return None
    persons = people.participants(tx, [referral.advocate, referral.friend])
    friend = persons.get(referral.friend)
    facts: dict[str, Cell] = {
        "id": referral.id,
        "campaign": referral.campaign,
        "standing": referral.standing,
        "reason": referral.reason,
        "counted": referral.counted,
        "friend": full_name(friend),
        "email": friend.person.email if friend else None,
        "advocate": full_name(persons.get(referral.advocate)),
        "code": referral.code,
        "channel": referral.channel,
        "captured_at": referral.captured_at,
        "qualified_at": referral.qualified_at,
        "qualified_via": referral.qualified_via,
    }
    labels = {(source.name, stage.id): stage.label for source in sources.everyone(tx) for stage in source.stages}
    return Dossier(
        facts=facts, records=_records(tx, id), deals=_deals(tx, referral, labels), history=_history(tx, id, labels)
    )


def _records(tx: Transaction, id: str) -> list[Row]:
    return [
        {
            "connector": connector,
            "person": f"{ref.person.type} {ref.person.id}" if ref.person else None,
            "deal": f"{ref.deal.type} {ref.deal.id}" if ref.deal else None,
            "url": ref.url,
        }
        for connector, ref in records.where_is(tx, id).items()
    ]


def _deals(tx: Transaction, referral: Referral, labels: Labels) -> list[Row]:
    return [
        {
            "connector": deal.connector,
            "deal": deal.id.id,
            "stage": labels.get((deal.connector, deal.stage), deal.stage),
            "outcome": deal.gone or deal.outcome,
            "since": deal.at,
        }
        for deal in records.deals_of(tx, [referral.id]).get(referral.id, ())
    ]


def _history(tx: Transaction, id: str, labels: Labels) -> list[Row]:
    changes = referrals.changes(tx, referral=id, limit=LINES)
    return [{"at": change.at, "what": sentence(change, labels), "cause": change.cause} for change in changes]
