"""`syncd rewards`: what was earned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncd.cli.errors import DATA, Failure
from syncd.cli.output import format_option, print_rows

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction

    from syncd.flow.app import App

STATUSES = ("pending", "available", "fulfilled", "void", "reversed", "clawed_back", "expired")
COLUMNS = (
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
    "changed_at",
)


@click.group("rewards")
def command() -> None:
    """Look at the rewards that were earned.

    \b
    Example:
      syncd rewards list --recipient anna@example.com
    """


@command.command("list")
@click.option("--campaign", help="Of this campaign only.")
@click.option("--status", type=click.Choice(STATUSES), help="In this state only.")
@click.option("--recipient", metavar="ID|EMAIL", help="Of this participant only.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at the most.")
@format_option
@click.pass_context
def list_(
    ctx: click.Context, campaign: str | None, status: str | None, recipient: str | None, limit: int, form: str
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
        found = books.rewards(tx, campaign=campaign, status=status, recipient=whose, limit=limit)
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
