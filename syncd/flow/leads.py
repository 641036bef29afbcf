"""Leads: what a CRM is given of a referral, or of an advocate who joined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection as Transaction

from syncd.config import Campaign
from syncd.config.fields import render
from syncd.contract import ConnectorSettings, Lead, Person, RemoteRef
from syncd.flow.app import App, Connection
from syncd.store import people, records, referrals
from syncd.store.people import Participant
from syncd.store.referrals import Referral
from syncd.store.work import Duty


def read_leads(tx: Transaction, app: App, connection: Connection, duties: Iterable[Duty]) -> dict[str, Lead]:
    """Read what these duties push, by lead id; one that is nobody's, or somebody's who is forgotten, is missing."""
    campaigns = {duty.lead: duty.payload["campaign"] for duty in duties if duty.lead}
    mine = {referral.id: referral for referral in referrals.find(tx, ids=list(campaigns))}
    who = {id for referral in mine.values() for id in (referral.friend, referral.advocate)}
    persons = people.participants(tx, who | campaigns.keys())
    known = records.known(tx, connection.name, campaigns)
    leads: dict[str, Lead] = {}
    for id, campaign in campaigns.items():
        configured, referral = app.campaign(campaign), mine.get(id)
        person = persons.get(referral.friend if referral else id)
        if person is None or person.erased:
            continue
        if referral:
            advocate = persons.get(referral.advocate)
            leads[id] = friend_lead(connection.settings, configured, referral, person, advocate, known.get(id))
        else:
            code = next(iter(people.codes_of(tx, campaign, id)), None)
            leads[id] = advocate_lead(connection.settings, configured, campaign, person, code, known.get(id))
    return leads


def friend_lead(
    settings: ConnectorSettings,
    campaign: Campaign | None,
    referral: Referral,
    friend: Participant,
    advocate: Participant | None,
    known: RemoteRef | None,
) -> Lead:
    """Make the lead of a referral."""
    values = {
        **_campaign_values(campaign, referral.campaign),
        **_person_values("friend", friend),
        **(_person_values("advocate", advocate) if advocate else {}),
        "referral.id": referral.id,
        "referral.code": referral.code,
        "referral.campaign": referral.campaign,
        "referral.channel": referral.channel,
        "referral.captured_at": referral.captured_at.isoformat(),
    }
    return Lead(
        id=referral.id,
        role="friend",
        person=friend.person,
        campaign=referral.campaign,
        referral_code=referral.code,
        advocate=referral.advocate,
        fields=render(settings.push.fields, values),
        known=known,
    )


def advocate_lead(
    settings: ConnectorSettings,
    campaign: Campaign | None,
    campaign_id: str,
    who: Participant,
    code: str | None,
    known: RemoteRef | None,
) -> Lead:
    """Make the lead of an advocate: the person alone. Fields that speak of a friend stay empty."""
    values = {**_campaign_values(campaign, campaign_id), **_person_values("friend", who), "referral.code": code}
    values |= {"advocate.name": None, "referral.campaign": campaign_id}
    return Lead(
        id=who.id,
        role="advocate",
        person=who.person,
        campaign=campaign_id,
        referral_code=code,
        fields=render(settings.push.fields, values),
        known=known,
    )


def _campaign_values(campaign: Campaign | None, id: str) -> dict[str, str | None]:
    return {"campaign.id": id, "campaign.name": campaign.programs[-1].name if campaign else None}


def _person_values(role: str, who: Participant) -> dict[str, str | None]:
    person: Person = who.person
    name = " ".join(filter(None, (person.first_name, person.last_name))) or None
    values: Mapping[str, str | None] = {
        "id": who.id,
        "email": person.email,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "name": name,
        "phone": person.phone,
        "company": person.company,
    }
    return {f"{role}.{field}": value for field, value in values.items()}
