"""`syncd rules`: try a campaign on paper, test it, ask why, and see what changed rules would change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from syncd.cli import moments
from syncd.cli.errors import CONFIG, FAILED, Failure, counted
from syncd.cli.output import print_json
from syncd.cli.paper import read_paper, read_versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import Connection as Transaction

    from syncd.cli.output import Cell
    from syncd_rules import Comparison

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_form = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print: for people, or for programs.",
)


@click.group("rules")
def command() -> None:
    """Try a campaign on paper, test it, ask why, and see what changed rules would change.

    \b
    Example:
      syncd rules eval spring-2026.yaml events.json --as-of 2026-06-01T00:00:00Z
    """


@command.command("eval", short_help="Say what events amount to, without a database.")
@click.argument("files", nargs=-1, required=True, type=_FILE, metavar="PROGRAM.yaml... EVENTS.json")
@click.option("--as-of", callback=moments.moment, metavar=moments.METAVAR, help="At this time; now where left out.")
@_form
def evaluate_(files: tuple[Path, ...], as_of: timedelta | datetime | None, form: str) -> None:
    """Say what the events of EVENTS.json amount to under a campaign; several PROGRAM.yaml are its versions.

    Neither a database nor a configuration is needed, and nothing is changed. rules/README.md describes both forms.

    \b
    Examples:
      syncd rules eval spring-2026.yaml events.json --as-of 2026-06-01T00:00:00Z
      syncd rules eval spring-1.yaml spring-2.yaml events.json --format json
    """
    from syncd_rules import evaluate, events_from_json, result_json

    at = _time(as_of)
    programs, events = read_paper(files, events_from_json, form)
    result = result_json(evaluate(programs, events, at))
    if form == "json":
        print_json(result)
    else:
        click.echo(_told(result))


@command.command("test", short_help="Hold a campaign against the outcomes that its author expects.")
@click.argument("files", nargs=-1, required=True, type=_FILE, metavar="PROGRAM.yaml... CASES.json")
@_form
@click.pass_context
def test(ctx: click.Context, files: tuple[Path, ...], form: str) -> None:
    """Run every case of CASES.json: its events at its time must amount to what it expects. Ends with 1 where one fails.

    \b
    Example:
      syncd rules test spring-2026.yaml spring-2026.cases.json
    """
    from syncd_rules import cases_from_json, tried

    programs, cases = read_paper(files, cases_from_json, form)
    outcomes = [(case.name, tried(case, programs)) for case in cases]
    failed = sum(bool(found) for _, found in outcomes)
    if form == "json":
        print_json([{"name": name, "passed": not found, "differences": found} for name, found in outcomes])
    else:
        for name, found in outcomes:
            click.echo("\n".join([f"{'FAILED' if found else 'ok':<8}{name}", *(f"        {line}" for line in found)]))
        click.echo(f"{counted(len(outcomes), 'case')}, {failed} failed")
    ctx.exit(FAILED if failed else 0)


@command.command("explain", short_help="Say why a referral is, or is not, qualified, counted and rewarded.")
@click.argument("referral")
@click.option("--as-of", callback=moments.moment, metavar=moments.METAVAR, help="At this time; now where left out.")
@_form
@click.pass_context
def explain_(ctx: click.Context, referral: str, as_of: timedelta | datetime | None, form: str) -> None:
    """Say why a referral is, or is not, qualified, counted and rewarded, and what is missing; with facts and sources.

    \b
    Example:
      syncd rules explain ref_06d5k1v3q7m2x9p4r8t0
    """
    from syncd.cli.installation import installation
    from syncd.flow.book import scope_of
    from syncd.flow.told import read_told
    from syncd.store import referrals
    from syncd.store.engine import read
    from syncd_rules import explain, facts_of

    at = _time(as_of)
    with installation(ctx.obj) as app, read(app.database) as tx:
        found = referrals.get(tx, referral)
        if found is None:
            raise Failure(f"error: there is no referral {referral!r}; see: syncd referrals list", FAILED)
        campaign = app.campaign(found.campaign)
        if campaign is None:
            raise Failure(f"error: campaign {found.campaign} is not configured, so nothing weighs its events", FAILED)
        own, beside = read_told(tx, app, scope_of(app, found.campaign, found.advocate))
        causes = {told.event.id: told.cause for told in (*own, *beside)}
        events = [told.event for told in (*own, *beside)]
        names = _names(tx, {found.advocate, found.friend})
    sentences = explain(campaign.programs, events, at, found.friend)
    facts: list[dict[str, Cell]] = [
        {"at": event.at, "fact": told, "event": event.id, "source": causes[event.id]}
        for event, told in facts_of(events, found.friend)
        if event.at <= at
    ]
    if form == "json":
        print_json({"referral": found.id, "as_of": at, "sentences": sentences, "facts": facts})
        return
    from syncd.cli.output import plain_text, shown

    lines = [_named(sentence, names) for sentence in sentences]
    for fact in facts:
        fact["fact"] = _named(str(fact["fact"]), names)
    click.echo("\n".join([f"{found.id} in {found.campaign}, at {shown(at)}", *lines, "", "What is known"]))
    click.echo(plain_text(facts, ["at", "fact", "source", "event"]))


@command.command("replay", short_help="See who would gain or lose what under changed rules; touches nothing.")
@click.option(
    "--against", "files", multiple=True, required=True, type=_FILE, metavar="NEW.yaml", help="The changed rules."
)
@click.option("--as-of", callback=moments.moment, metavar=moments.METAVAR, help="At this time; now where left out.")
@_form
@click.pass_context
def replay(ctx: click.Context, files: tuple[Path, ...], as_of: timedelta | datetime | None, form: str) -> None:
    """Run a campaign's real history through changed rules, and say who would gain or lose what. Nothing is changed.

    The versions of NEW.yaml take the place of those of the same number; the others stay as they are configured.

    \b
    Example:
      syncd rules replay --against spring-2026-new.yaml
    """
    from syncd.cli.installation import installation
    from syncd.store import books
    from syncd.store.engine import read
    from syncd_rules import compare, evaluate, misfits

    at = _time(as_of)
    changed = read_versions(files, form)
    with installation(ctx.obj) as app, read(app.database) as tx:
        campaign = app.campaign(changed[0].campaign)
        if campaign is None:
            known = ", ".join(app.config.campaigns) or "none"
            raise Failure(f"error: campaign {changed[0].campaign} is not configured; known: {known}", FAILED)
        versions = {program.version: program for program in (*campaign.programs, *changed)}
        if wrong := misfits(list(versions.values())):
            told = "\n".join(f"error: {problem}" for _, problem in wrong)
            raise Failure(f"{told}\nthe new versions do not go with those that are configured", CONFIG)
        events = [told.event for told in books.events(tx, campaign.id, None)]
        before, after = (evaluate(programs, events, at) for programs in (campaign.programs, list(versions.values())))
        compared = compare(before, after)
        names = _names(tx, {change.participant for change in compared.balances} | {r.to for r in compared.rewards})
    if form == "json":
        from dataclasses import asdict

        print_json({"campaign": campaign.id, "as_of": at, "events": len(events), **asdict(compared)})
    else:
        click.echo(f"{campaign.id}: {counted(len(events), 'event')} under the changed rules")
        click.echo(_compared(compared, names) if compared else "nobody would gain or lose anything")


def _time(given: timedelta | datetime | None) -> datetime:
    from datetime import UTC, datetime

    from syncd_rules import YEARS, in_reach

    now = datetime.now(UTC)
    at = now if given is None else moments.after(given, now)
    if not in_reach(at):
        raise click.BadParameter(f"not between the years {YEARS[0]} and {YEARS[-1]}", param_hint="--as-of")
    return at


# --- what is printed --------------------------------------------------------------------------------------------------


def _told(result: Mapping[str, Any]) -> str:
    """Write a result out for people; programs take the JSON."""
    from syncd.cli.output import plain_text

    tables: list[tuple[str, Sequence[Mapping[str, Any]]]] = [
        ("referrals", [{"friend": friend, **state} for friend, state in result["referrals"].items()]),
        ("rejected", [{"friend": friend, "reason": reason} for friend, reason in result["rejected"]]),
        ("milestones", [dict(zip(_MILESTONE, row, strict=True)) for row in result["milestones"]]),
        ("rewards", result["rewards"]),
        ("suppressed", result["suppressed"]),
        ("conflicts, of which the earlier is used", [{"event": id} for id in result["conflicts"]]),
        (
            "balances",
            [
                {"participant": who, "unit": unit, **pots}
                for who, units in result["balances"].items()
                for unit, pots in units.items()
            ],
        ),
        ("effects", [{"effect": name, "times": times} for name, times in result["effects"].items()]),
    ]
    parts = [
        f"{title}\n{plain_text(rows, list(dict.fromkeys(key for row in rows for key in row)))}\n"
        for title, rows in tables
        if rows
    ]
    count = counted(len(result["ledger"]), "transaction")
    return "\n".join([*parts, f"{count} in the ledger; next due: {result['next_due'] or 'nothing'}"])


_MILESTONE = ("participant", "milestone", "number", "reached_at")


def _compared(compared: Comparison, names: Mapping[str, str]) -> str:
    from syncd.cli.output import plain_text

    balances = []
    for change in compared.balances:
        was, will = change.told()
        balances.append(
            {
                "participant": names.get(change.participant, change.participant),
                "would": "gain" if change.after > change.before else "lose",
                "unit": change.unit,
                "now": was,
                "then": will,
            }
        )
    rewards = [
        {"to": names.get(r.to, r.to), "rule": r.rule, "for": r.subject, "now": r.before or "-", "then": r.after or "-"}
        for r in compared.rewards
    ]
    referrals = [{"friend": r.friend, "now": r.before or "-", "then": r.after or "-"} for r in compared.referrals]
    tables = [("balances", balances), ("rewards", rewards), ("referrals", referrals)]
    return "\n".join(f"\n{title}\n{plain_text(rows, list(rows[0]))}" for title, rows in tables if rows)


def _names(tx: Transaction, ids: set[str]) -> dict[str, str]:
    """Name participants for a terminal: the name and the id, or the id alone where nothing is known."""
    from syncd.cli.people import full_name
    from syncd.store import people

    known = people.participants(tx, ids)
    return {id: f"{name} ({id})" if (name := full_name(known.get(id))) else id for id in ids}


def _named(sentence: str, names: Mapping[str, str]) -> str:
    for id, name in names.items():
        sentence = sentence.replace(id, name)
    return sentence
