"""`syncd completion`."""

from __future__ import annotations

import click


@click.command("completion", short_help="Print the script for completion in your shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands and options in your shell.

    \b
    Example:
      syncd completion bash > ~/.local/share/bash-completion/completions/syncd
    """
    from click.shell_completion import get_completion_class

    complete = get_completion_class(shell)
    assert complete is not None  # the choice above names click's own
    click.echo(complete(ctx.find_root().command, {}, "syncd", "_SYNCD_COMPLETE").source())
