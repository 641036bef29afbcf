"""`syncd run`: the daemon."""

from __future__ import annotations

import time

import click

from syncd.cli.errors import counted


@click.command("run")
@click.option("--once", is_flag=True, help="Do what is due now, then exit; no web server. For cron and for scripts.")
@click.pass_context
def command(ctx: click.Context, once: bool) -> None:
    """Run the daemon until SIGTERM or Ctrl-C.

    It pushes leads, reads deals, books rewards, and answers at `server.listen`. The first signal lets what has begun
    end, for 20 seconds at the most; a second one ends at once. Whatever was cut off is done again after the next
    start, without effect if it had been done.

    \b
    Examples:
      syncd run
      syncd -c /etc/syncd/syncd.yaml run --once
    """
    began = time.monotonic()
    from syncd.cli import logs
    from syncd.cli.installation import configuration
    from syncd.cli.stop import Stop
    from syncd.config import format_problem
    from syncd.flow.opening import open_app
    from syncd.flow.promises import hold_programs
    from syncd.store.engine import retrying

    stop = Stop()
    config = configuration(ctx.obj)
    logs.set_up(config)
    for warning in config.warnings:
        click.echo(format_problem(warning), err=True)
    app = open_app(config)
    retrying(app.database, lambda tx: hold_programs(tx, app))
    stop.then(app.stopping.set)
    if once:
        from syncd.cli.once import once as do_once

        ctx.exit(do_once(app))
    from syncd.cli.serve import serve

    def ready(url: str) -> None:
        seconds, connectors = time.monotonic() - began, counted(len(config.connectors), "connector")
        logs.announce(config, f"ready in {seconds:.1f} s · {connectors} · {url}")

    serve(app, stop, ready)
    stop.leave()
