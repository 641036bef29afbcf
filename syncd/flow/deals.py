"""What a CRM said of a deal becomes entries in the books: won, lost, reopened, merged, deleted, restored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection as Transaction

from syncd.contract import ConnectorSettings, Gone, RemoteId, RemoteRef, StageFact
from syncd.flow.app import App
from syncd.flow.book import Entry
from syncd.flow.facts import micros
from syncd.store import records, referrals, sources
from syncd.store.records import Deal
from syncd.store.referrals import Referral
from syncd_rules import Event, Program

TICK = timedelta(microseconds=1)


def whose(tx: Transaction, connector: str, ref: RemoteRef, lead: str | None = None) -> list[Referral]:
    """Find the referrals of a record: by our id that it carries, by its own id, by its person's."""
    deals = [ref.deal.id] if ref.deal else []
    persons = [ref.person.id] if ref.person else []
    by_deal, by_person = records.leads_of(tx, connector, deals=deals, persons=persons)
    leads = {lead} if lead else set()
    for found in (*by_deal.values(), *by_person.values()):
        leads |= found
    return sorted(referrals.find(tx, ids=sorted(leads)), key=lambda referral: referral.id)


def stage_entries(
    tx: Transaction,
    app: App,
    connector: str,
    fact: StageFact,
    trail: Sequence[StageFact] = (),
    *,
    cause: str,
    now: datetime,
) -> Iterator[Entry]:
    """Write down where a deal stands, and say what that puts into the books of each referral that it belongs to.

    `trail` holds the stages that the deal went through, where the CRM remembers them: then each of them is an event
    at its own time, and `fact` only says how new our knowledge is.
    """
    connection = app.connections.get(connector)
    if fact.ref.deal is None or connection is None:
        return
    held, skew = records.versions(tx, connector, [fact.ref.deal.id]), _skew(tx, connector)
    for referral in whose(tx, connector, fact.ref, fact.lead):
        program = _program(app, referral.campaign)
        if program is None:
            continue
        old = held.get((fact.ref.deal.id, referral.id))
        returned = old is not None and old.gone is not None
        if old and fact.version <= old.version and not returned:
            continue
        names = old.names if old else (fact.ref.deal.id,)
        records.write_deal(tx, connector, referral.id, fact, names)
        moved = old is None or returned or (old.pipeline, old.stage) != (fact.pipeline, fact.stage)
        if moved:
            _tell_move(tx, connector, referral, old, fact, cause=cause, now=now)
        ours = _is_ours(tx, connector, referral, fact)
        events = []
        for step in trail if trail and not returned else [fact] if moved else ():
            stage = campaign_stage(connection.settings, program, step)
            # Back from the recycle bin: the record's last change says nothing of when.
            at = now if returned else step.at - skew
            if ours:
                at = max(at, referral.captured_at + TICK)  # we made it for this referral: nothing came before
            if stage is not None:
                what = f"{step.pipeline}/{step.stage}@{step.version}" + (f":{micros(now)}" if returned else "")
                events += [_event(connector, referral, fact.ref.deal, name, what, stage, at) for name in names]
        yield Entry(campaign=referral.campaign, advocate=referral.advocate, cause=cause, events=events)


def gone_entries(
    tx: Transaction, app: App, connector: str, fact: Gone, *, cause: str, now: datetime
) -> Iterator[Entry]:
    """Write down that a record is gone, or follow it to the survivor of a merge, and say what goes into the books."""
    if fact.why == "merged" and fact.into:
        for old, new in ((fact.ref.deal, fact.into.deal), (fact.ref.person, fact.into.person)):
            if old and new and old != new:
                _follow(tx, connector, old, new, cause=cause, now=now)
        return
    if fact.ref.person:
        records.mark_gone(tx, connector, fact.ref.person, fact.why)
    if fact.ref.deal is None:
        return
    present = [deal for deal in records.versions(tx, connector, [fact.ref.deal.id]).values() if not deal.gone]
    records.mark_gone(tx, connector, fact.ref.deal, fact.why)
    for deal in present:
        referral = referrals.get(tx, deal.lead)
        program = _program(app, referral.campaign) if referral else None
        if referral is None or program is None:
            continue
        referrals.note(
            tx, fact.why, at=now, cause=cause, referral=referral.id, connector=connector, deal=fact.ref.deal.id
        )
        # A deleted deal is lost until it is restored: nothing stays rewarded for a deal that is not there.
        lost = sorted(program.stages.lost)[:1] if fact.why == "deleted" else []
        what = f"deleted@{micros(now)}"
        events = [_event(connector, referral, deal.id, name, what, stage, now) for stage in lost for name in deal.names]
        yield Entry(campaign=referral.campaign, advocate=referral.advocate, cause=cause, events=events)


def campaign_stage(settings: ConnectorSettings, program: Program, fact: StageFact) -> str | None:
    """Translate a CRM's stage into the campaign's, by the stage map, then by what the CRM calls won and lost.

    An open stage that is mapped to nothing is the campaign's first one: a deal that was won and is open again has left
    "won", and that must be told. None is a stage of which nobody says what it means.
    """
    mapped = settings.stages.get(fact.pipeline, {}).get(fact.stage)
    known = {*program.stages.order, *program.stages.lost}
    named = mapped or {"won": settings.won, "lost": settings.lost}.get(fact.outcome or "")
    if named in known:
        return named
    return program.stages.order[0] if fact.outcome == "open" else None


def _program(app: App, campaign: str) -> Program | None:
    """Give the newest version: stage names of older ones stay valid in it."""
    configured = app.campaign(campaign)
    return configured.programs[-1] if configured else None


def _skew(tx: Transaction, connector: str) -> timedelta:
    """Tell how far the CRM's clock is ahead of ours; uncorrected it could make a win older than the sign-up."""
    source = sources.get(tx, connector)
    return timedelta(milliseconds=source.skew_ms if source else 0)


def _is_ours(tx: Transaction, connector: str, referral: Referral, fact: StageFact) -> bool:
    """Tell whether we made this deal; learn of it here if the CRM tells before our push has committed."""
    known = records.known(tx, connector, [referral.id]).get(referral.id)
    if known is None and fact.lead == referral.id:
        records.keep(tx, connector, referral.id, fact.ref)
        return True
    return known is not None and known.deal == fact.ref.deal


def _event(connector: str, referral: Referral, deal: RemoteId, name: str, what: str, stage: str, at: datetime) -> Event:
    id = f"{connector}:{deal.type}:{name}:{referral.friend}:{what}"
    data = {"friend": referral.friend, "deal": f"{connector}:{name}", "stage": stage}
    return Event(id=id, type="deal.stage_changed", at=at, campaign=referral.campaign, data=data)


def _follow(tx: Transaction, connector: str, old: RemoteId, new: RemoteId, *, cause: str, now: datetime) -> None:
    for lead in sorted(records.relink(tx, connector, old, new)):
        if lead.startswith("ref_"):
            referrals.note(
                tx, "merged", at=now, cause=cause, referral=lead, connector=connector, old=old.id, new=new.id
            )


def _tell_move(
    tx: Transaction,
    connector: str,
    referral: Referral,
    old: Deal | None,
    fact: StageFact,
    *,
    cause: str,
    now: datetime,
) -> None:
    referrals.note(
        tx,
        "stage",
        at=now,
        cause=cause,
        referral=referral.id,
        connector=connector,
        deal=fact.ref.deal and fact.ref.deal.id,
        before=old and old.stage,
        after=fact.stage,
        outcome=fact.outcome,
        amount=fact.amount,
        currency=fact.currency,
    )
