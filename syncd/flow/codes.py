"""Codes: how a referral code comes about, spelled by the advocate, the caller or the campaign."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection as Transaction

from syncd.flow.app import App
from syncd.flow.refusal import Refusal
from syncd.store import people
from syncd_rules import Program, Versions

_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"  # none that is read as another
_ERASED = "erased:"  # no code that is asked for has a colon
_TRIES = 10  # at one length; a pattern whose codes are used up grows


@dataclass(frozen=True, kw_only=True, slots=True)
class NewCode:
    """What is wanted of a code that is made; what is left out, the campaign says."""

    text: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    redemption_limit: int | None = None  # 0 = none

    def terms(self) -> Mapping[str, Any]:
        """Give what its event says of it."""
        told = {"valid_from": self.valid_from, "valid_until": self.valid_until}
        terms = {name: at.isoformat() for name, at in told.items() if at is not None}
        return terms if self.redemption_limit is None else {**terms, "redemption_limit": self.redemption_limit}


def make(tx: Transaction, app: App, campaign: str, who: str, wanted: NewCode, now: datetime) -> str:
    """Give an advocate a code, and say which. Raises `Refusal` where the one that is wanted is taken."""
    if wanted.text is not None:
        given_up = people.find_code(tx, stand_in(app, people.fold(wanted.text)))
        if given_up or not people.add_code(tx, wanted.text, campaign, who, now):
            raise Refusal("code_taken", "this referral code is taken; codes are unique across all campaigns")
        return wanted.text
    configured = app.campaign(campaign)
    program = Versions(configured.programs).at(now) if configured else None
    tries = 0
    while True:
        text = _spelled(program, longer=tries // _TRIES)
        if people.add_code(tx, text, campaign, who, now):
            return text
        tries += 1


def stand_in(app: App, folded: str) -> str:
    """Give what stands for a code whose owner is forgotten: a hash, so that nobody else takes over the links."""
    return folded if folded.startswith(_ERASED) else f"{_ERASED}{app.opaque(folded)}"


def _spelled(program: Program | None, longer: int) -> str:
    prefix, pattern = (program.codes.prefix, program.codes.pattern) if program else ("", "########")
    spelled = pattern + "#" * longer
    return prefix + "".join(secrets.choice(_LETTERS) if letter == "#" else letter for letter in spelled)
