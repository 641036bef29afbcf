"""The end of a sandbox: what must hold after everything that happened, and the summary that people read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from syncd.sandbox.crm import CrmModel
from syncd.sandbox.tally import Tally


def faults(tally: Tally, crm: CrmModel, status: Mapping[str, Any]) -> list[str]:
    """Say everything that does not hold, a sentence each; nothing if all is well."""
    wanted = tally.captured - tally.rejected
    found = [f"{len(wanted - tally.pushed)} leads never reached the CRM"] if wanted - tally.pushed else []
    found += not_once(crm, tally.pushed)
    found += tally.twice
    if not status["ledger"]["balanced"]:
        found.append("the ledger does not balance")
    return found


def not_once(crm: CrmModel, referrals: Iterable[str]) -> list[str]:
    """Count the contacts and deals of each referral in the CRM itself; name those that are not there exactly once."""
    found = []
    for referral in sorted(referrals):
        for kind in ("contacts", "deals"):
            number = len(crm.having(kind, "referral_id", referral))
            if number != 1:
                found.append(f"{referral} is in the CRM as {number} {kind}")
    return found


def summary(tally: Tally, wrong: Iterable[str], *, balanced: bool) -> list[str]:
    """Give the lines that end the story."""
    wrong = list(wrong)
    once = "no" if any("in the CRM" in each for each in wrong) else "yes"
    ways = ", ".join(f"{name} {tally.by(name)}" for name in ("poll", "sweep", "webhook"))
    return [
        f"leads      {len(tally.captured)} captured, {len(tally.pushed)} in the CRM; each once: {once}",
        f"qualified  {len(tally.qualified)}: by {ways}",
        f"rewards    {len(tally.milestones)} milestones; ledger balanced: {'yes' if balanced else 'no'}",
        *(f"WRONG      {each}" for each in wrong),
    ]
