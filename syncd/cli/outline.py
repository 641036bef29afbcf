"""What a CRM has, as YAML to paste under its connector: the stages to map, and the fields to fill."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence

from syncd.cli.output import shown
from syncd.contract import ConnectorSettings, RemoteField, Stage

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,200}")
_OTHER_THAN_TEXT = frozenset({"null", "true", "false", "yes", "no", "on", "off"})


def outline(
    settings: ConnectorSettings, stages: Iterable[Stage], fields: Sequence[RemoteField], own: Sequence[str]
) -> str:
    """Write the sections `stages` and `push.fields`; pasted as it is it changes nothing, as the rest is commented.

    `own` are the campaigns' stages, to which a deal stage can be mapped.
    """
    lines = [f"    # Deal stage -> the campaign's stage: {', '.join(own)}.", *_stages(settings, stages, own)]
    if fields:
        lines += ["    # Field -> value of the lead, such as friend.first_name.", *_fields(fields)]
    return "\n".join(lines)


def _stages(settings: ConnectorSettings, stages: Iterable[Stage], own: Sequence[str]) -> Iterator[str]:
    pipelines: dict[str, list[Stage]] = {}
    for stage in stages:
        pipelines.setdefault(stage.pipeline, []).append(stage)
    lines = {name: [_line(settings, stage, own) for stage in its] for name, its in pipelines.items()}
    is_used = {name: any(not it.startswith("#") for it in its) for name, its in lines.items()}
    # A key with nothing but comments below it would be a key without a value.
    yield f"    {'' if any(is_used.values()) else '# '}stages:"
    for name, its in lines.items():
        yield f"      {'' if is_used[name] else '# '}{_scalar(name)}:"
        yield from (f"        {it}" for it in its)


def _line(settings: ConnectorSettings, stage: Stage, own: Sequence[str]) -> str:
    mapped = settings.stages.get(stage.pipeline, {}).get(stage.id)
    mapped = mapped or {"won": settings.won, "lost": settings.lost, "open": None}[stage.outcome]
    is_mapped = mapped is not None and mapped in own  # a stage that no campaign has is refused at load
    line = f"{_scalar(stage.id)}: {_scalar(mapped or '') if is_mapped else '...'}"
    return f"{'' if is_mapped else '# '}{line}  # {shown(stage.label)} ({stage.outcome})"


def _fields(fields: Sequence[RemoteField]) -> Iterator[str]:
    yield from ("    # push:", "    #   fields:")
    for of in dict.fromkeys(field.of for field in fields):
        yield f"    #     # of the {shown(of)}"
        for field in fields:
            if field.of == of:
                yield f"    #     {_scalar(field.name)}: ...  # {shown(field.label)} ({shown(field.type)})"


def _scalar(text: str) -> str:
    """Write an id so that YAML reads it as this very text."""
    if _PLAIN.fullmatch(text) and text.lower() not in _OTHER_THAN_TEXT:
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())
