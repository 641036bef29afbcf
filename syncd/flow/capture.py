"""Capture: an advocate joins, a friend is referred; durable before anybody is told that it worked."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection as Transaction

from syncd.contract import Person
from syncd.flow import attribution, codes
from syncd.flow.app import App
from syncd.flow.book import book, lock
from syncd.flow.codes import NewCode
from syncd.flow.disposable import is_disposable
from syncd.flow.refusal import Refusal
from syncd.store import access, books, people, referrals, work
from syncd.store.engine import retrying
from syncd.store.people import Participant
from syncd.store.referrals import Referral
from syncd.store.tables import micros
from syncd_rules import Event, company_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Invitation:
    """A friend of an advocate. The advocate is named by a referral code, or by themselves, and then joins if new."""

    friend: Person
    code: str | None = None
    campaign: str | None = None  # may be left out where a code is given
    advocate: Person | None = None
    channel: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Captured:
    """The referral that an invitation led to, and whether it is new."""

    referral: Referral
    created: bool


def capture(app: App, invitation: Invitation, *, cause: str, key: str | None = None) -> Captured:
    """Store a referral and all that follows from it in one transaction. Raises `Refusal`.

    With the same `key` (an idempotency key, or the caller's own id of the friend) the same invitation gives the same
    answer, whether it was new included; another invitation under that key is refused with `key_reused`. The same
    friend under the same advocate is the same referral; under another advocate of the campaign the first one stands:
    `already_referred`.
    """
    now = app.clock()
    fingerprint = app.opaque(json.dumps(asdict(invitation), sort_keys=True))
    key = app.opaque(key) if key else None  # callers name their friends by whatever they have, addresses included
    captured = retrying(
        app.database, lambda tx: _once(tx, app, invitation, cause=cause, key=key, fingerprint=fingerprint, now=now)
    )
    for connector in _connectors(app, captured.referral.campaign):
        app.nudge(connector)
    return captured


def enrol(
    app: App, campaign: str, person: Person, *, cause: str, code: NewCode | None = None
) -> tuple[Participant, list[str]]:
    """Make a person an advocate of a campaign, with a referral code; give them and their codes. Raises `Refusal`.

    `code` is what is wanted of a code that is made; one who has a code keeps it, unless another text is wanted.
    """
    now, wanted = app.clock(), code or NewCode()

    def once(tx: Transaction) -> tuple[Participant, list[str]]:
        who = _advocate(tx, app, campaign, person, cause=cause, code=wanted, now=now)
        return who, people.codes_of(tx, campaign, who.id)

    joined = retrying(app.database, once)
    for connector in _connectors(app, campaign):
        app.nudge(connector)
    return joined


def _once(
    tx: Transaction,
    app: App,
    invitation: Invitation,
    *,
    cause: str,
    key: str | None,
    fingerprint: str,
    now: datetime,
) -> Captured:
    if key and (answer := access.answered(tx, key)):
        return _again(tx, answer, fingerprint)
    friend = _participant(tx, app, invitation.friend, now)
    code = _code(tx, app, invitation, cause=cause, now=now)
    # The code may be younger: made by another process meanwhile, or before the clock was set back.
    now = max(now, code.created_at)
    captured = _refer(tx, app, code, friend, invitation.channel, cause=cause, now=now)
    if key:
        status = 201 if captured.created else 200
        answer = access.Answer(fingerprint=fingerprint, status=status, body={"referral": captured.referral.id})
        if not access.keep_answer(tx, key, answer, now):
            # Another request with this key was quicker and has committed meanwhile: its answer is the answer.
            return _again(tx, access.answered(tx, key) or answer, fingerprint)
    return captured


def _again(tx: Transaction, answer: access.Answer, fingerprint: str) -> Captured:
    if answer.fingerprint != fingerprint:
        raise Refusal("key_reused", "this idempotency key was used for another invitation; nothing was changed")
    referral = referrals.get(tx, answer.body["referral"])
    if referral is None:
        raise Refusal("erased", "the referral made with this idempotency key has been erased")
    return Captured(referral=referral, created=answer.status == 201)


def _code(tx: Transaction, app: App, invitation: Invitation, *, cause: str, now: datetime) -> people.Code:
    """Find whose invitation it is; an advocate who comes by name joins here."""
    if invitation.code is None:
        if invitation.advocate is None or invitation.campaign is None:
            raise Refusal("no_advocate", "name the advocate by a referral code, or by campaign and e-mail address")
        who = _advocate(tx, app, invitation.campaign, invitation.advocate, cause=cause, code=NewCode(), now=now)
        code = people.find_code(tx, people.codes_of(tx, invitation.campaign, who.id)[0])
    else:
        code = people.find_code(tx, invitation.code)
    if code is None or app.campaign(code.campaign) is None:
        raise Refusal("code_not_found", "no campaign knows this referral code")
    if invitation.campaign not in {None, code.campaign}:
        raise Refusal("code_not_found", "this referral code belongs to another campaign")
    return code


def _advocate(
    tx: Transaction, app: App, campaign: str, person: Person, *, cause: str, code: NewCode, now: datetime
) -> Participant:
    if app.campaign(campaign) is None:
        raise Refusal("campaign_not_found", "there is no campaign of this name")
    who = _participant(tx, app, person, now)
    people.join(tx, campaign, who.id, now)
    mine = {people.fold(text) for text in people.codes_of(tx, campaign, who.id)}
    joined = not mine  # a friend may have had books before they ever invited anybody
    if mine and (code.text is None or people.fold(code.text) in mine):
        return who
    text = codes.make(tx, app, campaign, who.id, code, now)
    created = {"code": text, "advocate": who.id, "identity": who.identity, **code.terms()}
    if company := company_of(who.person.email or ""):  # else a colleague could never be told from a stranger
        created["company"] = app.opaque(company)
    id = f"code:{app.opaque(people.fold(text))}"  # which outlives the code, if its advocate is forgotten
    events = [Event(id=id, type="code.created", at=now, campaign=campaign, data=created)]
    if joined:
        referrals.note(tx, "joined", at=now, cause=cause, participant=who.id, campaign=campaign)
        seen = {"participant": who.id}
        events.append(Event(id=f"joined:{who.id}", type="participant.joined", at=now, campaign=campaign, data=seen))
        _push(tx, app, campaign, who.id, now)
    book(tx, app, campaign, who.id, events, cause=cause, now=now)
    return who


def _participant(tx: Transaction, app: App, person: Person, now: datetime) -> Participant:
    identity = app.identity(person.email or "")
    if identity is None:
        raise Refusal("email_invalid", "an e-mail address is needed, and this is none")
    # Held: whatever is told of them from here on finds their advocate.
    id = people.lock_person(tx, people.remember(tx, person, identity, now).id)
    who = people.participants(tx, [id])[id]
    if who.erased:
        raise Refusal("erased", "this person asked to be forgotten, and takes part no more")
    return who


def _refer(
    tx: Transaction,
    app: App,
    code: people.Code,
    friend: Participant,
    channel: str | None,
    *,
    cause: str,
    now: datetime,
) -> Captured:
    there = next(iter(referrals.find(tx, campaign=code.campaign, friend=friend.id)), None)
    if there and not attribution.is_refused(there):
        if there.code != code.code and there.advocate != code.advocate:
            raise Refusal("already_referred", "this friend has been referred by somebody else; the first one counts")
        return Captured(referral=there, created=False)
    new = Referral(
        id=there.id if there else people.new_id("ref", now),
        campaign=code.campaign,
        advocate=code.advocate,
        friend=friend.id,
        code=code.code,
        channel=channel,
        captured_at=now,
        standing="captured",
    )
    sign_up = _signed_up(app, new, friend, again=there is not None)
    if there or books.events_about(tx, code.campaign, [friend.id], ["referral.captured"]):
        found = attribution.whose(tx, app, code.campaign, friend.id, now, sign_up)
        if there and (found is None or found[1].id != sign_up.id):
            return Captured(referral=there, created=False)  # whoever is refused again has the referral that they had
        if found:  # they may have touched another's code before
            new = replace(new, advocate=found[0])
    lock(tx, app, [new])
    if there:
        referrals.let_stand(tx, [there], new)
    else:
        referrals.add(tx, new)
    referrals.note(tx, "captured", at=now, cause=cause, referral=new.id, participant=new.advocate, channel=channel)
    book(tx, app, new.campaign, new.advocate, [sign_up], cause=cause, now=now)
    booked = referrals.get(tx, new.id) or new
    if not attribution.is_refused(booked):
        _push(tx, app, code.campaign, new.id, now)
    return Captured(referral=booked, created=True)


def _signed_up(app: App, new: Referral, friend: Participant, *, again: bool) -> Event:
    data: dict[str, Any] = {"friend": friend.id, "code": new.code, "identity": friend.identity}
    if new.channel:
        data["channel"] = new.channel
    if company := company_of(friend.person.email or ""):
        data["company"] = app.opaque(company)
    if is_disposable(friend.person.email or ""):
        data["disposable"] = True
    id = f"signed_up:{friend.id}" + (f":{micros(new.captured_at)}" if again else "")
    return Event(id=id, type="friend.signed_up", at=new.captured_at, campaign=new.campaign, data=data)


def _push(tx: Transaction, app: App, campaign: str, lead: str, now: datetime) -> None:
    """Owe the lead to every connector of its campaign."""
    for connector in _connectors(app, campaign):
        if referrals.is_referral(lead) or app.connections[connector].settings.push.advocates:
            work.owe_push(tx, connector=connector, lead=lead, campaign=campaign, now=now)


def _connectors(app: App, campaign: str) -> tuple[str, ...]:
    configured = app.campaign(campaign)
    return configured.connectors if configured else ()
