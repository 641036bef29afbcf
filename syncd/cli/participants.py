"""`syncd participants`: who somebody is, people who are one, and people who want to be forgotten."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from syncd.cli.errors import DATA, Failure
from syncd.cli.output import format_option, print_rows, shown
from syncd_rules import POTS

if TYPE_CHECKING:
    from syncd.flow.app import App
    from syncd.store.people import Participant

COLUMNS = ("id", "name", "campaign", "role", "counterpart", "standing")


@click.group("participants")
def command() -> None:
    """Look up a person and what they have, merge two that are one, forget one.

    \b
    Example:
      syncd participants show anna@example.com
    """


@command.command("show")
@click.argument("who", metavar="ID|EMAIL")
@format_option
@click.pass_context
def show(ctx: click.Context, who: str, form: str) -> None:
    """Show in which campaigns a person takes part, as an advocate and as a friend.

    \b
    Example:
      syncd participants show anna@example.com
    """
    from syncd.cli.installation import installation
    from syncd.cli.people import full_name
    from syncd.store import people, referrals
    from syncd.store.engine import read

    with installation(ctx.obj) as app:
        person = _found(app, who)
        with read(app.database) as tx:
            invited = referrals.find(tx, advocate=person.id, limit=10_000)
            referred = referrals.find(tx, friend=person.id, limit=1000)
            others = people.participants(tx, {*(it.friend for it in invited), *(it.advocate for it in referred)})
    rows = [("advocate", it, it.friend) for it in invited] + [("friend", it, it.advocate) for it in referred]
    print_rows(
        [
            {
                "id": person.id,
                "name": full_name(person),
                "campaign": it.campaign,
                "role": role,
                "counterpart": shown(full_name(others.get(other))) or other,
                "standing": it.standing,
            }
            for role, it, other in rows
        ]
        or [{"id": person.id, "name": full_name(person)}],
        COLUMNS,
        form,
    )


@command.command("balance", short_help="Show what a person has, by the ledger.")
@click.argument("who", metavar="ID|EMAIL")
@format_option
@click.pass_context
def balance(ctx: click.Context, who: str, form: str) -> None:
    """Show what a person has, by the ledger: what is pending, what is available, what has been handed out.

    \b
    Example:
      syncd participants balance anna@example.com
    """
    from syncd.cli.installation import installation
    from syncd.flow.balance import balance_of
    from syncd.store.engine import read

    with installation(ctx.obj) as app:
        person = _found(app, who)
        with read(app.database) as tx:
            has = balance_of(tx, person.id)
    rows = [{"unit": unit, **pots} for unit, pots in has.items()]
    print_rows(rows, ("unit", *POTS), form)


@command.command("erase", short_help="Forget who somebody is.")
@click.argument("who", metavar="ID|EMAIL")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def erase(ctx: click.Context, who: str, yes: bool) -> None:
    """Forget who somebody is: name, address, and the hash by which they would be recognised.

    What is pending for them is void and nothing more is earned; the books keep what was given, under an id that means
    nobody. What the CRMs hold of them has to be deleted there.

    \b
    Example:
      syncd participants erase mei@example.com
    """
    from syncd.cli.installation import installation, operator
    from syncd.cli.people import full_name
    from syncd.flow import persons

    with installation(ctx.obj, books=True) as app:
        person = _found(app, who)
        if not yes and sys.stdin.isatty():
            click.confirm(f"Forget {shown(full_name(person)) or person.id}? This cannot be undone.", abort=True)
        persons.erase(app, person.id, cause=operator())
    click.echo(f"{person.id} is forgotten")


@command.command("merge", short_help="Make one of two people who are one.")
@click.argument("old", metavar="OLD")
@click.argument("into", metavar="INTO")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def merge(ctx: click.Context, old: str, into: str, yes: bool) -> None:
    """Make one of two participants, named by id or e-mail address; INTO stays, OLD becomes another name of it.

    Both were one person all along then: codes, referrals, orders and rewards are weighed anew.

    \b
    Example:
      syncd participants merge mei@example.org mei@example.com
    """
    from syncd.cli.installation import installation, operator
    from syncd.cli.people import full_name
    from syncd.flow import persons

    with installation(ctx.obj, books=True) as app:
        gone, kept = _found(app, old), _found(app, into)
        if not yes and sys.stdin.isatty():
            names = [shown(full_name(it)) or it.id for it in (gone, kept)]
            click.confirm(f"Make {names[0]} another name of {names[1]}? This cannot be undone.", abort=True)
        persons.merge(app, gone.id, kept.id, cause=operator())
    click.echo(f"{gone.id} is {kept.id}")


def _found(app: App, text: str) -> Participant:
    """Find somebody by id or address. Raises `Failure`."""
    from syncd.store import people
    from syncd.store.engine import read

    with read(app.database) as tx:
        if "@" in text:
            identity = app.identity(text)
            person = people.participant_by_identity(tx, identity) if identity else None
        else:
            person = people.participants(tx, [people.name_now(tx, text)]).get(people.name_now(tx, text))
    if person is None:
        raise Failure("error: nobody is known by this id or e-mail address", DATA)
    return person
