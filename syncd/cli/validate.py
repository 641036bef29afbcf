"""`syncd validate`: everything that is wrong with a configuration, in one pass."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.errors import CONFIG, counted

if TYPE_CHECKING:
    from syncd.config import Config, Problem


@click.command("validate", short_help="Check syncd.yaml and its campaign files.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="For people, for programs, or as annotations of a pull request.",
)
@click.pass_context
def command(ctx: click.Context, files: tuple[Path, ...], form: str) -> None:
    """Check syncd.yaml and the campaign files that it names; print every problem with its place.

    FILES are one or more syncd.yaml; without any the usual one is checked. Nothing is called and nothing is changed.

    \b
    Examples:
      syncd validate
      syncd validate --format github staging/syncd.yaml production/syncd.yaml
    """
    import os

    from syncd import registry
    from syncd.config import ConfigError, find, load

    problems: list[Problem] = []
    good: list[tuple[Path, Config]] = []
    for file in files or [None]:
        try:
            path = find(file or ctx.obj.config, os.environ)
            config = load(path, env=os.environ, connector_types=registry.find)
        except ConfigError as error:
            problems += [*error.warnings, *error.problems]
        else:
            problems += config.warnings
            good.append((path, config))
    _print(problems, form)
    errors = sum(problem.severity == "error" for problem in problems)
    if form == "text":
        _summarize(good, errors)
    ctx.exit(CONFIG if errors else 0)


def _print(problems: list[Problem], form: str) -> None:
    from syncd.cli.output import print_json
    from syncd.config import format_problem

    if form == "json":
        print_json([asdict(problem) for problem in problems])
    for problem in problems if form != "json" else ():
        click.echo(annotation(problem) if form == "github" else format_problem(problem))


def annotation(problem: Problem) -> str:
    """Write a problem as a workflow command of GitHub Actions.

    https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
    """
    place = {"file": problem.file, "line": str(problem.line or 1), "col": str(problem.col or 1)}
    properties = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in place.items())
    text = f"{problem.message} ({problem.hint})" if problem.hint else problem.message
    return f"::{problem.severity} {properties}::{_escaped(text)}"


def _escaped(text: str, more: str = "") -> str:
    for char in "%\r\n" + more:  # % first, as the others bring it in
        text = text.replace(char, f"%{ord(char):02X}")
    return text


def _summarize(good: list[tuple[Path, Config]], errors: int) -> None:
    for path, config in good:
        connectors = counted(len(config.connectors), "connector")
        click.echo(f"{path}: ok ({connectors}, {counted(len(config.campaigns), 'campaign')})")
        for settings in config.connectors:
            click.echo(f"not checked: what the CRM says; run: syncd connectors check {settings.name}")
    if errors:
        click.echo(counted(errors, "error"))
