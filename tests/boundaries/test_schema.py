"""The JSON Schema for editors says what the daemon accepts, and the file in config/ is the one of today."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import Field, SecretStr

from syncd.contract import ConnectorSettings, Interval
from syncd.schema import schema, text

FILE = Path(__file__).parents[2] / "config/syncd.schema.json"


class PlainSettings(ConnectorSettings):
    token: SecretStr
    """A service key."""
    owner: int = 1
    wait: Annotated[Interval, Field(le=timedelta(days=1))] = timedelta(seconds=90)


class Plain:
    Settings: ClassVar[type[ConnectorSettings]] = PlainSettings


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return schema({"plain": Plain})  # type: ignore[dict-item]


def test_the_file_is_the_schema_of_today() -> None:
    assert FILE.read_text() == text(), "config/syncd.schema.json is stale: run `make schema`"


def test_a_connectors_section_is_chosen_by_its_type(described: dict[str, Any]) -> None:
    section = described["$defs"]["plain"]
    assert described["properties"]["connectors"]["items"] == {"anyOf": [{"$ref": "#/$defs/plain"}]}
    assert section["properties"]["type"]["const"] == "plain"
    assert section["additionalProperties"] is False
    assert set(section["required"]) == {"name", "type", "token"}


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    targets = set(re.findall(r"'\$ref': '#/\$defs/([^']+)'", str(described)))
    assert targets
    assert targets <= set(described["$defs"])


def test_a_setting_carries_its_documentation(described: dict[str, Any]) -> None:
    properties = described["$defs"]["plain"]["properties"]
    assert properties["token"]["description"] == "A service key."
    assert properties["name"]["description"].startswith("Unique")


@pytest.mark.parametrize("key", ["owner", "wait", "name"])
def test_what_is_not_free_text_may_also_be_a_reference(described: dict[str, Any], key: str) -> None:
    choices = described["$defs"]["plain"]["properties"][key]["anyOf"]
    assert any(re.search(choice.get("pattern", "$^"), "${VAR:-1}") for choice in choices)


def test_intervals_and_shares_are_described_as_they_are_written(described: dict[str, Any]) -> None:
    wait = described["$defs"]["plain"]["properties"]["wait"]
    assert wait["default"] == "90s"
    assert re.search(wait["anyOf"][0]["pattern"], "2m")
    share = described["$defs"]["plain.LimitSettings"]["properties"]["share"]
    assert any(re.search(choice.get("pattern", "$^"), "80%") for choice in share["anyOf"])
