"""The commands' reference, written from their own help: `python -m syncd.cli.reference > docs/commands.md`."""

from __future__ import annotations

from collections.abc import Iterator

import click

from syncd.cli import cli

WIDTH = 100

CODES = """\
| Code | Meaning |
|---|---|
| 0 | done |
| 1 | a check failed, or some of what was asked could not be done |
| 2 | the command line is wrong |
| 65 | what was given cannot be used |
| 69 | a CRM does not answer |
| 75 | not now; try again |
| 77 | a CRM refuses the credentials |
| 78 | the configuration or the database must be changed first |
"""


def reference() -> str:
    """Give the text of docs/commands.md."""
    parts = ["# Commands", "", "Written by `python -m syncd.cli.reference`; do not edit.", ""]
    for context in contexts(cli):
        level = "###" if context.parent else "##"
        parts += [f"{level} {context.command_path}", "", "```text", context.get_help().rstrip(), "```", ""]
    return "\n".join([*parts, "## Exit codes", "", CODES])


def contexts(command: click.Command, parent: click.Context | None = None) -> Iterator[click.Context]:
    """Walk a command and those below it, in the order in which help lists them."""
    name = command.name if parent else "syncd"
    context = click.Context(command, parent, info_name=name, terminal_width=WIDTH, **command.context_settings)
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if below := command.get_command(context, name):
                yield from contexts(below, context)


if __name__ == "__main__":
    print(reference(), end="")
