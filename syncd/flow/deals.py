"""What a CRM said of a deal becomes events: won, lost, reopened, merged, deleted, restored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection as Transaction

from syncd.contract import ConnectorSettings, Gone, RemoteId, RemoteRef, StageFact
from syncd.flow.app import App
from syncd.flow.book import book
from syncd.flow.facts import micros
from syncd.store import records, referrals, sources
from syncd.store.records import Deal
from syncd.store.referrals import Referral
from syncd_rules import Event, Program

TICK = timedelta(microseconds=1)


def apply_stage(
    tx: Transaction,
    app: App,
    connector: str,
    fact: StageFact,
    trail: Sequence[StageFact] = (),
    *,
    cause: str,
    now: datetime,
) -> None:
    """Book where a deal stands, for every referral that the deal belongs to; a deal of nobody's is passed over.

    `trail` holds the stages that the deal went through, where the CRM remembers them: then each of them is an event
    at its own time, and `fact` only says how new our knowledge is.
    """
    if fact.ref.deal is None:
        return
    held = records.versions(tx, connector, [fact.ref.deal.id])
    for referral in _whose(tx, connector, fact.ref, fact.lead):
        settings, program = _settings(app, connector), _program(app, referral.campaign)
        if settings is None or program is None:
            continue
        _adopt(tx, connector, referral, fact)
        old = held.get((fact.ref.deal.id, referral.id))
        returned = old is not None and old.gone is not None
        names = old.names if old else (fact.ref.deal.id,)
        if old is None or fact.version > old.version or returned:
            records.write_deal(tx, connector, referral.id, fact, names)
            _tell_move(tx, connector, referral, old, fact, cause=cause, now=now)
        told = trail if trail and not returned else [fact] if returned or _moved(old, fact) else ()
        events = [
            _event(connector, referral, each, name, stage, at=_when(tx, connector, referral, each, returned, now))
            for each in told
            if (stage := campaign_stage(settings, program, each)) is not None
            for name in names
        ]
        if returned:
            events = [_renamed(event, f"restored@{micros(now)}") for event in events]
        book(tx, app, referral.campaign, referral.advocate, events, cause=cause, now=now)


def apply_gone(tx: Transaction, app: App, connector: str, fact: Gone, *, cause: str, now: datetime) -> None:
    """Book that a record was deleted, or follow it to the survivor of a merge."""
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
        events = _lost(connector, referral, deal, program, now) if fact.why == "deleted" else []
        book(tx, app, referral.campaign, referral.advocate, events, cause=cause, now=now)


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


def _whose(tx: Transaction, connector: str, ref: RemoteRef, lead: str | None) -> list[Referral]:
    """Find the referrals of a deal: by the id that it carries, by its own id, by its person's."""
    deals = [ref.deal.id] if ref.deal else []
    persons = [ref.person.id] if ref.person else []
    by_deal, by_person = records.leads_of(tx, connector, deals=deals, persons=persons)
    leads = {lead} if lead else set()
    for found in (*by_deal.values(), *by_person.values()):
        leads |= found
    return sorted(referrals.find(tx, ids=sorted(leads)), key=lambda r: (r.campaign, r.advocate, r.id))


def _settings(app: App, connector: str) -> ConnectorSettings | None:
    connection = app.connections.get(connector)
    return connection.settings if connection else None


def _program(app: App, campaign: str) -> Program | None:
    """Give the newest version: stage names of older ones stay valid in it."""
    configured = app.campaign(campaign)
    return configured.programs[-1] if configured else None


def _moved(old: Deal | None, fact: StageFact) -> bool:
    return old is None or (fact.version > old.version and (old.pipeline, old.stage) != (fact.pipeline, fact.stage))


def _when(
    tx: Transaction, connector: str, referral: Referral, fact: StageFact, returned: bool, now: datetime
) -> datetime:
    """Tell when a stage was entered, by our clock."""
    if returned:
        return now  # back from the recycle bin: the record's last change says nothing of when
    # The CRM's clock may be ahead of ours or behind, and must not make a win older than the sign-up.
    source = sources.get(tx, connector)
    at = fact.at - timedelta(milliseconds=source.skew_ms if source else 0)
    if fact.ref.deal and _is_ours(tx, connector, referral, fact.ref.deal):
        return max(at, referral.captured_at + TICK)  # we made it for this referral: nothing came before
    return at


def _is_ours(tx: Transaction, connector: str, referral: Referral, deal: RemoteId) -> bool:
    ref = records.known(tx, connector, [referral.id]).get(referral.id)
    return ref is not None and ref.deal == deal


def _adopt(tx: Transaction, connector: str, referral: Referral, fact: StageFact) -> None:
    """Learn where our own lead lives from the CRM, when it tells of it before our push has committed."""
    if fact.lead == referral.id and referral.id not in records.known(tx, connector, [referral.id]):
        records.keep(tx, connector, referral.id, fact.ref)


def _event(connector: str, referral: Referral, fact: StageFact, name: str, stage: str, at: datetime) -> Event:
    assert fact.ref.deal is not None
    id = f"{connector}:{fact.ref.deal.type}:{name}:{referral.friend}:{fact.pipeline}/{fact.stage}@{fact.version}"
    data = {"friend": referral.friend, "deal": f"{connector}:{name}", "stage": stage}
    return Event(id=id, type="deal.stage_changed", at=at, campaign=referral.campaign, data=data)


def _renamed(event: Event, suffix: str) -> Event:
    return Event(id=f"{event.id}:{suffix}", type=event.type, at=event.at, campaign=event.campaign, data=event.data)


def _lost(connector: str, referral: Referral, deal: Deal, program: Program, now: datetime) -> Sequence[Event]:
    """A deleted deal is lost until it is restored: nothing stays rewarded for a deal that is not there."""
    if not program.stages.lost:
        return ()
    return [
        Event(
            id=f"{connector}:{deal.id.type}:{name}:{referral.friend}:deleted@{micros(now)}",
            type="deal.stage_changed",
            at=now,
            campaign=referral.campaign,
            data={"friend": referral.friend, "deal": f"{connector}:{name}", "stage": min(program.stages.lost)},
        )
        for name in deal.names
    ]


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
    if old and not old.gone and not _moved(old, fact):
        return
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
