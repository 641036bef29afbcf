"""Types a part of the tree with a pydantic model, and says in plain words, at the right place, what does not fit."""

from __future__ import annotations

import typing
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from syncd.config.model import LATER
from syncd.config.problems import nearest
from syncd.config.shapes import bare, documentation, field_at, fields_of, owner, range_of, secret_nodes
from syncd.config.source import Report, is_reference
from syncd.config.tree import Node
from syncd.contract import Section

Model = TypeVar("Model", bound=Section)
Path = tuple[str | int, ...]

_EXPECTED = {  # pydantic's name of the error -> what should stand there
    "string_type": "a text",
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "decimal_parsing": "a number",
    "decimal_type": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "time_delta_parsing": "an interval such as 90s or 2m",
}


def typed(model: type[Model], node: Node, report: Report) -> Model | None:
    """Give the node as an instance of the model, or None when there is a problem; all of them are noted."""
    for secret in secret_nodes(model, node):
        _keep_secret(secret, report)
    try:
        return model.model_validate(node.plain())
    except ValidationError as error:
        faults = [dict(fault) for fault in error.errors(include_url=False, include_input=False)]
        for fault in _of_the_branch_meant(faults, node):
            _explain(model, node, fault, report)
        return None


def _keep_secret(node: Node, report: Report) -> None:
    """Mask a secret, and if it stands in the file ask for it to be moved."""
    node.mark.source.mask(node)
    if not is_reference(node.raw) and node.raw:
        report.warning(node.mark, "a secret stands in this file", "write ${VAR} or ${file:path} and keep it there")


def _explain(model: type[Section], node: Node, fault: dict[str, Any], report: Report) -> None:
    path = _inside(node, fault["loc"])
    kind, name = fault["type"], next((step for step in reversed(path) if isinstance(step, str)), "")
    if kind == "missing":
        hint = documentation(field_at(model, path))
        return report.error(node.mark_at(path[:-1]), f"'{name}' is missing", hint)
    if kind == "extra_forbidden":
        return _unknown_key(model, node, path, report)
    if any(part.broken for part in _along(node, path)):
        return None
    if kind == "too_short" and len(node.at(path).items()) >= fault["ctx"]["min_length"]:
        return None  # pydantic counts the good entries only; the bad ones have their own problems
    field = field_at(model, path)
    if kind == "literal_error":
        message, hint = _choice(node.at(path), name, field)
    elif kind in {"greater_than_equal", "less_than_equal"}:
        message, hint = f"'{name}' must be {range_of(field)}", ""
    else:
        message, hint = _wording(fault, name)
    return report.error(node.mark_at(path), message, hint)


def _wording(fault: dict[str, Any], name: str) -> tuple[str, str]:
    kind, context = fault["type"], fault.get("ctx", {})
    if expected := _EXPECTED.get(kind):
        return (f"'{name}' must be {expected}" if name else f"this must be {expected}"), ""
    if kind == "value_error":
        return (f"'{name}': {context['error']}" if name else str(context["error"])), ""
    if kind == "string_pattern_mismatch":
        if name in {"name", "renamed_from"}:
            hint = "lower-case letters, digits and hyphens, at most 40 of them, such as hubspot-eu"
        else:
            hint = f"it must match {context['pattern']}"
        return f"'{name}' cannot be written like this", hint
    if kind == "too_short":
        return f"'{name}' must not be empty", ""
    told = str(fault["msg"])
    return f"'{name}': {told[:1].lower()}{told[1:]}", ""


def _unknown_key(model: type[Section], node: Node, path: Path, report: Report) -> None:
    key, parent = str(path[-1]), node.at(path[:-1])
    if (value := parent.child(key)) is not None:
        value.mark.source.mask(value)  # what a misspelled key holds may well be a secret
    mark = parent.keys.get(key, parent.mark)
    if key in LATER:
        return report.error(mark, f"'{key}' is not available in this version yet", "delete it; nothing reads it")
    return report.error(mark, f"unknown key '{key}'", nearest(key, fields_of(owner(model, path))))


def _choice(leaf: Node, name: str, field: FieldInfo | None) -> tuple[str, str]:
    """Word a wrong choice, without repeating what was written: it may have come out of a reference."""
    known = [str(value) for value in typing.get_args(bare(field.annotation))] if field else []
    value = leaf.value if isinstance(leaf.value, str) else ""
    if name == "engine" and value == "cluster":
        return "engine 'cluster' is not available in this version yet", "write embedded, or delete the line"
    hint = nearest(value, known)
    return f"'{name}' must be {' or '.join(known)}", hint if hint.startswith("did you mean") else ""


def _inside(node: Node, loc: Iterable[str | int]) -> Path:
    """Drop what pydantic adds to a location and the tree does not have: names of a union's branches, `[key]`."""
    path: list[str | int] = []
    steps, here = list(loc), node
    for number, step in enumerate(steps):
        if (below := here.child(step)) is not None:
            path.append(step)
            here = below
        elif number == len(steps) - 1 and isinstance(here.value, dict):
            path.append(step)  # a missing key
    return tuple(path)


def _of_the_branch_meant(faults: list[dict[str, Any]], node: Node) -> list[dict[str, Any]]:
    """Of a union's complaints keep those of the branch that was meant: a mapping is no bad text, nor the reverse.

    At least one of them stays, since something is wrong.
    """
    below = Counter(fault["loc"][:depth] for fault in faults for depth in range(len(fault["loc"])))
    kept: list[dict[str, Any]] = []
    for fault in faults:
        union = fault["loc"][:-1]
        names_branch = fault["type"] in _EXPECTED and fault["loc"] and node.at(fault["loc"]) is node.at(union)
        if names_branch and below[union] > 1:
            below[union] -= 1
        else:
            kept.append(fault)
    return kept


def _along(node: Node, path: Path) -> Iterator[Node]:
    for end in range(len(path) + 1):
        yield node.at(path[:end])
