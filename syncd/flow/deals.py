"""What a CRM said of a deal becomes entries in the books: won, lost, reopened, merged, deleted, restored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection as Transaction

from syncd.contract import ConnectorSettings, Gone, RemoteId, RemoteRef, StageFact
from syncd.flow.app import App
from syncd.flow.book import Entry
from syncd.store import books, people, records, referrals, sources
from syncd.store.records import Deal
from syncd.store.referrals import Referral
from syncd.store.tables import TICK, micros
from syncd_rules import Event, Program


def whose(tx: Transaction, connector: str, ref: RemoteRef, lead: str | None = None) -> list[Referral]:
    """Find the referrals of a record: by our id that it carries, by its own id, by its person's."""
    deals = [ref.deal.id] if ref.deal else []
    persons = [ref.person.id] if ref.person else []
    by_deal, by_person = records.leads_of(tx, connector, deals=deals, persons=persons)
    leads = owners(set().union(*by_deal.values()), set().union(*by_person.values()), lead)
    found = sorted(referrals.find(tx, ids=sorted(leads)), key=lambda referral: referral.id)
    return [_booked(tx, referral) for referral in found]


def _booked(tx: Transaction, referral: Referral) -> Referral:
    """Give a referral with the advocate in whose books its friend is: one who turned out to be somebody else whom
    another has referred before is theirs, and so is what becomes of their deals."""
    if referral.reason != "already_referred":
        return referral
    friend = people.name_now(tx, referral.friend)
    first = referrals.find(tx, campaign=referral.campaign, friend=friend)
    return replace(referral, advocate=first[0].advocate) if first else referral


def owners(of_deal: set[str], of_person: set[str], lead: str | None) -> set[str]:
    """Say whose a deal is: theirs whose id it carries or who are known to have it; nobody's, then its person's.

    A friend may be referred in several campaigns and is one person in the CRM: the deal of one referral must not
    qualify the others.
    """
    mine = of_deal | ({lead} if lead else set())
    return mine or of_person


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
    held, source = records.versions(tx, connector, [fact.ref.deal.id]), sources.get(tx, connector)
    # The CRM's clock may be ahead of ours or behind; uncorrected it could make a win older than the sign-up.
    skew, origin = (timedelta(milliseconds=source.skew_ms), source.origin) if source else (timedelta(), connector)
    for referral in whose(tx, connector, fact.ref, fact.lead):
        program = _program(app, referral.campaign)
        if program is None:
            continue
        old = held.get((fact.ref.deal.id, referral.id))
        if old and not is_newer(fact, old) and not old.gone:
            continue
        if _has_moved(fact, old):
            _tell_move(tx, connector, referral, old, fact, cause=cause, now=now)
        names, steps = old.names if old else (fact.ref.deal.id,), steps_of(fact, trail, old, now + skew)
        ids = [_id(origin, referral, fact.ref.deal, names[0], what) for what, _ in steps]
        known = [books.stored_event(tx, referral.campaign, id) for id in ids]
        # We made it for this referral: nothing came before.
        begins_at = referral.captured_at if _is_ours(tx, connector, referral, fact) else None
        told = [(step, it.at if it else None) for (_, step), it in zip(steps, known, strict=True)]
        times = step_times(told, old, skew=skew, begins_at=begins_at, now=now)
        last = times[-1] if times else old.at if old else fact.at
        records.write_deal(tx, connector, referral.id, replace(fact, at=last), names)
        events = [
            _event(origin, referral, fact.ref.deal, name, what, stage, at)
            for (what, step), at in zip(steps, times, strict=True)
            if (stage := campaign_stage(connection.settings, program, step)) is not None
            for name in names
        ]
        yield _entry(referral, events, cause)


def steps_of(
    fact: StageFact, trail: Sequence[StageFact], old: Deal | None, now: datetime
) -> list[tuple[str, StageFact]]:
    """Give the steps of a deal that a fact tells, in order, each with what it is known by; `now` is by the CRM's clock.

    What a CRM remembers is known by the same text whenever it is read.
    """
    if old and old.gone:
        # Back from the recycle bin: the record's last change says nothing of when.
        return [(f"{_what(fact)}:{micros(now)}", replace(fact, at=now))]
    if not trail:
        again = f":{micros(now)}" if old and old.version == fact.version else ""  # in the second of the one before
        return [(_what(fact) + again, fact)] if _has_moved(fact, old) else []
    times: Counter[str] = Counter()
    steps = []
    for step in trail:
        what = _what(step)
        times[what] += 1
        steps.append((what if times[what] == 1 else f"{what}#{times[what]}", step))
    return steps


