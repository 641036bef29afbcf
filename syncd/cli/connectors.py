"""`syncd connectors`: which there are, and whether a configured one works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from syncd.cli.errors import FAILED, Failure, connector_code
from syncd.cli.output import format_option, print_rows

if TYPE_CHECKING:
    from syncd.config import Config
    from syncd.contract import Account, ConnectorError, ConnectorSettings

COLUMNS = ("name", "type", "campaigns", "state", "account")


@click.group("connectors")
def command() -> None:
    """List connectors, and check one against its CRM.

    \b
    Example:
      syncd connectors check hubspot-eu
    """


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
    rows = []
    for settings in app.config.connectors:
        serves = [id for id, campaign in app.config.campaigns.items() if settings.name in campaign.connectors]
        row: dict[str, Any] = {"name": settings.name, "type": settings.type, "campaigns": " ".join(serves)}
        rows.append(row | {"state": found[settings.name].state, "account": found[settings.name].account})
    print_rows(rows, COLUMNS, form)


@command.command("types")
@format_option
def types(form: str) -> None:
    """List the types of connector that are installed.

    \b
    Example:
      syncd connectors types
    """
    from syncd import registry

    print_rows([{"type": type} for type in registry.known()], ("type",), form)


@command.command("check", short_help="Call the CRM and prove that all is set up.")
@click.argument("name")
@click.pass_context
def check(ctx: click.Context, name: str) -> None:
    """Call the CRM and prove that credentials, permissions, fields and stages are as configured.

    Only reads. Exits with 77 when the credentials are refused, 78 when something else must be configured, 69 when the
    CRM does not answer, 75 when its quota is spent.

    \b
    Example:
      syncd connectors check hubspot-eu
    """
    from syncd import registry
    from syncd.cli import logs
    from syncd.cli.installation import configuration
    from syncd.contract import ConnectorError
    from syncd.http import Session

    config = configuration(ctx.obj)
    logs.set_up(config, level="warning")
    settings = _settings(config, name)
    try:
        account = registry.open_connector(settings, Session()).check()
    except ConnectorError as error:
        raise Failure(_told(config, settings, error), connector_code(error)) from error
    click.echo(_proved(settings, account))


def _settings(config: Config, name: str) -> ConnectorSettings:
    from syncd.config.problems import nearest

    for settings in config.connectors:
        if settings.name == name:
            return settings
    hint = nearest(name, [settings.name for settings in config.connectors])
    raise Failure(f"error: there is no connector {name!r} in {config.path}; {hint}".rstrip("; "), FAILED)


def _proved(settings: ConnectorSettings, account: Account) -> str:
    lines = [f"{settings.name}: {account.name} ({settings.type} account {account.id})"]
    lines += [f"  ok       {proved}" for proved in account.checked]
    lines += [f"  warning  {warning}" for warning in account.warnings]
    return "\n".join(lines)


def _told(config: Config, settings: ConnectorSettings, error: ConnectorError) -> str:
    """Say what is wrong at the place in the file that must be changed, where it is a setting."""
    from syncd.cli.places import problem_at
    from syncd.config import format_problem
    from syncd.contract import Misconfigured
    from syncd.redaction import redact

    text = f"connector {settings.name}: {redact(str(error))}"
    if not isinstance(error, Misconfigured):
        return f"error: {text}; try again later"
    return format_problem(problem_at(config, settings, error.yaml_path, text, redact(error.hint)))
