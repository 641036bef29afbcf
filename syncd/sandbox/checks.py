"""The end of a sandbox: what must hold after everything that happened, and the summary that people read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from syncd.sandbox.crm import Found
from syncd.sandbox.market import Market
from syncd.sandbox.place import SENDER
from syncd.sandbox.tally import Tally
from syncd.sandbox.team import Team

MILESTONE, FRIENDS, MOST = "three-friends", 3, 5
"""The milestone of campaign.yaml: its id, how many friends it takes, and how often it is reached at the most."""

SOON = 2.0
"""Seconds after which what a CRM tells by itself should be booked."""

_STANDING = frozenset({"pending", "available", "fulfilled"})


def unsettled(tally: Tally, market: Market) -> list[str]:
    """Say in what the daemon does not yet agree with the CRMs and the shop, which is no fault before it had time."""
    found = [f"{len(missing)} leads never reached {name}" for name in market.teams if (missing := tally.unpushed(name))]
    if tally.guests:  # of their friends and decisions only they know what is true
        return found
    won, told = market.won(), set(tally.qualified)
    found += [f"{referral} is won and not qualified" for referral in sorted(won - told)]
    found += [f"{referral} is qualified and not won" for referral in sorted(told - won)]
    due = _milestones_due(won, market)
    reached = {(who, number) for who, name, number in tally.milestones if name == MILESTONE}
    found += [f"milestone {number} of {who} is due and not reached" for who, number in sorted(due - reached)]
    found += [f"milestone {number} of {who} is reached and not due" for who, number in sorted(reached - due)]
    return found


def faults(tally: Tally, market: Market, status: Mapping[str, Any], *, settled: bool = True) -> list[str]:
    """Say everything that does not hold, a sentence each; nothing if all is well.

    Without `settled` only what may not be at any moment is looked for.
    """
    found = [*unsettled(tally, market), *_wrong_rewards(tally, market)] if settled else []
    for name, team in market.teams.items():
        found += not_once(name, team, tally.pushed[name])
    found += tally.twice
    if not status["ledger"]["balanced"]:
        found.append("the ledger does not balance")
    for party in (*status["connectors"], *status["senders"], *status["receivers"]):
        dead = sum(party[box]["dead"] for box in ("outbox", "inbox") if box in party)
        found += [f"{dead} dead letters of {party['name']}"] if dead else []
    return found


def not_once(account: str, team: Team, referrals: Iterable[str]) -> list[str]:
    """Count the records of each referral in the CRM itself; name those that are not there exactly once.

    A record that was merged into another is that other one; one in the bin is there.
    """
    found = []
    for referral in sorted(referrals):
        numbers = Counter(kind for kind, _ in _survivors(team.humans.of_referral(referral)))
        for kind in sorted(team.made | numbers.keys()):
            if numbers[kind] != 1:
                found.append(f"{referral} is in {account} as {numbers[kind]} {kind}")
    return found


def _survivors(found: Sequence[Found]) -> set[tuple[str, str]]:
    """Follow merges, also of what was merged before; give type and id of what is left."""
    into = {(it.type, it.id): (it.type, it.merged_into) for it in found if it.merged_into}
    left: set[tuple[str, str]] = {(it.type, it.id) for it in found}
    while merged := left & into.keys():
        left = left - merged | {into[it] for it in merged}
    return left


def summary(tally: Tally, accounts: Iterable[str], wrong: Iterable[str], *, balanced: bool) -> list[str]:
    """Give the lines that end the story."""
    wrong, names = list(wrong), list(accounts)
    polls, sweeps, shop = tally.by("poll"), tally.by("sweep"), tally.by("webhook", SENDER)
    ways = f"poll {polls}, sweep {sweeps}, webhook {tally.by('webhook') - shop}, the shop's webhook {shop}"
    if rest := len(tally.qualified) - polls - sweeps - tally.by("webhook"):
        ways += f", otherwise {rest}"
    return [
        f"captured   {len(tally.captured)} leads",
        *(_of_account(tally, name, wrong) for name in names),
        f"qualified  {len(tally.qualified)}: by {ways}",
        f"rewards    {len(tally.milestones)} milestones; ledger balanced: {'yes' if balanced else 'no'}",
        *(f"WRONG      {each}" for each in wrong),
    ]


def _of_account(tally: Tally, name: str, wrong: Iterable[str]) -> str:
    once = "no" if any(f" is in {name} as " in each for each in wrong) else "yes"
    wins = ", ".join(f"{way} {tally.won(way, name)}" for way in ("poll", "sweep", "webhook"))
    return f"{name:<10} {len(tally.pushed[name])} leads, each once: {once}; wins by {wins}{_delay(tally.delays[name])}"


def _delay(seconds: Sequence[float]) -> str:
    """Say how soon after the CRM's message a win was booked."""
    if not seconds:
        return ""
    soon = sum(it <= SOON for it in seconds)
    return f" after {min(seconds):.1f} to {max(seconds):.1f} s, within {SOON:g} s: {soon} of {len(seconds)}"


def _milestones_due(won: Iterable[str], market: Market) -> set[tuple[str, int]]:
    """Reckon from what is true which (advocate, number) of the milestone must stand."""
    codes = Counter(it.advocate.code for referral in won if (it := market.story.friends.get(referral)))
    times = {who: min(codes[it.code] // FRIENDS, MOST) for who, it in market.story.advocates.items()}
    return {(who, number) for who, most in times.items() for number in range(1, most + 1)}


def _wrong_rewards(tally: Tally, market: Market) -> list[str]:
    """Hold the rewards that stand against those that are due, of advocates and of friends."""
    if tally.guests:
        return []
    won = market.won()
    standing = Counter(rule for (_, rule, _), state in tally.rewards.items() if state in _STANDING)
    due = {MILESTONE: len(_milestones_due(won, market)), "welcome": len(won)}
    return [
        f"{standing[it]} rewards of {it} stand, {number} are due"
        for it, number in due.items()
        if standing[it] != number
    ]
