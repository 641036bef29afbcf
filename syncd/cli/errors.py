"""How a command fails: a sentence on stderr that says what to do, and an exit code for scripts and systemd."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import IO, Any

import click

OK = 0
FAILED = 1  # a check failed, or some of what was asked could not be done
USAGE = 2  # click's own
DATA = 65  # what was given is not usable; these five are those of sysexits.h
UNREACHABLE = 69  # the CRM does not answer
AGAIN = 75  # this may work later
DENIED = 77  # the CRM refuses the credentials
CONFIG = 78  # the configuration must be changed first; systemd: RestartPreventExitStatus=77 78

_ROOT = Path(__file__).parents[2]
_UNUSABLE = frozenset({"email_invalid", "no_advocate", "code_not_found", "campaign_not_found"})


class Failure(click.ClickException):
    """The end of a command: what to tell, and the exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, file=file, err=True)


def explained(error: Exception) -> Failure:
    """Put an error into a sentence, without a traceback and without anything that may be secret."""
    from sqlalchemy.exc import DataError, DBAPIError

    from syncd.config import ConfigError
    from syncd.contract import ConnectorError
    from syncd.flow.promises import ChangedProgram
    from syncd.flow.refusal import Refusal
    from syncd.redaction import redact
    from syncd.store.engine import UnusableDatabase

    match error:
        case ConfigError():
            return Failure(told_problems(error), CONFIG)
        case UnusableDatabase():
            return Failure(f"error: {error}", CONFIG)
        case ChangedProgram():
            return Failure(f"{error.place}: error: {error}".removeprefix(": "), CONFIG)
        case Refusal():
            return Failure(f"error: {error}", DATA if error.reason in _UNUSABLE else FAILED)
        case ConnectorError():
            return Failure(f"error: {redact(str(error))}", connector_code(error))
        case DataError():
            return Failure("error: a value is too long, or of a form that the database cannot hold", DATA)
        case DBAPIError() if "not a database" in str(error.orig):
            return Failure("error: database: the file is there, and is no SQLite database", CONFIG)
        case DBAPIError():
            cause = redact(str(error.orig).partition("\n")[0])
            return Failure(f"error: the database did not do what was asked: {cause}; try again", AGAIN)
        case _:
            # The text of an unknown error may hold anything, so only its kind and its place are shown.
            kind, place = type(error).__name__, _place(error)
            return Failure(
                f"error: {kind} at {place}, which is a fault in syncd; --debug shows how it came about", FAILED
            )


def told_problems(error: Any) -> str:
    """Write out all that is wrong with a configuration, and how much that is."""
    from syncd.config import format_problem

    told = [format_problem(problem) for problem in (*error.warnings, *error.problems)]
    return "\n".join([*told, counted(len(error.problems), "error")])


def connector_code(error: Exception) -> int:
    """Give the exit code that tells a script what to do about a CRM's answer."""
    from syncd.contract import Misconfigured, Parked, Transient, Unauthorized

    match error:
        case Unauthorized():
            return DENIED
        case Misconfigured():
            return CONFIG
        case Transient():
            return UNREACHABLE
        case Parked():
            return AGAIN
        case _:
            return FAILED


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: "1 error", "2 errors"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _place(error: Exception) -> str:
    """Name the innermost line of ours that the error passed."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_ROOT / "syncd")] or frames
    if not ours:
        return "an unknown place"
    path = Path(ours[-1].filename)
    return f"{path.relative_to(_ROOT) if path.is_relative_to(_ROOT) else path.name}:{ours[-1].lineno}"
