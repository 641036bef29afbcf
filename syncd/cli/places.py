"""From a connector's setting to its line in syncd.yaml."""

from __future__ import annotations

from syncd.config import Config, Problem
from syncd.config.shapes import secret_nodes
from syncd.config.source import Mark, Report, Source
from syncd.config.tree import read_documents, read_text
from syncd.contract import ConnectorSettings


def problem_at(config: Config, settings: ConnectorSettings, yaml_path: str, message: str, hint: str) -> Problem:
    """Make a problem of what a CRM said about a setting ("push.referral_id"); secrets in the excerpt are masked.

    A file that was changed meanwhile is named without a line, where the line cannot be told.
    """
    report, mark = Report(), Mark(Source(str(config.path)))
    source = read_text(config.path, report)
    documents = read_documents(source, report) if source else []
    section = documents[0].child("connectors") if documents else None
    node = section.child(config.connectors.index(settings)) if section else None
    if node is not None and not report.errors:
        for secret in secret_nodes(type(settings), node):
            secret.mark.source.mask(secret)
        mark = node.mark_at(yaml_path.split("."))
    told = Report()
    told.error(mark, message, hint)
    return told.all("error")[0]
