"""Campaign files: found by pattern, loaded by the rules, their versions put in order."""

from __future__ import annotations

import glob
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from syncd.config.model import Campaign
from syncd.config.problems import ConfigError
from syncd.config.source import Mark, Report, Source
from syncd.config.tree import Node, read_documents, read_text
from syncd_rules import InvalidProgram, Problem, Program, misfits
from syncd_rules import load as load_program

FILES = 500  # that one entry may name


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """An item of `campaigns:` with its place in syncd.yaml."""

    patterns: Sequence[Node]
    connectors: tuple[str, ...]
    mark: Mark


@dataclass(frozen=True, kw_only=True, slots=True)
class _Version:
    program: Program
    node: Node  # its document
    entry: Entry

    @property
    def mark(self) -> Mark:
        return self.node.mark_at(("version",))


@dataclass(frozen=True, kw_only=True, slots=True)
class Campaigns:
    """What the campaign files hold. A connector in `incomplete` serves a campaign that could not be loaded."""

    by_id: Mapping[str, Campaign]
    incomplete: frozenset[str]


def read_campaigns(entries: Sequence[Entry], folder: Path, report: Report) -> Campaigns:
    """Load every campaign that syncd.yaml names; what is wrong with them is noted."""
    versions: dict[str, list[_Version]] = {}
    incomplete: set[str] = set()
    for entry in entries:
        before = report.errors
        for path in _files(entry, folder, report):
            for node in _documents(path, report):
                if program := _program(node, report):
                    version = _Version(program=program, node=node, entry=entry)
                    versions.setdefault(program.campaign, []).append(version)
        if report.errors > before:
            incomplete.update(entry.connectors)
    return Campaigns(
        by_id={id: _campaign(id, found, report) for id, found in versions.items()}, incomplete=frozenset(incomplete)
    )


def read_programs(paths: Sequence[Path]) -> tuple[Program, ...]:
    """Load the versions of one campaign from files, in their order. Raises `ConfigError` with all that is wrong."""
    report = Report()
    entry = Entry(patterns=(), connectors=(), mark=Mark(Source(str(paths[0]))))
    versions: dict[str, list[_Version]] = {}
    for path in paths:
        for node in _documents(path, report):
            if program := _program(node, report):
                versions.setdefault(program.campaign, []).append(_Version(program=program, node=node, entry=entry))
    campaigns = [_campaign(id, found, report) for id, found in versions.items()]
    for campaign, found in itertools.islice(versions.items(), 1, None):
        mark = found[0].node.mark_at(("campaign",))
        report.error(mark, f"a second campaign, {campaign}", f"all versions are of one, and {campaigns[0].id} is first")
    if errors := report.all("error"):
        raise ConfigError(errors, report.all("warning"))
    return campaigns[0].programs


def _files(entry: Entry, folder: Path, report: Report) -> Iterator[Path]:
    """Give each file once, in the order of the patterns, then of the names."""
    found: dict[Path, None] = {}
    for pattern in entry.patterns:
        if pattern.broken or not isinstance(pattern.value, str):
            continue
        names = sorted(glob.glob(pattern.value, root_dir=folder, recursive=True))
        matches = [folder / name for name in names if not (folder / name).is_dir()]
        if not matches:
            report.error(pattern.mark, "no file matches this", f"looked in {folder}")
        if len(matches) > FILES:
            report.error(pattern.mark, f"more than {FILES} files match this", "name a narrower pattern")
            continue
        found.update(dict.fromkeys(matches))
    return iter(found)


def _documents(path: Path, report: Report) -> list[Node]:
    if (source := read_text(path, report)) is None:
        return []
    before = report.errors
    documents = read_documents(source, report)
    if not documents and report.errors == before:
        report.error(Mark(source), "holds no campaign", "write one, or name another file")
    for node in documents:
        _refuse_references(node, report)
    return documents


def _refuse_references(node: Node, report: Report) -> None:
    """Note each ${...}: a version of a programme must mean the same on every machine and on every day."""
    children = node.value.values() if isinstance(node.value, dict) else node.items()
    for child in children:
        _refuse_references(child, report)
    if isinstance(node.value, str) and "${" in node.value:
        report.error(node.mark, "a campaign file takes no ${...}", "write the value itself")


def _program(node: Node, report: Report) -> Program | None:
    try:
        return load_program(node.plain())
    except InvalidProgram as error:
        for problem in error.problems:
            if not _is_noted(node, problem):
                report.error(_mark(node, problem), problem.message, problem.hint)
        return None


def _is_noted(node: Node, problem: Problem) -> bool:
    """Tell whether what a value is read from is known to be wrong: it has no value, or a ${...} for one."""
    if problem.at_key:
        return False
    there = node.at(problem.path)
    return there.broken or (isinstance(there.value, str) and "${" in there.value)


def _mark(node: Node, problem: Problem) -> Mark:
    """Find the key or the value that is at fault."""
    keys = node.at(problem.path[:-1]).keys
    return keys[str(problem.path[-1])] if problem.at_key else node.mark_at(problem.path)


def _campaign(id: str, versions: Sequence[_Version], report: Report) -> Campaign:
    first = versions[0]
    # What is wrong with where some of them stand says nothing of the others.
    ordered = _in_order(list(_in_their_places(id, versions, report)))
    nodes = {version.program.version: version.node for version in ordered}
    for program, problem in misfits([version.program for version in ordered]):
        report.error(_mark(nodes[program.version], problem), problem.message, problem.hint)
    programs = tuple(version.program for version in _in_order(versions))
    places = {it.program.version: f"{it.mark.source.file}:{it.mark.line}:{it.mark.col}" for it in versions}
    return Campaign(id=id, programs=programs, connectors=first.entry.connectors, places=places)


def _in_their_places(id: str, versions: Sequence[_Version], report: Report) -> Iterator[_Version]:
    """Give the versions that may be where they are; why the others may not is noted."""
    first = versions[0]
    highest: dict[Source, int] = {}
    known: dict[int, _Version] = {}
    for version in versions:
        number = version.program.version
        other = known.setdefault(number, version)
        above = highest.get(version.mark.source, 0)
        if version.entry is not first.entry:
            where = f"the other is on line {first.entry.mark.line} of {first.entry.mark.source.file}"
            report.error(version.entry.mark, f"campaign '{id}' belongs to two entries", where)
        elif number <= above:
            hint = f"version {above} stands above it"
            report.error(version.mark, f"the versions of '{id}' must rise from document to document", hint)
        elif other is not version:
            hint = f"it stands in {other.mark.source.file}:{other.mark.line} already"
            report.error(version.mark, f"version {number} of '{id}' exists twice", hint)
        else:
            highest[version.mark.source] = number
            yield version


def _in_order(versions: Sequence[_Version]) -> list[_Version]:
    """Sort by version; the order of files is the order of their names, which says nothing."""
    return sorted(versions, key=lambda version: version.program.version)