def step_times(
    steps: Sequence[tuple[StageFact, datetime | None]],
    old: Deal | None,
    *,
    skew: timedelta,
    begins_at: datetime | None,
    now: datetime,
) -> list[datetime]:
    """Say by our clock when a deal took each of these steps; one that is booked keeps its time, which stands beside it.

    Each comes behind the one before, and the last, or what is newer than `old`, behind all that was known of the deal:
    the CRM may count whole seconds, and its clock be set in between. None is before `begins_at`. And what was read has
    happened: a clock that has just jumped must not put it into our future, where a timer would find it.
    """
    times: list[datetime] = []
    for number, (step, kept) in enumerate(steps, 1):
        earliest = [begins_at] if begins_at else []
        earliest += [at + TICK for at in times[-1:]]
        if old and (number == len(steps) or step.version > old.version):
            earliest.append(old.at + TICK)
        times.append(kept or max([min(step.at - skew, now - TICK * len(steps)), *earliest]))
    return times


def is_newer(fact: StageFact, held: Deal) -> bool:
    """Tell whether a fact is news of a deal. A CRM that counts whole seconds gives two changes of one the same version;
    of these the one that is read later came later."""
    return fact.version > held.version or (fact.version == held.version and _has_moved(fact, held))


def _has_moved(fact: StageFact, held: Deal | None) -> bool:
    return held is None or held.gone is not None or (held.pipeline, held.stage) != (fact.pipeline, fact.stage)


def gone_entries(
    tx: Transaction, app: App, connector: str, fact: Gone, *, cause: str, now: datetime
) -> Iterator[Entry]:
    """Write down that a record is gone, or follow it to the survivor of a merge, and say what goes into the books."""
    if fact.why == "merged" and fact.into:
        if fact.ref.deal and fact.into.deal:
            _follow(tx, connector, "deal", fact.ref.deal, fact.into.deal, cause=cause, now=now)
        if fact.ref.person and fact.into.person:
            _follow(tx, connector, "person", fact.ref.person, fact.into.person, cause=cause, now=now)
        return
    if fact.ref.deal is None:
        if fact.ref.person:
            records.mark_gone(tx, connector, fact.ref.person, fact.why)
        return
    source = sources.get(tx, connector)
    origin = source.origin if source else connector
    records.expect_deal(tx, connector, fact.ref.deal, now)
    present = [deal for deal in records.versions(tx, connector, [fact.ref.deal.id]).values() if not deal.gone]
    # Only now, since a record may be person and deal in one.
    for it in filter(None, (fact.ref.person, fact.ref.deal)):
        records.mark_gone(tx, connector, it, fact.why)
    for deal in present:
        referral = referrals.get(tx, deal.lead)
        referral = referral and _booked(tx, referral)
        program = _program(app, referral.campaign) if referral else None
        if referral is None or program is None:
            continue
        referrals.note(
            tx, fact.why, at=now, cause=cause, referral=referral.id, connector=connector, deal=fact.ref.deal.id
        )
        # A deleted deal is lost until it is restored: nothing stays rewarded for a deal that is not there.
        lost = sorted(program.stages.lost)[:1] if fact.why == "deleted" else []
        what, at = f"deleted@{micros(now)}", max(now, deal.at + TICK)
        records.date_deal(tx, deal, at)
        events = [_event(origin, referral, deal.id, name, what, stage, at) for stage in lost for name in deal.names]
        yield _entry(referral, events, cause)


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


def _is_ours(tx: Transaction, connector: str, referral: Referral, fact: StageFact) -> bool:
    """Tell whether we made this deal; learn of it here if the CRM tells before our push has committed."""
    known = records.known(tx, connector, [referral.id]).get(referral.id)
    if known is None and fact.lead == referral.id:
        records.keep(tx, connector, referral.id, fact.ref)
        return True
    return known is not None and known.deal == fact.ref.deal


def _entry(referral: Referral, events: Sequence[Event], cause: str) -> Entry:
    friends = frozenset({referral.friend})
    return Entry(campaign=referral.campaign, advocate=referral.advocate, cause=cause, events=events, friends=friends)


def _event(origin: str, referral: Referral, deal: RemoteId, name: str, what: str, stage: str, at: datetime) -> Event:
    data = {"friend": referral.friend, "deal": f"{origin}:{name}", "stage": stage}
    id = _id(origin, referral, deal, name, what)
    return Event(id=id, type="deal.stage_changed", at=at, campaign=referral.campaign, data=data)


def _id(origin: str, referral: Referral, deal: RemoteId, name: str, what: str) -> str:
    return f"{origin}:{deal.type}:{name}:{referral.friend}:{what}"


def _what(step: StageFact) -> str:
    return f"{step.pipeline}/{step.stage}@{step.version}"


def _follow(
    tx: Transaction,
    connector: str,
    part: Literal["person", "deal"],
    old: RemoteId,
    new: RemoteId,
    *,
    cause: str,
    now: datetime,
) -> None:
    for lead in sorted(records.relink(tx, connector, part, old, new)) if old != new else ():
        if referrals.is_referral(lead):
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
