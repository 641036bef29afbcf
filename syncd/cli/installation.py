"""The installation that a command works on: its configuration, and its database opened beside the daemon's."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager

from syncd import registry
from syncd.cli import Options, logs
from syncd.config import Config, find, load
from syncd.flow.app import App
from syncd.flow.opening import open_app
from syncd.flow.promises import hold_programs
from syncd.store.engine import retrying


def configuration(options: Options) -> Config:
    """Load the configuration that the options mean. Raises `ConfigError` with all that is wrong."""
    return load(find(options.config, os.environ), env=os.environ, connector_types=registry.find)


@contextmanager
def installation(options: Options, *, books: bool = False) -> Iterator[App]:
    """Open the installation for one command; a running daemon sees its changes within a second.

    A command that writes `books` does so by the rules in effect or not at all. Raises `ChangedProgram`.
    """
    config = configuration(options)
    logs.set_up(config, level="warning")
    app = open_app(config)
    try:
        if books:
            retrying(app.database, lambda tx: hold_programs(tx, app))
        yield app
    finally:
        app.database.dispose()


def operator() -> str:
    """Say in the history's terms who is at the keyboard: `cli:` and the account's name."""
    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:  # a container's user may have a number only
        return f"cli:{os.getuid()}"
