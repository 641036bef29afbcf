"""The rules of a referral program: what happened, weighed by what the program says, gives what was earned.

Pure: no clock, no file, no network. `load` reads a program, `evaluate` weighs events, `reconcile` keeps the books.
"""

from __future__ import annotations

from syncd_rules.evaluate import evaluate
from syncd_rules.events import Event
from syncd_rules.identity import company_of, normalise_email
from syncd_rules.ledger import Posting, Txn, balances, reconcile
from syncd_rules.load import load
from syncd_rules.model import InvalidProgram, Problem, Program
from syncd_rules.result import Effect, Reached, ReferralState, Rejected, Result, Suppressed
from syncd_rules.rewards import Reward

__all__ = [
    "Effect",
    "Event",
    "InvalidProgram",
    "Posting",
    "Problem",
    "Program",
    "Reached",
    "ReferralState",
    "Rejected",
    "Result",
    "Reward",
    "Suppressed",
    "Txn",
    "balances",
    "company_of",
    "evaluate",
    "load",
    "normalise_email",
    "reconcile",
]
