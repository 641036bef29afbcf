"""The JSON Schema of syncd.yaml, for editors: completion, hover texts, and errors while one types.

`python -m syncd.schema` prints it for the built-in connectors; config/syncd.schema.json holds that. With the name of
one of the rules' public forms it prints that form's schema, as rules/schemas/ holds them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from syncd import registry
from syncd.config.model import Document
from syncd.config.shapes import interval_text
from syncd.contract import Connector
from syncd_rules import schemas

_REFERENCE = r"^\$\{.+\}$"
_INTERVAL = r"^\d{1,9}[smhd]$"
_SHARE = r"^\d{1,3} ?%$"


class _Generator(GenerateJsonSchema):
    """Writes what the YAML holds where JSON differs: intervals are `2m`, defaults are as one would type them."""

    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> JsonSchemaValue:
        return {"type": "string", "pattern": _INTERVAL}

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, timedelta):
            return interval_text(dft)
        return super().encode_default(dft)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        described = super().default_schema(schema)
        if isinstance(schema.get("default"), BaseModel):
            described.pop("default", None)  # its own fields tell their defaults
        return described


def schema(types: Mapping[str, type[Connector]]) -> dict[str, Any]:
    """Build the schema of syncd.yaml for these connector types, keyed by what `type:` says."""
    root = Document.model_json_schema(schema_generator=_Generator)
    definitions: dict[str, Any] = root.pop("$defs", {})
    sections = []
    for name, connector in sorted(types.items()):
        section = connector.Settings.model_json_schema(
            schema_generator=_Generator, ref_template=f"#/$defs/{name}.{{model}}"
        )
        definitions |= {f"{name}.{inner}": described for inner, described in section.pop("$defs", {}).items()}
        section["properties"]["type"] = {
            "const": name,
            "description": section["properties"]["type"].get("description", ""),
        }
        definitions[name] = section
        sections.append({"$ref": f"#/$defs/{name}"})
    root["properties"]["connectors"]["items"] = {"anyOf": sections}
    root["$defs"] = definitions
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "syncd.yaml", **_with_references(root)}


def _with_references(part: dict[str, Any]) -> dict[str, Any]:
    """Let every scalar that is not free text be written as ${...} too; it is typed after that is resolved."""
    part = {key: _below(key, value) for key, value in part.items() if key != "title"}
    narrow = "enum" in part or "pattern" in part or part.get("type") in {"integer", "number", "boolean"}
    if not narrow:
        return part
    outside: dict[str, Any] = {key: part.pop(key) for key in ("description", "default") if key in part}
    choices = [part, {"type": "string", "pattern": _REFERENCE}]
    if part.get("type") == "number":
        choices.insert(1, {"type": "string", "pattern": _SHARE})
    return {**outside, "anyOf": choices}


def _below(key: str, value: Any) -> Any:
    """Go on where a keyword of JSON Schema holds schemas; a property may well be called `type` or `pattern`."""
    if key in {"properties", "$defs"}:
        return {name: _with_references(part) for name, part in value.items()}
    if key in {"anyOf", "oneOf", "allOf", "prefixItems"}:
        return [_with_references(part) for part in value]
    if key in {"items", "additionalProperties"} and isinstance(value, dict):
        return _with_references(value)
    return value


def text() -> str:
    """Give the schema for the built-in connectors, as config/syncd.schema.json holds it."""
    types = {name: registry.find(name) for name in registry.built_in()}
    return json.dumps(schema(types), indent=2, ensure_ascii=False) + "\n"


def text_of(form: str) -> str:
    """Give the schema of a public form of the rules: `program`, `events`, `result` or `cases`."""
    return json.dumps(schemas()[form], indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text_of(sys.argv[1]) if sys.argv[1:] else text())
