"""YAML as a tree of mappings, lists and texts that remembers where each came from.

Scalars stay text: `no` is a country, `1.10` keeps its nought; the schema types them later. The tree is built from
PyYAML's pure-Python events: the C loader dies of deep nesting, the composer of alias bombs, and the constructor
knows types that we do not want.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from syncd.config.source import Mark, Report, Source, names_secret

SIZE = 256 * 1024  # bytes of a file
DEPTH = 32  # mappings and lists inside each other
EXPANDED = 100  # nodes that aliases may repeat in a document

_PLAIN_TAGS = {None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"}
_PLAINER = (  # what PyYAML says -> what an admin understands, and what to do
    ("'\\t'", "a tab where YAML wants spaces", "indent with spaces"),
    (
        "mapping values are not allowed",
        "a colon where none can be",
        "quote a value that holds ': ', or mend the indent",
    ),
    ("expected <block end>", "this line belongs to nothing above it", "mend the indentation, or close a bracket"),
    ("expected ',' or", "a bracket or a comma is missing", ""),
    ("could not find expected ':'", "a key without its colon", "write `key: value`"),
    ("cannot start any token", "a character that cannot start a value", "put the value in quotes"),
    ("unknown escape character", "an escape that YAML does not know", "use single quotes for a literal backslash"),
)


class _Unreadable(Exception):
    """The rest of this file cannot be read; the problem is noted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A text, a list or a mapping, with its place."""

    value: str | tuple[Node, ...] | dict[str, Node] = field(repr=False)
    mark: Mark
    end: Mark
    keys: Mapping[str, Mark] = field(default_factory=dict)  # of a mapping: where each key stands
    raw: str = field(default="", repr=False)  # of a text: as written, before ${...}
    broken: bool = False  # a problem is noted already: do not complain about its value again

    def plain(self) -> Any:
        """Give the bare dicts, lists and texts."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, tuple):
            return [child.plain() for child in self.value]
        return self.value

    def child(self, step: str | int) -> Node | None:
        """Give the node below a key or an index, if there is one."""
        if isinstance(self.value, dict):
            return self.value.get(str(step))
        if isinstance(self.value, tuple) and isinstance(step, int) and 0 <= step < len(self.value):
            return self.value[step]
        return None

    def at(self, path: Iterable[str | int]) -> Node:
        """Give the deepest node on a path."""
        node = self
        for step in path:
            node = node.child(step) or node
        return node

    def children(self) -> Sequence[Node]:
        """Give a mapping's values; nothing for all else."""
        return tuple(self.value.values()) if isinstance(self.value, dict) else ()

    def items(self) -> Sequence[Node]:
        """Give a list's nodes; nothing for all else."""
        return self.value if isinstance(self.value, tuple) else ()

    def mark_at(self, path: Sequence[str | int]) -> Mark:
        """Find the place that a path means: a text itself, a mapping's or list's key, else the deepest there is."""
        node, mark = self, self.mark
        for step in path:
            if (below := node.child(step)) is None:
                return mark
            mark = below.mark if isinstance(below.value, str) or not node.keys else node.keys[str(step)]
            node = below
        return mark


