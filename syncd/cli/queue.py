"""`syncd queue`: what is owed and what was told, and what to do with the letters among it that are dead."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import click

from syncd.cli.errors import FAILED, Failure, counted
from syncd.cli.moments import METAVAR, before, moment
from syncd.cli.output import facts_format_option, format_option, print_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from syncd.cli.output import Row
    from syncd.store.letters import Letter

COLUMNS = ("name", "kind", "connector", "lead", "state", "attempts", "waits_since", "next_try", "error")
MOST = 100_000  # letters that one command takes up
AT_ONCE = 500  # in one transaction: a daemon beside us must not wait for all of them


def _names(ctx: click.Context, param: click.Parameter, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """Refuse what is no letter's name: o12 in the outbox, i12 in the inbox."""
    for name in (value,) if isinstance(value, str) else value:
        if not re.fullmatch(r"[oi][0-9]{1,18}", name):
            told = f"{name!r} is no letter's name, such as o12 or i12; see: syncd queue list"
            raise click.BadParameter(told, ctx=ctx, param=param)
    return value


@click.group("queue")
def command() -> None:
    """Look at what waits and at what could not be done, try it again or give it up.

    A letter is one thing to do: o12 is owed to a CRM or a receiver, i12 was told by a CRM or a sender. One that waits
    is tried again by itself. A dead one was refused, or failed for days; it is kept until somebody retries or discards
    it.

    \b
    Example:
      syncd queue list --dead
    """


@command.command("list")
@click.option("--connector", metavar="NAME", help="Of this connector, sender or receiver only.")
@click.option("--error", metavar="TEXT", help="Whose error has this text in it.")
@click.option("--dead/--waiting", default=None, help="Only what is dead, or only what waits.")
@click.option("--limit", type=click.IntRange(1, MOST), default=50, show_default=True, help="How many at the most.")
@format_option
@click.pass_context
def list_(
    ctx: click.Context, connector: str | None, error: str | None, dead: bool | None, limit: int, form: str
) -> None:
    """List what waits and what is dead, the oldest first.

    \b
    Examples:
      syncd queue list --dead --connector hubspot-eu
      syncd queue list --error phone --format csv > refused.csv
    """
    from syncd.cli import letters
    from syncd.cli.installation import installation
    from syncd.store.engine import read

    with installation(ctx.obj) as app, read(app.database) as tx:
        found = letters.find(tx, dead=dead, party=connector, error=error, limit=limit)
    print_rows([_row(letter) for letter in found], COLUMNS, form)


@command.command("show")
@click.argument("name", callback=_names)
@facts_format_option
@click.pass_context
def show(ctx: click.Context, name: str, form: str) -> None:
    """Show one letter: whose it is, how it fared, and what is in it.

    Of a lead, the fields are shown as they would be sent now; of what was told, or is to be, the sentence or the text.

    \b
    Example:
      syncd queue show o12
    """
    from syncd.cli import letters
    from syncd.cli.installation import installation
    from syncd.cli.output import print_json
    from syncd.store.engine import read

    with installation(ctx.obj) as app, read(app.database) as tx:
        found = letters.read(tx, app, name)
    if found is None:
        raise Failure(f"error: no letter {name} waits or is dead; see: syncd queue list", FAILED)
    if form == "json":
        print_json(found.data())
    else:
        click.echo(found.text())


@command.command("retry", short_help="Try dead letters again.")
@click.argument("names", nargs=-1, callback=_names)
@click.option("--connector", metavar="NAME", help="Instead of names: all of this connector, sender or receiver.")
@click.option("--error", metavar="TEXT", help="With --connector: whose error has this text in it.")
@click.option(
    "--since",
    metavar=METAVAR,
    callback=moment,
    help="With --connector: that have waited for 2h at the most, or since a time.",
)
@click.pass_context
def retry(
    ctx: click.Context,
    names: tuple[str, ...],
    connector: str | None,
    error: str | None,
    since: timedelta | datetime | None,
) -> None:
    """Try dead letters again, as patiently as new ones.

    Exits with 1 when one that is named is not dead; the others are retried all the same.

    \b
    Examples:
      syncd queue retry o12 o13
      syncd queue retry --connector hubspot-eu --error "phone" --since 2d
    """
    from syncd.cli import letters
    from syncd.cli.installation import installation, operator
    from syncd.flow import operate
    from syncd.store.engine import read

    if bool(names) == bool(connector):
        raise click.UsageError("say which letters: by their names, or by --connector")
    if names and (error or since):
        raise click.UsageError("--error and --since go with --connector")
    with installation(ctx.obj) as app:
        with read(app.database) as tx:
            found = letters.find(tx, dead=True, party=connector, error=error, names=names or None, limit=MOST)
        if since is not None:
            found = [letter for letter in found if letter.created_at >= before(since, app.clock())]
        number = _in_parts(found, lambda part: operate.retry(app, part, by=operator()))
    click.echo(f"{counted(number, 'letter')} will be tried again")
    _tell_missing(names, found)


@command.command("discard", short_help="Give dead letters up for good.")
@click.argument("names", nargs=-1, required=True, callback=_names)
@click.option("--reason", required=True, help="Why; the history shows it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def discard(ctx: click.Context, names: tuple[str, ...], reason: str, yes: bool) -> None:
    """Give dead letters up for good; what they held is deleted, the reason stays.

    Exits with 1 when one that is named is not dead; the others are discarded all the same.

    \b
    Example:
      syncd queue discard o12 --reason "a test entry"
    """
    from syncd.cli import letters
    from syncd.cli.installation import installation, operator
    from syncd.flow import operate
    from syncd.store.engine import read

    if not reason.strip():
        raise click.BadParameter("say why", param_hint="--reason")
    with installation(ctx.obj) as app:
        with read(app.database) as tx:
            found = letters.find(tx, dead=True, names=names, limit=MOST)
        if found and not yes and sys.stdin.isatty():
            click.confirm(_question(found), abort=True)
        number = _in_parts(found, lambda part: operate.discard(app, part, reason=reason.strip(), by=operator()))
    click.echo(f"{counted(number, 'letter')} discarded")
    _tell_missing(names, found)


def _row(letter: Letter) -> Row:
    from syncd.redaction import redact

    return {
        "name": letter.name,
        "kind": letter.kind,
        "connector": letter.party or None,
        "lead": letter.lead,
        "state": "dead" if letter.dead else "waiting",
        "attempts": letter.attempt,
        "waits_since": letter.created_at,
        "next_try": letter.due_at,
        "error": letter.error and redact(letter.error),
    }


def _in_parts(found: Sequence[Letter], do: Callable[[Sequence[Letter]], int]) -> int:
    from syncd.contract import parts

    return sum(do(part) for part in parts(found, AT_ONCE))


def _tell_missing(names: Sequence[str], found: Sequence[Letter]) -> None:
    dead = {letter.name for letter in found}
    if missing := [name for name in dict.fromkeys(names) if name not in dead]:
        raise Failure(f"error: not dead: {', '.join(missing)}; see: syncd queue list", FAILED)


def _question(found: Sequence[Letter]) -> str:
    """Ask in terms that the operator can check."""
    told = [f"  {it.name}: {it.kind}{f' of {it.lead}' if it.lead else ''}, {it.party}" for it in found[:10]]
    more = [f"  and {len(found) - 10} more"] if len(found) > 10 else []
    return "\n".join([*told, *more, f"Discard {counted(len(found), 'letter')} for good?"])
