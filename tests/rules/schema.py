"""Holds values against our schemas."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend


def _pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    """Read a pattern as ECMA-262 does, for which `$` is the very end of a text."""
    if isinstance(value, str) and not re.search(pattern.replace("$", r"\Z"), value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


_Validator = extend(Draft202012Validator, {"pattern": _pattern})


def mistakes(value: Any, schema: dict[str, Any]) -> list[str]:
    """Give the first place at which a value is not what a schema says, in a list; none where there is none."""
    return [f"{error.json_path}: {error.message}" for error in islice(_Validator(schema).iter_errors(value), 1)]