def read_text(path: Path, report: Report) -> Source | None:
    """Read a file as UTF-8 (a byte order mark is fine). None when it cannot be read; the problem is noted."""
    whole = Mark(Source(str(path)))
    try:
        with path.open("rb") as file:
            data = file.read(SIZE + 1)
    except OSError as error:
        report.error(whole, f"cannot be read: {os.strerror(error.errno) if error.errno else 'unknown cause'}")
        return None
    if len(data) > SIZE:
        report.error(
            whole, f"is larger than {SIZE // 1024} KiB", "no configuration is that large; is it the right file?"
        )
        return None
    try:
        return Source(str(path), data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        before = data[: error.start]
        mark = Mark(whole.source, before.count(b"\n") + 1, len(before) - before.rfind(b"\n"))
        report.error(mark, f"is not UTF-8 from byte {error.start} on", "save the file as UTF-8")
        return None


def read_documents(source: Source, report: Report) -> list[Node]:
    """Read every YAML document of a text. What is wrong is noted; what can be read all the same is in the answer."""
    _refuse_no_break_spaces(source, report)
    builder = _Builder(source, report)
    try:
        for event in builder.events:
            if isinstance(event, yaml.DocumentStartEvent):
                builder.new_document()
                builder.documents.append(builder.node(next(builder.events), 0))
    except _Unreadable:
        pass
    except yaml.reader.ReaderError as error:
        source.mask_blindly()
        line, col = _line_and_column(source.text, error.position)
        report.error(Mark(source, line, col), "a control character, which YAML does not allow", "delete it")
    except yaml.MarkedYAMLError as error:
        source.mask_blindly()
        report.error(*_syntax_problem(source, error))
    return builder.documents


def _syntax_problem(source: Source, error: yaml.MarkedYAMLError) -> tuple[Mark, str, str]:
    told = f"{error.context or ''} {error.problem or ''}"
    where = error.problem_mark or error.context_mark
    if "unexpected end of stream" in told and error.context_mark:
        return (_mark(source, error.context_mark), "this quote is never closed", "close it, or remove it")
    mark = _mark(source, where) if where else Mark(source)
    for words, message, hint in _PLAINER:
        if words in told:
            return mark, message, hint
    return mark, f"is not YAML: {error.problem or 'cannot be parsed'}", ""


def _refuse_no_break_spaces(source: Source, report: Report) -> None:
    """Note each no-break space that YAML would take for a letter; in quotes and comments it does no harm."""
    for number, line in enumerate(source.text.splitlines(), 1):
        before, found, _ = line.partition("\u00a0")
        if found and not any(char in before for char in "#'\""):
            mark = Mark(source, number, len(before) + 1)
            report.error(mark, "a no-break space (U+00A0), which only looks like a space", "type a plain space")


def _line_and_column(text: str, position: int) -> tuple[int, int]:
    before = text[:position]
    return before.count("\n") + 1, position - before.rfind("\n")


def _mark(source: Source, mark: Any) -> Mark:
    return Mark(source, mark.line + 1, mark.column + 1)


class _Builder:
    """Builds nodes from events, within the limits."""

    def __init__(self, source: Source, report: Report) -> None:
        self.documents: list[Node] = []
        self.events: Iterator[Any] = iter(yaml.parse(source.text, Loader=yaml.SafeLoader))
        self._source = source
        self._report = report
        self.new_document()

    def new_document(self) -> None:
        self._anchors: dict[str, tuple[Node, int] | None] = {}  # None while the anchored node is being built
        self._built = 0
        self._expanded = 0

    def node(self, event: Any, depth: int) -> Node:
        """Build the node that starts with this event."""
        mark = _mark(self._source, event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor, mark)
        if depth > DEPTH:
            self._stop(mark, f"is nested deeper than {DEPTH} levels")
        if event.tag not in _PLAIN_TAGS:
            self._report.error(mark, "a YAML tag", "write the value without it; every setting knows its own type")
        if event.anchor:
            self._anchors[event.anchor] = None
        before = self._built
        self._built += 1
        if isinstance(event, yaml.MappingStartEvent):
            node = self._mapping(mark, depth)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._list(mark, depth)
        else:
            node = Node(value=event.value, raw=event.value, mark=mark, end=_mark(self._source, event.end_mark))
            if event.style is None and not event.value and depth:
                self._report.error(mark, "a key or a dash without a value", "give it one, or delete the line")
                node = Node(value="", mark=mark, end=mark, broken=True)
        if event.anchor:
            self._anchors[event.anchor] = node, self._built - before
        return node

    def _list(self, mark: Mark, depth: int) -> Node:
        children = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            children.append(self.node(event, depth + 1))
        return Node(value=tuple(children), mark=mark, end=_mark(self._source, event.end_mark))

    def _mapping(self, mark: Mark, depth: int) -> Node:
        children: dict[str, Node] = {}
        keys: dict[str, Mark] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.node(event, depth + 1)
            value = self.node(next(self.events), depth + 1)
            if not isinstance(key.value, str):
                self._report.error(key.mark, "a key that is a list or a mapping", "a key is a text")
            elif key.value in children:
                first = keys[key.value].line
                self._report.error(
                    key.mark,
                    f"duplicate key '{key.value}'",
                    f"it stands on line {first} already, this is line {key.mark.line}",
                )
            else:
                children[key.value], keys[key.value] = value, key.mark
            if isinstance(key.value, str) and names_secret(key.value):
                self._source.mask(value)
        return Node(value=children, keys=keys, mark=mark, end=_mark(self._source, event.end_mark))

    def _alias(self, name: str | None, mark: Mark) -> Node:
        anchored = self._anchors.get(name or "")
        if anchored is None:
            why = "stands inside its own anchor" if name in self._anchors else "has no anchor above it"
            self._report.error(mark, f"the alias *{name} {why}")
            return Node(value="", mark=mark, end=mark, broken=True)
        node, size = anchored
        self._built += size
        self._expanded += size
        if self._expanded >= EXPANDED:
            self._stop(mark, f"aliases repeat {EXPANDED} nodes or more", "write the values out")
        return node

    def _stop(self, mark: Mark, message: str, hint: str = "") -> None:
        self._source.mask_blindly()
        self._report.error(mark, message, hint)
        raise _Unreadable
