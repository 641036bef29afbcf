"""One connector at the command line: its settings, itself opened, and what its CRM says put into words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from syncd import oauth, registry
from syncd.cli import Options, logs
from syncd.cli.errors import FAILED, Failure, connector_code
from syncd.cli.installation import configuration
from syncd.cli.places import problem_at
from syncd.config import Config, format_problem
from syncd.config.problems import nearest
from syncd.contract import Account, Connector, ConnectorError, ConnectorSettings, Misconfigured
from syncd.flow.opening import open_app
from syncd.http import Session
from syncd.redaction import redact


@contextmanager
def opened(options: Options, name: str) -> Iterator[tuple[Config, ConnectorSettings, Connector]]:
    """Open a connector, with the database only where its tokens are; errors of its CRM become failures."""
    config = configuration(options)
    logs.set_up(config, level="warning")
    settings = settings_of(config, name)
    with _session(config, settings) as session, failures(config, settings):
        yield config, settings, registry.open_connector(settings, session)


@contextmanager
def failures(config: Config, settings: ConnectorSettings) -> Iterator[None]:
    """Tell what a CRM says at the setting at fault, with the exit code for it."""
    try:
        yield
    except ConnectorError as error:
        raise Failure(_told(config, settings, error), connector_code(error)) from error


def settings_of(config: Config, name: str) -> ConnectorSettings:
    """Find a configured connector. Raises `Failure` naming the one that was probably meant."""
    for settings in config.connectors:
        if settings.name == name:
            return settings
    hint = nearest(name, [settings.name for settings in config.connectors])
    raise Failure(f"error: there is no connector {name!r} in {config.path}; {hint}".rstrip("; "), FAILED)


def proved(settings: ConnectorSettings, account: Account) -> str:
    """Tell whose account it is, and what was proved of it."""
    lines = [f"{settings.name}: {account.name} ({settings.type} account {account.id})"]
    lines += [f"  ok       {proved}" for proved in account.checked]
    lines += [f"  warning  {warning}" for warning in account.warnings]
    return "\n".join(lines)


@contextmanager
def _session(config: Config, settings: ConnectorSettings) -> Iterator[Session]:
    if oauth.wanted(registry.find(settings.type), settings) is None:
        yield Session()
        return
    app = open_app(config)
    try:
        yield app.connections[settings.name].session
    finally:
        app.database.dispose()


def _told(config: Config, settings: ConnectorSettings, error: ConnectorError) -> str:
    """Say what is wrong at the place in the file that must be changed, where it is a setting."""
    text = f"connector {settings.name}: {redact(str(error))}"
    if not isinstance(error, Misconfigured):
        return f"error: {text}; try again later"
    return format_problem(problem_at(config, settings, error.yaml_path, text, redact(error.hint)))
