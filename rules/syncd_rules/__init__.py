"""The rules of a referral program: what happened, weighed by what the program says, gives what was earned.

Pure: no clock, no file, no network. `load` reads a program, `evaluate` weighs events, `reconcile` keeps the books.
"""

from __future__ import annotations

from syncd_rules.cases import Case, cases_from_json, tried
from syncd_rules.dump import dump
from syncd_rules.effects import EFFECTS, effect_names
from syncd_rules.events import Event
from syncd_rules.explain import explain
from syncd_rules.facts import facts_of
from syncd_rules.identity import company_of, normalise_email
from syncd_rules.json_form import balances_json, result_json
from syncd_rules.ledger import ISSUED, POTS, Posting, Txn, balances, pots_of, reconcile
from syncd_rules.load import load
from syncd_rules.load_events import events_from_json
from syncd_rules.model import InvalidData, InvalidProgram, Problem, Program
from syncd_rules.replay import Comparison, compare
from syncd_rules.result import Effect, News, Reached, ReferralState, Rejected, Result, Reward, Suppressed
from syncd_rules.schemas import schemas
from syncd_rules.state import State, evaluate
from syncd_rules.time import YEARS, in_reach
from syncd_rules.versions import Versions, misfits

__all__ = [
    "EFFECTS",
    "ISSUED",
    "POTS",
    "YEARS",
    "Case",
    "Comparison",
    "Effect",
    "Event",
    "InvalidData",
    "InvalidProgram",
    "News",
    "Posting",
    "Problem",
    "Program",
    "Reached",
    "ReferralState",
    "Rejected",
    "Result",
    "Reward",
    "State",
    "Suppressed",
    "Txn",
    "Versions",
    "balances",
    "balances_json",
    "cases_from_json",
    "company_of",
    "compare",
    "dump",
    "effect_names",
    "evaluate",
    "events_from_json",
    "explain",
    "facts_of",
    "in_reach",
    "load",
    "misfits",
    "normalise_email",
    "pots_of",
    "reconcile",
    "result_json",
    "schemas",
    "tried",
]
