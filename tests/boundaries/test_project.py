"""No list is kept by hand: what a part of the project must have is looked for wherever there is such a part."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

import syncd.config.model
from syncd import registry
from syncd.contract import Section
from tests.boundaries.tree import ROOT, files

CONNECTORS = sorted(registry.built_in())

# In pieces, or this file would be the first to be found.
NEVER_MENTIONED = [
    "/wo" + "rk/",
    "/ro" + "ot/",
    "/tm" + "p/venv",
    "sha" + "red/",
    "/opt/py" + "pi",
    "py" + "pi.org",
    "python" + "hosted.org",
    "clau" + "de",
    "anthro" + "pic",
    "open" + "ai",
    "chat" + "gpt",
    "co" + "pilot",
    "ll" + "m-generated",
    "a" + "i-generated",
]

# Gmail ignores dots in a name, so the rules on identity can only be shown with its own domains.
GMAIL = {b"gmail.com", b"googlemail.com"}


@pytest.mark.parametrize("name", CONNECTORS)
def test_every_connector_has_its_tests(name: str) -> None:
    assert (ROOT / "tests" / "connectors" / f"test_{name}.py").is_file()


def test_every_setting_says_what_it_is_for() -> None:
    assert syncd.config.model  # the sections of syncd.yaml itself
    for name in CONNECTORS:
        registry.find(name)  # its own sections

    silent = {
        f"{section.__module__}.{section.__name__}.{field}"
        for section in _sections(Section)
        for field, known in section.model_fields.items()
        if not known.description
    }

    assert silent == set(), "write a docstring below each of these fields; the schema and the editors show it"


def test_no_file_mentions_the_machine_that_it_was_written_on() -> None:
    found = []
    for path in files(ROOT):
        text = path.read_bytes().decode("utf-8", "ignore").lower()
        found += [f"{path.relative_to(ROOT)}: {word}" for word in NEVER_MENTIONED if word in text]

    assert found == []


def test_every_address_in_the_tests_and_examples_is_one_that_belongs_to_nobody() -> None:
    """Mail to these domains cannot arrive (RFC 2606 and RFC 6761), so no test data is ever a person's."""
    # Not behind a colon or slash: there it is the user of a URL.
    address = re.compile(rb"(?<![\w.%+:/-])[\w.%+-]+@((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})\b")
    reserved = re.compile(rb"(^|\.)(example\.(com|org|net|edu)|example|test|invalid|localhost)$", re.IGNORECASE)

    found = {
        f"{path.relative_to(ROOT)}: {match[0].decode()}"
        for folder in ("tests", "config", "docs", "bench")
        for path in files(ROOT / folder)
        for match in address.finditer(path.read_bytes())
        if not reserved.search(match[1]) and not (match[1] in GMAIL and "rules" in path.parts)
    }

    assert found == set()


def test_the_changelog_has_a_place_for_what_is_not_released_yet() -> None:
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text()


def _sections(section: type[Section]) -> Iterator[type[Section]]:
    """Find what extends this section in the daemon and its connectors; the doubles of other tests do not count."""
    for below in section.__subclasses__():
        if below.__module__.partition(".")[0] in {"syncd", "syncd_connectors"}:
            yield below
            yield from _sections(below)
