"""All that is known of one letter of the outbox or the inbox, to be shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection as Transaction

from syncd.cli.output import Cell, shown
from syncd.cli.sentences import Labels
from syncd.contract import Gone, RemoteId, RemoteRef, StageFact
from syncd.flow import decisions, facts, happenings, pokes
from syncd.flow.app import App
from syncd.flow.leads import read_leads
from syncd.redaction import redact
from syncd.store import letters as stored
from syncd.store import referrals, sources
from syncd.store.letters import Letter
from syncd.store.work import Duty

_PARTIES = {"push": "connector", "fact": "connector", "poke": "connector", "tell": "receiver"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """A letter's facts, and what is in it: the fields that a push would send now, or what was told or is to be."""

    facts: Mapping[str, Cell]
    fields: Mapping[str, str]
    told: Sequence[str]

    def data(self) -> dict[str, Any]:
        """Give it for JSON."""
        return {**self.facts, "fields": self.fields, "told": self.told}

    def text(self) -> str:
        """Write it out for people."""
        lines = [*_aligned({name.replace("_", " "): it for name, it in self.facts.items() if it is not None})]
        if self.fields:
            lines += ["", "would be sent now", *_aligned(self.fields)]
        if self.told:
            lines += ["", *map(shown, self.told)]
        return "\n".join(lines)


def find(
    tx: Transaction,
    *,
    dead: bool | None,
    limit: int,
    party: str | None = None,
    error: str | None = None,
    names: Sequence[str] | None = None,
) -> list[Letter]:
    """List letters, oldest first; `dead=None` lists both those that wait and those that are dead."""
    kinds = (True, False) if dead is None else (dead,)
    found = [
        letter
        for kind in kinds
        for letter in stored.find(tx, dead=kind, party=party, error=error, names=names, limit=limit)
    ]
    return sorted(found, key=lambda letter: (letter.created_at, letter.box, letter.id))[:limit]


def read(tx: Transaction, app: App, name: str) -> Content | None:
    """Read what a letter holds; None if it is closed, or never was."""
    found = find(tx, dead=None, names=[name], limit=1)
    if not found:
        return None
    letter = found[0]
    fields, told = _push(tx, app, letter) if letter.kind == "push" else ({}, list(_told(tx, letter)))
    referral = referrals.get(tx, letter.lead) if letter.lead else None
    known: dict[str, Cell] = {
        "name": letter.name,
        "kind": letter.kind,
        _PARTIES.get(letter.kind, "sender"): letter.party or None,
        "lead": letter.lead,
        "campaign": letter.payload.get("data", letter.payload).get("campaign"),
        "standing": referral.standing if referral else None,
        "attempts": letter.attempt,
        "waits_since": letter.created_at,
        "next_try": letter.due_at,
        "dead": letter.dead,
        "reason": letter.error and redact(letter.error),
    }
    return Content(facts=known, fields=fields, told=told)


def _push(tx: Transaction, app: App, letter: Letter) -> tuple[Mapping[str, str], Sequence[str]]:
    """Give the fields that would be sent now, by the mapping and the person of now; or why there are none."""
    connection = app.connections.get(letter.party)
    if connection is None:
        return {}, [f"connector {letter.party} is not configured any more; the lead waits for it"]
    lead = read_leads(tx, app, connection, [_duty(letter)]).get(letter.lead or "")
    if lead is None:
        return {}, ["this lead has been erased; nothing will be sent"]
    own = {connection.settings.push.referral_id: lead.id}
    return own | ({"email": lead.person.email} if lead.person.email else {}) | dict(lead.fields), []


def _duty(letter: Letter) -> Duty:
    return Duty(
        id=letter.id,
        key=letter.key,
        kind=letter.kind,
        party=letter.party,
        lead=letter.lead,
        payload=letter.payload,
        lease=0,
        attempt=letter.attempt,
        failures=0,
        created_at=letter.created_at,
    )


def _told(tx: Transaction, letter: Letter) -> Iterator[str]:
    """Say what we were told: a CRM's fact or a sender's decision in sentences, what was not understood as it came."""
    payload = letter.payload
    if "fact" in payload:
        labels = {(it.name, stage.id): stage.label for it in sources.everyone(tx) for stage in it.stages}
        trail = facts.load_trail(payload)
        for fact in (*trail, *[it for it in [facts.load(payload["fact"])] if it not in trail]):
            yield _fact(letter.party, fact, labels)
    elif "raw" in payload:
        yield from str(payload["raw"]).splitlines()
    elif "refs" in payload:
        yield f"{letter.party} hints at a change of {', '.join(_record(ref) for ref in pokes.refs(payload))}"
    elif letter.kind == "tell":
        yield f"{letter.party} is to be told of {payload['type']}, which came about {payload['timestamp']}"
        yield from (f"  {name}: {value}" for name, value in payload["data"].items())
    elif "happening" in payload:
        it = happenings.read(payload["happening"])
        yield f"{it.email or it.participant or it.referral}: {it.type}"
    elif payload:
        yield _decision(decisions.read(payload))


def _fact(connector: str, fact: StageFact | Gone, labels: Labels) -> str:
    record = _record(fact.ref)
    if isinstance(fact, Gone):
        into = f" into {_record(fact.into)}" if fact.into else ""
        what = {"merged": f"was merged{into}", "deleted": "was deleted", "invisible": "cannot be seen any more"}
        return f"{connector} says: {record} {what[fact.why]}"
    stage = labels.get((connector, fact.stage), fact.stage)
    outcome = f" ({fact.outcome})" if fact.outcome else ""
    return f"{connector} says: {record} stands in {stage}{outcome} since {shown(fact.at)}"


def _record(ref: RemoteRef) -> str:
    remote: RemoteId | None = ref.deal or ref.person
    return f"{remote.type} {remote.id}" if remote else "a record"


def _decision(decision: decisions.Decision) -> str:
    of_record = f"{decision.connector}'s record {decision.record}" if decision.record else None
    whom = decision.referral or of_record or decision.email or "a referral"
    code = f" of code {decision.code}" if decision.code else ""
    reason = f": {decision.reason}" if decision.reason else ""
    return f"{whom}{code} is {decision.verdict}, through {decision.via}{reason}"


def _aligned(values: Mapping[str, Cell]) -> Iterator[str]:
    width = max(map(len, values)) + 2
    for name, value in values.items():
        yield f"{shown(name):<{width}}{shown(value)}"
