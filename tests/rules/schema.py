"""As much of JSON Schema as our schemas use, so that the tests need no validator."""

from __future__ import annotations

import re
from typing import Any

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
    "null": type(None),
}


def mistakes(value: Any, schema: dict[str, Any], path: str = "") -> list[str]:
    """Give the places at which a value is not what a schema says."""
    if "oneOf" in schema and sum(not mistakes(value, each) for each in schema["oneOf"]) != 1:
        return [f"{path}: {value!r} is not exactly one of these"]
    if "const" in schema and value != schema["const"]:
        return [f"{path}: {value!r}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{path}: {value!r} is not in {schema['enum']}"]
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(isinstance(value, _TYPES[kind]) for kind in kinds):
        return [f"{path}: {value!r} is no {kinds}"]
    if isinstance(value, str):
        fits = len(value) >= schema.get("minLength", 0) and re.search(schema.get("pattern", ""), value)
        return [] if fits else [f"{path}: {value!r}"]
    if isinstance(value, list):
        items = schema.get("prefixItems", [schema.get("items", {})] * len(value))
        found = [f"{path}: too few"] if len(value) < schema.get("minItems", 0) else []
        return found + [
            m for n, (v, s) in enumerate(zip(value, items, strict=True)) for m in mistakes(v, s, f"{path}/{n}")
        ]
    return _of_object(value, schema, path) if isinstance(value, dict) else []


def _of_object(value: dict[str, Any], schema: dict[str, Any], path: str) -> list[str]:
    found = [f"{path}: {name} is missing" for name in schema.get("required", []) if name not in value]
    for name, entry in value.items():
        if not re.search(schema.get("propertyNames", {}).get("pattern", ""), name):
            found.append(f"{path}: {name}")
        inner = schema.get("properties", {}).get(name, schema.get("additionalProperties", {}))
        found += [f"{path}: unknown {name}"] if inner is False else mistakes(entry, inner, f"{path}/{name}")
    return found
