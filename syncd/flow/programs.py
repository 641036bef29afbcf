"""Programs in effect: each version is written down as soon as it is, so that whoever books knows by which rules.

Two processes may have been started with different rules. The one that lacks a version in effect takes nothing back by
the rules it has: it keeps what it is told, and leaves the weighing to the other, or to itself once it is restarted.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection as Transaction

from syncd.config import Campaign
from syncd.flow.app import App
from syncd.store import access
from syncd_rules import Program, dump

log = logging.getLogger("syncd")

OUT_OF_DATE = "campaign {}: another process has newer rules, restart this one"


def fingerprint(program: Program) -> str:
    """Name what a program says, however it is written."""
    return hashlib.sha256(json.dumps(dump(program), sort_keys=True).encode()).hexdigest()


def known(app: App, campaign: Campaign) -> Mapping[int, str]:
    """Tell what this process takes the versions of a campaign to say: version -> fingerprint; drafts are none."""
    if campaign.id not in app.fingerprints:
        said = {it.version: fingerprint(it) for it in campaign.programs if not it.draft}
        app.fingerprints[campaign.id] = said
    return app.fingerprints[campaign.id]


def in_effect(campaign: Campaign, now: datetime) -> list[Program]:
    """List the versions that have taken effect by now."""
    programs = [it for it in campaign.programs if not it.draft]
    return [it for it in programs if it.effective_from is None or it.effective_from <= now]


def out_of_date(tx: Transaction, app: App, campaign: Campaign) -> list[int]:
    """List the versions in effect that this process lacks, or takes to say something else."""
    return differing(access.programs(tx, campaign.id), known(app, campaign))


def keep_up(tx: Transaction, app: App, campaign: Campaign, now: datetime) -> bool:
    """Write down what has taken effect; False where this process is out of date, and must not weigh.

    Whoever asks holds the books, or another process could weigh them by newer rules in between.
    """
    kept, said = access.programs(tx, campaign.id), known(app, campaign)
    begun = [it.version for it in in_effect(campaign, now) if it.version not in kept]
    if begun and not differing(kept, said):
        if all([access.add_program(tx, campaign.id, it, said[it], now) for it in begun]):
            return True
        kept = access.programs(tx, campaign.id)  # another process was quicker, and may take them to say other things
    if not differing(kept, said):
        app.out_of_date.discard(campaign.id)
        return True
    if campaign.id not in app.out_of_date:
        app.out_of_date.add(campaign.id)
        log.error("%s; until then what it is told is stored, and weighed elsewhere", OUT_OF_DATE.format(campaign.id))
    return False


def differing(kept: Mapping[int, str], said: Mapping[int, str]) -> list[int]:
    """List the versions of `kept` that `said` lacks, or has otherwise."""
    return [version for version in sorted(kept) if said.get(version) != kept[version]]
