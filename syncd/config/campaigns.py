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
from syncd_rules import InvalidProgram, Program, misfits
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
            report.error(node.mark_at(problem.path), problem.message, problem.hint)
        return None


def _campaign(id: str, versions: Sequence[_Version], report: Report) -> Campaign:
    first, errors = versions[0], report.errors
    for before, version in itertools.pairwise(versions):
        if version.entry is not first.entry:
            where = f"the other is on line {first.entry.mark.line} of {first.entry.mark.source.file}"
            report.error(version.entry.mark, f"campaign '{id}' belongs to two entries", where)
        elif version.mark.source is before.mark.source and version.program.version <= before.program.version:
            hint = f"version {before.program.version} stands above it"
            report.error(version.mark, f"the versions of '{id}' must rise from document to document", hint)
    ordered = _in_order(id, versions, report)
    programs = tuple(version.program for version in ordered)
    if report.errors == errors:  # else what is noted already is what is wrong with them
        nodes = {program.version: version.node for program, version in zip(programs, ordered, strict=True)}
        for program, problem in misfits(programs):
            report.error(nodes[program.version].mark_at(problem.path), problem.message, problem.hint)
    return Campaign(
        id=id,
        programs=programs,
        connectors=first.entry.connectors,
    )


def _in_order(id: str, versions: Sequence[_Version], report: Report) -> list[_Version]:
    """Sort by version; the order of files is the order of their names, which says nothing."""
    ordered = sorted(versions, key=lambda version: version.program.version)
    for before, version in itertools.pairwise(ordered):
        if version.program.version == before.program.version and version.mark.source is not before.mark.source:
            hint = f"it stands in {before.mark.source.file}:{before.mark.line} already"
            report.error(version.mark, f"version {version.program.version} of '{id}' exists twice", hint)
    return ordered
