"""What the installation knows of its callers: API tokens, answers already given, and its own settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, select, update

from syncd.store.tables import program, request, setting, token
from syncd.store.work import insert_new, put


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """An API token, without the token."""

    name: str
    role: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What an earlier request with the same idempotency key was answered."""

    fingerprint: str  # of the request's body
    status: int
    body: Mapping[str, Any]


def add_token(tx: Connection, name: str, digest: str, role: str, now: datetime) -> bool:
    """Store a token's digest; False if the name is in use."""
    return insert_new(tx, token, name=name, digest=digest, role=role, created_at=now)


def token_by_digest(tx: Connection, digest: str) -> Token | None:
    """Find the token of this digest, revoked or not."""
    row = tx.execute(select(token).where(token.c.digest == digest)).one_or_none()
    return None if row is None else _token(row)


def tokens(tx: Connection) -> list[Token]:
    """List all tokens by name."""
    return [_token(row) for row in tx.execute(select(token).order_by(token.c.name))]


def revoke_token(tx: Connection, name: str, now: datetime) -> bool:
    """Revoke a token; False if there is none of that name that is still good."""
    good = and_(token.c.name == name, token.c.revoked_at.is_(None))
    return tx.execute(update(token).where(good).values(revoked_at=now)).rowcount == 1


def answered(tx: Connection, key: str) -> Answer | None:
    """Recall what a request with this idempotency key was answered."""
    row = tx.execute(select(request).where(request.c.key == key)).one_or_none()
    return None if row is None else Answer(fingerprint=row.fingerprint, status=row.status, body=row.answer)


def keep_answer(tx: Connection, key: str, answer: Answer, now: datetime) -> bool:
    """Remember an answer; False if another request with this key was quicker."""
    return insert_new(
        tx,
        request,
        key=key,
        fingerprint=answer.fingerprint,
        status=answer.status,
        answer=dict(answer.body),
        created_at=now,
    )


def remember_setting(tx: Connection, name: str, value: str) -> str:
    """Store a setting unless it is there; give the stored one."""
    insert_new(tx, setting, name=name, value=value)
    return str(tx.scalars(select(setting.c.value).where(setting.c.name == name)).one())


def setting_of(tx: Connection, name: str) -> str | None:
    """Read a setting."""
    return tx.scalar(select(setting.c.value).where(setting.c.name == name))


def write_setting(tx: Connection, name: str, value: str) -> None:
    """Store a setting, whatever it was."""
    put(tx, setting, {"name": name}, value=value)


def drop_setting(tx: Connection, name: str) -> None:
    """Forget a setting."""
    tx.execute(delete(setting).where(setting.c.name == name))


def programs(tx: Connection, campaign: str) -> dict[int, str]:
    """Tell which versions of a program are known to have taken effect: version -> fingerprint."""
    rows = tx.execute(select(program).where(program.c.campaign == campaign))
    return {row.version: row.fingerprint for row in rows}


def add_program(tx: Connection, campaign: str, version: int, fingerprint: str, now: datetime) -> bool:
    """Remember that a version of a program has taken effect; False if that is known, and what it says may differ."""
    return insert_new(tx, program, campaign=campaign, version=version, fingerprint=fingerprint, seen_at=now)


def drop_programs(tx: Connection, campaign: str) -> None:
    """Forget which versions of a program have taken effect."""
    tx.execute(delete(program).where(program.c.campaign == campaign))


def _token(row: Any) -> Token:
    return Token(name=row.name, role=row.role, created_at=row.created_at, revoked_at=row.revoked_at)
