"""`syncd sandbox`: the whole story on this machine."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("sandbox", short_help="Try it all on this machine, without any account.")
@click.option("--until", metavar="GOAL", help="Stop at a goal, such as qualified=10, and exit with 0 if all is right.")
@click.option("--timeout", type=click.FloatRange(min=1), default=60, show_default=True, help="Seconds for --until.")
@click.option("--seed", type=int, default=42, show_default=True, help="The same seed gives the same people and sales.")
@click.option("--speed", type=click.FloatRange(min=1), default=600, show_default=True, help="How fast people act.")
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="Keep the data in this folder.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="The daemon's port; 0, the default, is a free one."
)
@click.pass_context
def command(
    ctx: click.Context, until: str | None, timeout: float, seed: int, speed: float, keep: Path | None, port: int
) -> None:
    """Try it without any account: a CRM, friends and a sales team, all made up, around the real daemon.

    \b
    Examples:
      syncd sandbox
      syncd sandbox --until qualified=10 --timeout 60
    """
    from syncd.sandbox import run

    try:
        ctx.exit(run.main(until=until, timeout=timeout, seed=seed, speed=speed, keep=keep, port=port))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
