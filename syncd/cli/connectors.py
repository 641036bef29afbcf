"""`syncd connectors`: which there are, whether a configured one works, and whether it may call its CRM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from syncd.cli import auth
from syncd.cli.moments import METAVAR, after, moment
from syncd.cli.output import format_option, print_rows, shown

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from syncd.config import Config
    from syncd.contract import Connector, ConnectorSettings

COLUMNS = ("name", "type", "campaigns", "state", "account")


@click.group("connectors")
def command() -> None:
    """List connectors, check one against its CRM, stop and resume one.

    \b
    Example:
      syncd connectors check hubspot-eu
    """


command.add_command(auth.command)


@command.command("list")
@format_option
@click.pass_context
def list_(ctx: click.Context, form: str) -> None:
    """List the configured connectors.

    \b
    Example:
      syncd connectors list
    """
    from syncd.cli.installation import installation
    from syncd.store import sources
    from syncd.store.engine import read

    with installation(ctx.obj) as app, read(app.database) as tx:
        found = {source.name: source for source in sources.everyone(tx)}
        now = app.clock()
    rows = []
    for settings in app.config.connectors:
        serves = [id for id, campaign in app.config.campaigns.items() if settings.name in campaign.connectors]
        source = found[settings.name]
        row: dict[str, Any] = {"name": settings.name, "type": settings.type, "campaigns": " ".join(serves)}
        rows.append(row | {"state": "paused" if source.is_paused(now) else source.state, "account": source.account})
    print_rows(rows, COLUMNS, form)


@command.command("types", short_help="List the types of connector that are installed.")
@format_option
def types(form: str) -> None:
    """List the types of connector that are installed, and what is wrong with one that cannot be used.

    \b
    Example:
      syncd connectors types
    """
    from syncd import registry

    print_rows([{"type": type, "problem": _problem(type)} for type in registry.known()], ("type", "problem"), form)


def _problem(type: str) -> str | None:
    """Import a connector, as the daemon does; say what is wrong with one that cannot be had."""
    from syncd import registry
    from syncd.config import Unavailable
    from syncd.redaction import redact

    try:
        registry.find(type)
    except Unavailable as error:
        return redact(str(error).removeprefix(f"connector '{type}' "))
    return None


@command.command("check", short_help="Call the CRM and prove that all is set up.")
@click.argument("name")
@click.option("--fix", is_flag=True, help="First create in the CRM what carries our id, if it is missing.")
@click.pass_context
def check(ctx: click.Context, name: str, fix: bool) -> None:
    """Call the CRM and prove that credentials, permissions, fields and stages are as configured.

    Only reads, unless --fix is given. Exits with 77 when the credentials are refused, 78 when something else must be
    configured, 69 when the CRM does not answer, 75 when its quota is spent.

    \b
    Examples:
      syncd connectors check hubspot-eu
      syncd connectors check hubspot-eu --fix
    """
    from syncd.cli.connected import opened, proved

    with opened(ctx.obj, name) as (_, settings, connector):
        if fix:
            _provision(settings, connector)
        click.echo(proved(settings, connector.check()))


@command.command("discover", short_help="Print the CRM's stages and fields as YAML to paste.")
@click.argument("name")
@click.pass_context
def discover(ctx: click.Context, name: str) -> None:
    """Print the CRM's deal stages, and the fields that can be filled, as YAML to paste under the connector.

    Only reads. A connector that cannot list fields leaves them out.

    \b
    Example:
      syncd connectors discover hubspot-eu
    """
    from syncd.cli.connected import opened
    from syncd.cli.outline import outline
    from syncd.contract import ListsFields

    with opened(ctx.obj, name) as (config, settings, connector):
        fields = connector.fields() if isinstance(connector, ListsFields) else ()
        click.echo(outline(settings, connector.stages(), fields, _own_stages(config, name)))


@command.command("pause", short_help="Have no calls made to a CRM; its leads wait.")
@click.argument("name")
@click.option(
    "--until", metavar=METAVAR, callback=moment, help="Resume by itself: after 2h, or at 2026-03-02T09:00 (UTC)."
)
@click.pass_context
def pause(ctx: click.Context, name: str, until: timedelta | datetime | None) -> None:
    """Have no calls made to a CRM until `resume`, whatever is restarted meanwhile; its leads wait.

    A call that is being made ends as it would have; the daemon makes no further one.

    \b
    Examples:
      syncd connectors pause hubspot-eu
      syncd connectors pause hubspot-eu --until 2h
    """
    from syncd.cli.connected import settings_of
    from syncd.cli.installation import installation, operator
    from syncd.flow import operate

    with installation(ctx.obj) as app:
        settings_of(app.config, name)
        end = None if until is None else after(until, app.clock())
        if end is not None and end <= app.clock():
            raise click.BadParameter(f"{shown(end)} is past", param_hint="--until")
        operate.pause(app, name, by=operator(), until=end)
    click.echo(f"{name} is paused {f'until {shown(end)}' if end else f'until this: syncd connectors resume {name}'}")


@command.command("resume", short_help="Have calls made again, at once.")
@click.argument("name")
@click.pass_context
def resume(ctx: click.Context, name: str) -> None:
    """Have calls made again, at once, also to a CRM that the daemon left alone for its own sake.

    \b
    Example:
      syncd connectors resume hubspot-eu
    """
    from syncd.cli.connected import settings_of
    from syncd.cli.installation import installation, operator
    from syncd.flow import operate

    with installation(ctx.obj) as app:
        settings_of(app.config, name)
        operate.resume(app, name, by=operator())
    click.echo(f"{name} is resumed")


def _provision(settings: ConnectorSettings, connector: Connector) -> None:
    from syncd.contract import Provisions

    if not isinstance(connector, Provisions):
        click.echo(
            f"{settings.name}: a connector of type {settings.type} creates nothing; it is only checked", err=True
        )
        return
    created = connector.provision()
    for what in created:
        click.echo(f"created: {what}")
    if not created:
        click.echo("nothing had to be created", err=True)


def _own_stages(config: Config, name: str) -> list[str]:
    """Name the stages of the campaigns that a connector serves."""
    programs = [campaign.programs[-1] for campaign in config.campaigns.values() if name in campaign.connectors]
    return list(dict.fromkeys(stage for it in programs for stage in (*it.stages.order, *sorted(it.stages.lost))))
