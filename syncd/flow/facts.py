"""Stage facts at rest: the JSON form in which the inbox keeps them, and the key under which each is kept once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from syncd.contract import Gone, RemoteId, RemoteRef, StageFact
from syncd.store.tables import instant, micros


def dump(fact: StageFact | Gone) -> dict[str, Any]:
    """Turn a fact into JSON; `load` gives it back."""
    if isinstance(fact, Gone):
        return {"ref": _ref(fact.ref), "gone": fact.why, "into": fact.into and _ref(fact.into)}
    return {
        "ref": _ref(fact.ref),
        "lead": fact.lead,
        "pipeline": fact.pipeline,
        "stage": fact.stage,
        "outcome": fact.outcome,
        "amount": fact.amount,
        "currency": fact.currency,
        "at": micros(fact.at),
        "version": fact.version,
    }


def load(data: Mapping[str, Any]) -> StageFact | Gone:
    """Turn the JSON of `dump` back into a fact."""
    ref = _parse_ref(data["ref"])
    if "gone" in data:
        return Gone(ref=ref, why=data["gone"], into=_parse_ref(data["into"]) if data["into"] else None)
    return StageFact(
        ref=ref,
        lead=data["lead"],
        pipeline=data["pipeline"],
        stage=data["stage"],
        outcome=data["outcome"],
        amount=data["amount"],
        currency=data["currency"],
        at=instant(data["at"]),
        version=data["version"],
    )


def load_trail(payload: Mapping[str, Any]) -> list[StageFact]:
    """Give the stages that came with a fact, oldest first."""
    trail = [fact for data in payload.get("trail", ()) if isinstance(fact := load(data), StageFact)]
    return sorted(trail, key=lambda fact: fact.version)


def key(connector: str, fact: StageFact | Gone, news_at: datetime | None = None) -> str:
    """Name a fact so that reading it again changes nothing.

    Some news has no time of the CRM's own: that a record is gone, or back under its old version, or has moved again in
    one second of a clock that counts seconds. Such a fact is named by `news_at`, when it was read; deciding sees
    whether it is still news.
    """
    where = fact.ref.deal or fact.ref.person
    what = f"{where.type}:{where.id}" if where else "nothing"
    if isinstance(fact, Gone):
        name = f"{connector}:{what}:{fact.why}"
    else:
        person = fact.ref.person.id if fact.ref.person else ""
        name = f"{connector}:{what}:{fact.lead or person}:{fact.pipeline}/{fact.stage}@{fact.version}"
    return name if news_at is None else f"{name}:{micros(news_at)}"


def _ref(ref: RemoteRef) -> dict[str, Any]:
    return {
        "person": ref.person and [ref.person.type, ref.person.id],
        "deal": ref.deal and [ref.deal.type, ref.deal.id],
        "url": ref.url,
    }


def _parse_ref(data: Mapping[str, Any]) -> RemoteRef:
    person, deal = (data[part] and RemoteId(type=data[part][0], id=data[part][1]) for part in ("person", "deal"))
    return RemoteRef(person=person, deal=deal, url=data["url"])
