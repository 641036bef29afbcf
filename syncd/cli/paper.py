"""The files of a campaign on paper: programs, and the events or cases that are weighed by them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from syncd.cli.errors import CONFIG, DATA, Failure, counted
from syncd.cli.output import print_json, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from syncd.config import ConfigError
    from syncd_rules import Program

Items = TypeVar("Items")


def read_versions(files: tuple[Path, ...], form: str) -> tuple[Program, ...]:
    """Load the versions of a campaign from their files. Raises `Failure` with all that is wrong."""
    from syncd.config import ConfigError, read_programs

    try:
        return read_programs(files)
    except ConfigError as error:
        raise _unusable(error, (), form) from None


def read_paper(
    files: tuple[Path, ...], read: Callable[[object, Program], Items], form: str
) -> tuple[tuple[Program, ...], Items]:
    """Load the versions of a campaign, and from the last file what is weighed by them.

    What is wrong with either is told at once: `Failure`.
    """
    from syncd.config import ConfigError, read_programs
    from syncd_rules import Program

    if len(files) < 2:
        raise click.UsageError("name at least one program, and after it the file of events or cases")
    programs: tuple[Program, ...] = ()
    wrong = None
    try:
        programs = read_programs(files[:-1])
    except ConfigError as error:
        wrong = error
    # A program that cannot be used does not keep what is wrong with the events from being told.
    items, problems = _items(files[-1], read, programs[-1] if programs else Program(campaign="unknown"))
    if wrong or items is None:
        raise _unusable(wrong, problems, form)
    return programs, items


def _items(
    path: Path, read: Callable[[object, Program], Items], program: Program
) -> tuple[Items | None, list[dict[str, Any]]]:
    """Read a file of events or cases, or say all that is wrong with it."""
    from syncd.web.strict_json import BadJson, survey
    from syncd_rules import InvalidData, Problem

    found: list[Problem] = []
    items = None
    try:
        value, faults = survey(path.read_bytes())
        found += [Problem(path=fault.path, message=_of_a_file(fault.message)) for fault in faults]
        items = read(value, program)
    except OSError as error:
        return None, [_told_fault(path, f"cannot be read: {error.strerror}")]
    except BadJson as error:
        told = _of_a_file(str(error)).partition(" (line ")[0]
        return None, [_told_fault(path, told, line=error.line, col=error.column)]
    except InvalidData as error:
        # What the JSON itself is at fault for is told; what the form has against the gap that is left there is not.
        gaps = {fault.path for fault in faults}
        found += [it for it in error.problems if not any(it.path[:end] in gaps for end in range(len(it.path) + 1))]
    found.sort(key=lambda it: it.path[:1])  # entry by entry
    problems = [_told_fault(path, it.message, pointer=it.pointer, hint=it.hint) for it in found]
    return (None if problems else items), problems


def _of_a_file(message: str) -> str:
    return message.replace("the body", "this file", 1)  # the reader speaks of requests


def _told_fault(path: Path, message: str, **more: str | int) -> dict[str, Any]:
    return {"file": str(path), "line": 0, "col": 0, "pointer": "", "message": message, "hint": "", **more}


def _unusable(programs: ConfigError | None, data: Sequence[Mapping[str, Any]], form: str) -> Failure:
    """Say all that is wrong with programs, and with events or cases: to people on stderr, to programs as JSON too."""
    from dataclasses import asdict

    from syncd.config import Problem, format_problem

    lines, problems = [], [*data]
    if programs:
        lines += [format_problem(it) for it in (*programs.warnings, *programs.problems)]
        problems = [*(asdict(it) for it in programs.problems), *data]
    for it in data:
        place = f"{it['file']}#{shown(it['pointer'])[:200]}" if it["pointer"] else it["file"]
        problem = Problem(file=place, line=it["line"], col=it["col"], message=it["message"], hint=it["hint"])
        lines.append(format_problem(problem))
    if form == "json":
        print_json({"error": "config" if programs else "data", "problems": problems})
    return Failure("\n".join([*lines, counted(len(problems), "error")]), CONFIG if programs else DATA)
