"""`syncd sandbox`: the whole story on this machine, and what goes wrong in it."""

from __future__ import annotations

import re
from pathlib import Path

import click


class _Sandbox(click.Group):
    """Options of its own, and a command below for a sandbox that runs."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[OPTIONS]")


@click.group("sandbox", cls=_Sandbox, invoke_without_command=True, short_help="Try it all on this machine.")
@click.option("--crm", multiple=True, metavar="TYPE", help="A CRM to simulate; may be repeated. All, if not given.")
@click.option(
    "--scenario",
    type=click.Choice(["quiet", "tour", "chaos"]),
    default="tour",
    show_default=True,
    help="How much happens: nothing odd, some of everything, or every trouble too.",
)
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
    ctx: click.Context,
    crm: tuple[str, ...],
    scenario: str,
    until: str | None,
    timeout: float,
    seed: int,
    speed: float,
    keep: Path | None,
    port: int,
) -> None:
    """Try it without any account: CRMs, friends and sales teams, all made up, around the real daemon.

    Each lead goes to every CRM, and a sales team works with it in one of them.

    \b
    Examples:
      syncd sandbox
      syncd sandbox --crm hubspot --until qualified=10 --timeout 60
      syncd sandbox --scenario chaos --until qualified=20 --timeout 120
    """
    if ctx.invoked_subcommand:
        return
    from syncd.sandbox import run

    settings = {"until": until, "timeout": timeout, "seed": seed, "speed": speed, "keep": keep, "port": port}
    ctx.exit(run.main(crm=crm, scenario=scenario, **settings))  # type: ignore[arg-type]


class _Trouble(click.Command):
    """Its help lists the table of troubles, which is read only then."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from syncd.sandbox.troubles import TROUBLES

        with formatter.section("Troubles"):
            formatter.write_dl([(name, it.says) for name, it in TROUBLES.items()])


@command.command("trouble", cls=_Trouble, short_help="Let something go wrong in a sandbox that runs.")
@click.argument("name")
@click.option("--account", metavar="NAME", help="The CRM that it befalls; all, if not given.")
@click.option("--for", "span", default="20s", show_default=True, metavar="SPAN", help="How long, such as 20s or 2m.")
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="The folder of that sandbox's data.")
@click.option("--url", metavar="URL", help="The control API that it has named, if it is not found by itself.")
def trouble(name: str, account: str | None, span: str, keep: Path | None, url: str | None) -> None:
    """Let something go wrong in a sandbox that runs: NAME is one of those below, `list` or `clear`.

    `list` tells what is going on, `clear` ends it. Without --keep and --url it is the newest sandbox of yours that
    keeps its data in a temporary folder.

    \b
    Examples:
      syncd sandbox trouble drop-after --account hubspot --for 10s
      syncd sandbox trouble clear
    """
    from syncd.cli.errors import FAILED, Failure
    from syncd.sandbox import control

    try:
        where = url or control.locate(keep)
        if name == "list":
            going = control.ask(where, "GET")["going"]
            told = [f"{it['account']}: {it['name']} is going on" for it in going] or ["nothing is going wrong"]
        elif name == "clear":
            told = [f"{it} is over" for it in control.ask(where, "DELETE")["ended"]] or ["nothing was going wrong"]
        else:
            wanted = {"name": name, "seconds": _seconds(span)}
            told = control.ask(where, "POST", wanted | ({"account": account} if account else {}))["did"]
    except (control.NotFound, control.Refused) as error:
        raise Failure(f"error: {error}", FAILED) from error
    for line in told:
        click.echo(line)


def _seconds(span: str) -> int:
    if not (found := re.fullmatch(r"([0-9]{1,3})([sm])", span)):
        raise click.BadParameter(f"{span!r} is no span such as 20s or 2m", param_hint="--for")
    return int(found[1]) * (60 if found[2] == "m" else 1)
