"""What the pydantic models say about a path of the YAML: its keys, its documentation, its range, its secrets."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Any, Union

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from syncd.config.tree import Node

_UNIONS = {Union, types.UnionType}


def fields_of(model: Any) -> dict[str, FieldInfo]:
    """Give a model's fields by the name that the YAML uses; of a union those of all its models."""
    if typing.get_origin(model) in _UNIONS:
        return {name: field for branch in typing.get_args(model) for name, field in fields_of(branch).items()}
    if isinstance(model, type) and issubclass(model, BaseModel):
        return {field.alias or name: field for name, field in model.model_fields.items()}
    return {}


def owner(model: Any, path: Sequence[str | int]) -> Any:
    """Give the type that the last step of a path belongs to."""
    for step in path[:-1]:
        arguments = typing.get_args(model)
        if isinstance(step, str) and (field := fields_of(model).get(step)):
            model = field.annotation
        elif arguments:
            model = arguments[-1 if typing.get_origin(model) is dict else 0]
        model = bare(model)
    return model


def field_at(model: Any, path: Sequence[str | int]) -> FieldInfo | None:
    """Give the field that a path means, if it is one of a model."""
    return fields_of(owner(model, path)).get(str(path[-1])) if path else None


def bare(annotation: Any) -> Any:
    """Take `Annotated` and `| None` off a type."""
    if typing.get_origin(annotation) is Annotated:
        return bare(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in _UNIONS:
        some = [part for part in typing.get_args(annotation) if part is not type(None)]
        return bare(some[0]) if len(some) == 1 else annotation
    return annotation


def documentation(field: FieldInfo | None) -> str:
    """Give the first line of what a field says of itself."""
    return (field.description or "").partition("\n")[0] if field else ""


def range_of(field: FieldInfo | None) -> str:
    """Say between which values a field must be, in words that follow "must be"."""
    metadata = field.metadata if field else []
    low = next((_shown(part.ge) for part in metadata if getattr(part, "ge", None) is not None), None)
    high = next((_shown(part.le) for part in metadata if getattr(part, "le", None) is not None), None)
    if low and high:
        return f"from {low} to {high}"
    return f"{low} or more" if low else f"{high} or less"


def interval_text(value: timedelta) -> str:
    """Write an interval as syncd.yaml does: 90s, 2m, 1h, 30d."""
    seconds = int(value.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def secret_nodes(annotation: Any, node: Node) -> Iterator[Node]:
    """Find the texts below a node that its type declares secret."""
    annotation = bare(annotation)
    arguments = typing.get_args(annotation)
    if annotation is SecretStr:
        if isinstance(node.value, str):
            yield node
    elif typing.get_origin(annotation) in _UNIONS:
        for branch in arguments:
            yield from secret_nodes(branch, node)
    elif typing.get_origin(annotation) in (tuple, list) and not isinstance(node.value, dict):
        for child in node.value if isinstance(node.value, tuple) else [node]:  # a list may be written as its one item
            yield from secret_nodes(arguments[0], child)
    elif isinstance(node.value, dict):
        fields = fields_of(annotation)
        for key, child in node.value.items():
            inner = fields[key].annotation if key in fields else arguments[-1] if arguments else None
            yield from secret_nodes(inner, child)


def _shown(value: object) -> str:
    return interval_text(value) if isinstance(value, timedelta) else str(value)
