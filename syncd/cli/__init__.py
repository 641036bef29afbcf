"""The command line: `syncd`, and what it can do.

This module and those of the commands import click and nothing heavier at the top, so that help, completion and
`syncd version` answer at once; a command imports what it works with when it runs.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from syncd.cli.errors import explained

SECTIONS = {  # each command is `command` in the module of its name
    "Run": ("run", "validate", "status", "sandbox"),
    "Look and act": (
        "referrals",
        "rewards",
        "participants",
        "rules",
        "connectors",
        "webhooks",
        "receivers",
        "queue",
        "tokens",
        "secrets",
    ),
    "About": ("version", "completion"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What stands before the command's name."""

    config: Path | None
    debug: bool


class Commands(click.Group):
    """The commands of `SECTIONS`, each imported when it is asked for. An error becomes a sentence and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for names in SECTIONS.values() for name in names]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"syncd.cli.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in SECTIONS.items():
            found = [(name, command) for name in names if (command := self.get_command(ctx, name))]
            with formatter.section(title):
                formatter.write_dl([(name, command.get_short_help_str(limit=90)) for name, command in found])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise  # click's own: usage, Ctrl-C, the end, a reader that has gone
        except Exception as error:
            if ctx.params["debug"]:
                raise
            raise explained(error) from error


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    help="syncd.yaml to use; else $SYNCD_CONFIG, ./syncd.yaml, ~/.config/syncd/, /etc/syncd/.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, config: Path | None, debug: bool) -> None:
    """Carry referred leads into your CRM, deal stages back, and book the rewards, each exactly once.

    \b
    Examples:
      syncd validate
      syncd -c /etc/syncd/syncd.yaml run
    """
    ctx.obj = Options(config=config, debug=debug)


def main() -> None:
    """Run the command that the process's arguments name, and exit with its code."""
    cli.main(prog_name="syncd")
