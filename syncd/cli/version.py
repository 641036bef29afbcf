"""`syncd version`."""

from __future__ import annotations

import importlib
import importlib.metadata
import platform

import click


@click.command("version")
def command() -> None:
    """Print the versions of syncd, Python and SQLite.

    \b
    Example:
      syncd version
    """
    click.echo(f"syncd {importlib.metadata.version('syncd')}")
    click.echo(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    click.echo(f"SQLite {_sqlite()}")


def _sqlite() -> str:
    """Name the library that the store would open, in its order of preference."""
    for name in ("pysqlite3", "sqlite3"):
        try:
            return f"{importlib.import_module(name).sqlite_version} ({name})"
        except ImportError:
            continue
    return "not found"
