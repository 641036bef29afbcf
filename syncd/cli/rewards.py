"""`syncd rewards`: what was earned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncd.cli.errors import DATA, FAILED, OK, Failure
from syncd.cli.output import format_option, print_rows

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction

    from syncd.flow.app import App
    from syncd.flow.payout import Word

STATUSES = ("pending", "available", "fulfilled", "void", "reversed", "clawed_back", "expired")
COLUMNS = (
    "key",
    "recipient",
    "name",
    "campaign",
    "rule",
    "kind",
    "amount",
    "currency",
    "product",
    "subject",
    "status",
    "approval",
    "changed_at",
)


@click.group("rewards")
def command() -> None:
    """Look at the rewards that were earned, agree to them, and say that they were handed out.

    \b
    Examples:
      syncd rewards list --recipient anna@example.com
      syncd rewards approve spring-2026/adv-won/cash/per_06d5k1v3q7m2x9p4r8t0/per_06d5k1v3q7m2x9p4r8t1
    """


@command.command("list")
@click.option("--campaign", help="Of this campaign only.")
@click.option("--status", type=click.Choice(STATUSES), help="In this state only.")
@click.option("--recipient", metavar="ID|EMAIL", help="Of this participant only.")
@click.option("--awaiting", is_flag=True, help="Only those that a person has to agree to.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at the most.")
@format_option
@click.pass_context
def list_(
    ctx: click.Context,
    campaign: str | None,
    status: str | None,
    recipient: str | None,
    awaiting: bool,
    limit: int,
    form: str,
) -> None:
    """List rewards in their present state, the newest change first.

    \b
    Example:
      syncd rewards list --status available --format csv > payout.csv
    """
    from syncd.cli.installation import installation
    from syncd.cli.people import full_name
    from syncd.store import books, people
    from syncd.store.engine import read

    with installation(ctx.obj) as app, read(app.database) as tx:
        whose = _participant(tx, app, recipient) if recipient else None
        approval = "awaiting" if awaiting else None
        found = books.rewards(tx, campaign=campaign, status=status, recipient=whose, approval=approval, limit=limit)
        persons = people.participants(tx, {reward.recipient for reward in found})
    rows = [
        {column: getattr(reward, column) for column in COLUMNS if column != "name"}
        | {"name": full_name(persons.get(reward.recipient))}
        for reward in found
    ]
    print_rows(rows, COLUMNS, form)


def _participant(tx: Transaction, app: App, text: str) -> str:
    from syncd.store import people

    if "@" not in text:
        return text
    identity = app.identity(text)
    who = people.participant_by_identity(tx, identity) if identity else None
    if who is None:
        raise Failure("error: nobody is known by this e-mail address", DATA)
    return who.id


def _say(word: Word, verb: str, does: str, more: str) -> None:
    """Add the command by which a word is said of rewards."""

    @command.command(verb, short_help=does, help=f"{does}\n\n{more}\n\n\b\nExample:\n  syncd rewards {verb} KEY")
    @click.argument("keys", metavar="KEY...", nargs=-1, required=True)
    @click.option("--by", metavar="NAME", help="Who says so, where it is not you.")
    @click.pass_context
    def said(ctx: click.Context, keys: tuple[str, ...], by: str | None) -> None:
        from syncd.cli.installation import installation, operator
        from syncd.flow import payout
        from syncd.flow.refusal import Refusal

        refused = 0
        with installation(ctx.obj, books=True) as app:
            for key in keys:
                try:
                    reward = payout.say(app, word, key, by=by or operator(), cause=operator())
                except Refusal as refusal:
                    refused += 1
                    click.echo(f"error: {key}: {refusal}", err=True)
                else:
                    waits = ", and somebody else has to agree too" if reward.approval == "awaiting" else ""
                    click.echo(f"{key} is {reward.status.replace('_', ' ')}{waits}")
        ctx.exit(FAILED if refused else OK)


_say("approved", "approve", "Agree that rewards are given.", "Where two persons must agree, each says so.")
_say("rejected", "reject", "Decide that rewards are not given.", "Until somebody approves of them, whatever happens.")
_say("fulfilled", "fulfil", "Say that rewards have been handed out.", "What is handed out is only clawed back.")
_say(
    "failed",
    "fail",
    "Say that rewards could not be handed out.",
    "They are available again, if still due.",
)
