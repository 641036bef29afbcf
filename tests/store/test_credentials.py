"""Credentials: what was decided on a row that has changed meanwhile is not written, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from syncd.store import credentials, sources
from syncd.store.credentials import Credential
from syncd.store.engine import read, retrying, write

NOW = datetime(2026, 3, 1, 9, 0, 0, 123456, UTC)
FULL = Credential(
    connector="crm",
    refresh="R1",
    spare="R0",
    access="A1",
    access_until=NOW + timedelta(hours=1),
    api="https://api.example.com",
    renewals=(NOW - timedelta(minutes=5), NOW),
    leased_until=NOW + timedelta(minutes=1),
    granted_at=NOW,
    origin="print",
    refused="because",
)


def kept(engine: Engine) -> Credential | None:
    with read(engine) as tx:
        return credentials.get(tx, "crm")


def put(engine: Engine, new: Credential, over: Credential | None) -> bool:
    return retrying(engine, lambda tx: credentials.put(tx, new, over))


def test_a_credential_comes_back_as_it_was_put(engine: Engine) -> None:
    assert kept(engine) is None
    assert put(engine, FULL, None)

    assert kept(engine) == replace(FULL, lease=1)
    with read(engine) as tx:
        assert credentials.everyone(tx) == [replace(FULL, lease=1)]


def test_no_text_of_it_shows_in_its_repr() -> None:
    assert not any(text in repr(FULL) for text in ("R1", "R0", "A1"))


def test_a_decision_on_an_older_row_changes_nothing(engine: Engine) -> None:
    put(engine, FULL, None)
    first = kept(engine)
    assert first

    assert not put(engine, replace(FULL, refresh="R9"), None), "there is one already"
    assert put(engine, replace(first, refresh="R2"), first)
    assert not put(engine, replace(first, refresh="R3"), first)

    found = kept(engine)
    assert found
    assert (found.refresh, found.lease) == ("R2", 2)


def test_of_many_at_once_one_wins(engine: Engine) -> None:
    put(engine, FULL, None)
    first = kept(engine)

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: put(engine, replace(FULL, refresh=f"R{n}"), first), range(8)))

    assert won.count(True) == 1


def test_all_sealed_texts_are_changed_in_one_transaction_and_leases_stay(engine: Engine) -> None:
    put(engine, FULL, None)
    put(engine, replace(FULL, connector="other", spare=None, access=None), None)

    assert retrying(engine, lambda tx: credentials.reseal(tx, str.lower)) == 4

    found = kept(engine)
    assert found
    assert (found.refresh, found.spare, found.access, found.lease) == ("r1", "r0", "a1", 1)


def test_a_change_that_fails_halfway_changes_nothing(engine: Engine) -> None:
    put(engine, FULL, None)
    put(engine, replace(FULL, connector="other", refresh="bad"), None)

    def change(text: str) -> str:
        if text == "bad":
            raise LookupError
        return text.lower()

    try:
        with write(engine) as tx:
            credentials.reseal(tx, change)
    except LookupError:
        pass
    found = kept(engine)
    assert found
    assert found.refresh == "R1"


def test_tokens_can_be_forgotten_and_follow_a_connector_that_is_renamed(engine: Engine) -> None:
    put(engine, replace(FULL, connector="old"), None)
    with write(engine) as tx:
        sources.add(tx, "old", NOW)
        sources.rename(tx, "old", "crm")
    assert kept(engine)

    with write(engine) as tx:
        assert credentials.forget(tx, "crm")
        assert not credentials.forget(tx, "crm")
    assert kept(engine) is None
