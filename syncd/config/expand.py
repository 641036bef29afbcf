"""`${VAR}`, `${VAR:-default}`, `${VAR:?message}`, `${file:path}` and `$$`, in scalars only and after parsing.

What a variable holds can therefore never add a key, a list or a comment. A bare `$NAME` is just text: passwords
are full of dollars.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from syncd.config.source import Report
from syncd.config.tree import Node

_DOLLAR = re.compile(r"\$\$|\$\{[^}]*\}?")
_VARIABLE = re.compile(r"([A-Za-z_]\w*)(?:(:-|:\?)(.*))?", re.DOTALL)
_SECRET_SIZE = 64 * 1024  # bytes of a secret's file


class _Unresolved(Exception):
    """This reference has no value."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """Where values come from: the environment, and the folders that `${file:...}` is relative to."""

    env: Mapping[str, str]
    folder: Path

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders to look in, systemd's credentials first."""
        credentials = self.env.get("CREDENTIALS_DIRECTORY")
        return (Path(credentials), self.folder) if credentials else (self.folder,)


def expand(node: Node, scope: Scope, report: Report) -> Node:
    """Put values in the place of all references below a node. A reference without one is noted, and its node broken."""
    if isinstance(node.value, dict):
        return replace(node, value={key: expand(child, scope, report) for key, child in node.value.items()})
    if isinstance(node.value, tuple):
        return replace(node, value=tuple(expand(child, scope, report) for child in node.value))
    try:
        return replace(node, value=_DOLLAR.sub(lambda found: _resolve(found[0], node, scope, report), node.value))
    except _Unresolved as error:
        report.error(node.mark, error.message, error.hint)
        return replace(node, value="", broken=True)


def _resolve(found: str, node: Node, scope: Scope, report: Report) -> str:
    if found == "$$":
        return "$"
    inside = found[2:-1]
    if not found.endswith("}"):
        raise _Unresolved("a ${ without its }", "close it, or write $${ for the two characters themselves")
    if inside.startswith("file:"):
        return _from_file(Path(inside.removeprefix("file:")), node, scope, report)
    if not (parts := _VARIABLE.fullmatch(inside)):
        raise _Unresolved(
            "this is no reference", "write ${NAME}, ${NAME:-default}, ${NAME:?message} or ${file:path}; $$ is a dollar"
        )
    name, operator, rest = parts.groups()
    if value := scope.env.get(name):
        return value
    if operator == ":-":
        return str(rest)
    why = "is empty" if name in scope.env else "is not set"
    told = rest if operator == ":?" and rest else f"export {name}=..., or write ${{{name}:-default}}"
    raise _Unresolved(f"environment variable {name} {why}", told)


def _from_file(path: Path, node: Node, scope: Scope, report: Report) -> str:
    places = [folder / path for folder in scope.folders]
    place = next((place for place in places if place.is_file()), None)
    if place is None:
        raise _Unresolved(f"there is no file {path}", f"looked for {' and '.join(map(str, places))}")
    try:
        with place.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_SECRET_SIZE + 1)
        text = data.decode("utf-8")
    except OSError as error:
        raise _Unresolved(f"file {place} cannot be read", os.strerror(error.errno or 0)) from None
    except UnicodeDecodeError:
        raise _Unresolved(f"file {place} is not UTF-8 text", "keep binary secrets in base64") from None
    if len(data) > _SECRET_SIZE:
        raise _Unresolved(f"file {place} is larger than {_SECRET_SIZE // 1024} KiB", "is it the right file?")
    if not (text := text.removesuffix("\n").removesuffix("\r")):
        raise _Unresolved(f"file {place} is empty", "write the value into it")
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        report.warning(node.mark, f"file {place} can be read by other users", f"chmod 600 {place}")
    return text
