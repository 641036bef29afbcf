"""`syncd tokens`: who may use the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncd.cli.errors import FAILED, Failure
from syncd.cli.output import format_option, print_rows

if TYPE_CHECKING:
    from syncd.web.tokens import Role

COLUMNS = ("name", "role", "created_at", "revoked_at")


@click.group("tokens")
def command() -> None:
    """Give out and take back tokens for the API.

    \b
    Example:
      syncd tokens list
    """


@command.command("add", short_help="Make a token and print it, this once.")
@click.argument("name")
@click.option("--role", type=click.Choice(["read", "write"]), required=True, help="write includes read.")
@click.pass_context
def add(ctx: click.Context, name: str, role: Role) -> None:
    """Make a token and print it, this once; the database keeps its hash alone.

    NAME says who uses it; it stands in the history of everything done with it.

    \b
    Example:
      syncd tokens add landing-page --role write
    """
    from syncd.cli.installation import installation
    from syncd.web import tokens

    with installation(ctx.obj) as app:
        try:
            token = tokens.issue(app, name, role)
        except tokens.NameTaken as error:
            raise Failure(f"error: {error}", FAILED) from error
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="NAME") from error
    click.echo(token)
    click.echo("keep it now; it cannot be shown again", err=True)


@command.command("list")
@format_option
@click.pass_context
def list_(ctx: click.Context, form: str) -> None:
    """List the tokens by name, revoked ones too.

    \b
    Example:
      syncd tokens list --format csv
    """
    from syncd.cli.installation import installation
    from syncd.store import access
    from syncd.store.engine import read

    with installation(ctx.obj) as app, read(app.database) as tx:
        found = access.tokens(tx)
    print_rows([{column: getattr(token, column) for column in COLUMNS} for token in found], COLUMNS, form)


@command.command("revoke")
@click.argument("name")
@click.pass_context
def revoke(ctx: click.Context, name: str) -> None:
    """Revoke a token; it is refused from now on.

    \b
    Example:
      syncd tokens revoke landing-page
    """
    from syncd.cli.installation import installation
    from syncd.web import tokens

    with installation(ctx.obj) as app:
        revoked = tokens.revoke(app, name)
    if not revoked:
        raise Failure(f"error: there is no good token {name!r}; see: syncd tokens list", FAILED)
    click.echo(f"{name} is revoked")
