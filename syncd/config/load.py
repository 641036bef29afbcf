"""From the path of syncd.yaml to a configuration that holds together, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from syncd.config.campaigns import Campaigns, Entry, read_campaigns
from syncd.config.expand import Scope, expand
from syncd.config.explain import typed
from syncd.config.fields import fault
from syncd.config.model import Config, Document
from syncd.config.problems import ConfigError, Unavailable, nearest
from syncd.config.source import Mark, Report
from syncd.config.tree import Node, read_documents, read_text
from syncd.contract import Connector, ConnectorSettings, UsesOAuth
from syncd.vault import is_key
from syncd_rules import effect_names

ConnectorTypes = Callable[[str], type[Connector]]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Placed:
    """A connector's settings with their place; `settings` is None when they do not hold."""

    node: Node
    settings: ConnectorSettings | None
    keeps_tokens: bool = False  # of OAuth, encrypted

    @property
    def name(self) -> str | None:
        return _text(self.node.child("name"))


def load(path: Path, *, env: Mapping[str, str], connector_types: ConnectorTypes) -> Config:
    """Read a configuration and the campaign files that it names.

    `connector_types` gives the class of a `type:` or raises `Unavailable`. Raises `ConfigError` with all problems
    of all files at once. Reads files only: no network, no database, no SDK.
    """
    report = Report()
    folder = path.parent
    root = _expanded(path, env, report)
    receivers = _receivers(root)
    _mask_urls(receivers)
    document = typed(Document, root, report)
    connectors = [_connector(node, connector_types, report) for node in _items(root, "connectors")]
    _check_password(root, report)
    _check_keys(root, connectors, report)
    _check_names([placed.node for placed in connectors], [*_items(root, "senders"), *receivers], report)
    entries = [_entry(node, connectors, report) for node in _items(root, "campaigns")]
    before = report.errors
    campaigns = read_campaigns(entries, folder, report)
    _check_effects(receivers, campaigns, report, complete=report.errors == before)
    for placed in connectors:
        _check_use(placed, campaigns, report)
    errors, warnings = report.all("error"), report.all("warning")
    if errors or document is None or any(placed.settings is None for placed in connectors):
        raise ConfigError(errors, warnings)
    return Config(
        path=path.absolute(),
        database=_placed_database(document.database, folder),
        engine=document.engine,
        server=document.server,
        secrets=document.secrets,
        connectors=tuple(placed.settings for placed in connectors if placed.settings),
        campaigns=MappingProxyType(dict(campaigns.by_id)),
        senders=document.senders,
        receivers=document.notify.webhooks,
        privacy=document.privacy,
        log=document.log,
        warnings=warnings,
    )


def _expanded(path: Path, env: Mapping[str, str], report: Report) -> Node:
    """Read syncd.yaml into one mapping with all references resolved, or raise what keeps it from being read."""
    source = read_text(path, report)
    documents = read_documents(source, report) if source else []
    if source and not report.all("error"):
        if not documents or not isinstance(documents[0].value, dict):
            report.error(documents[0].mark if documents else Mark(source, 1, 1), "the top level must be a mapping")
        for more in documents[1:]:
            report.error(
                more.mark, "a second document", "syncd.yaml is one document; only campaign files may have several"
            )
    if not documents or not isinstance(documents[0].value, dict):
        raise ConfigError(report.all("error"), report.all("warning"))
    return expand(documents[0], Scope(env=env, folder=path.parent), report)


def _connector(node: Node, connector_types: ConnectorTypes, report: Report) -> _Placed:
    """Type a connector's section by the `Settings` of its type."""
    model: type[ConnectorSettings] = ConnectorSettings
    connector: type[Connector] | None = None
    if not isinstance(node.value, dict):
        return _Placed(node=node, settings=None)
    if (type_node := node.child("type")) and (name := _text(type_node)):
        try:
            connector = connector_types(name)
            model = connector.Settings
        except Unavailable as error:
            shown = str(error) if type_node.raw == name else "this is no connector type"
            report.error(type_node.mark, shown, error.hint)
            _mask_all(node)
            return _Placed(node=node, settings=None)
    _check_fields(node, report)
    settings = typed(model, node, report)
    uses_oauth = settings is not None and isinstance(connector, UsesOAuth) and connector.oauth(settings) is not None
    return _Placed(node=node, settings=settings, keeps_tokens=uses_oauth)


def _entry(node: Node, connectors: Sequence[_Placed], report: Report) -> Entry:
    known = {placed.name for placed in connectors if placed.name}
    listed = _items(node, "connectors")
    for connector in listed:
        if (name := _text(connector)) and name not in known:
            report.error(connector.mark, f"there is no connector '{connector.raw}'", nearest(name, known))
    names = tuple(dict.fromkeys(name for connector in listed if (name := _text(connector))))
    return Entry(patterns=_items(node, "files"), connectors=names, mark=node.mark)


# --- checks across sections ------------------------------------------------------------------------------------------


def _check_names(connectors: Sequence[Node], others: Sequence[Node], report: Report) -> None:
    """All share one namespace: /webhooks/<name> means a connector or a sender, a letter's party any of them."""
    first: dict[str, Mark] = {}
    for node in (*connectors, *others):
        if (name_node := node.child("name")) and (name := _text(name_node)):
            if name in first:
                hint = f"line {first[name].line} has it; connectors, senders and receivers share their names"
                report.error(name_node.mark, "this name is taken", hint)
            first.setdefault(name, name_node.mark)
    for node in connectors:
        if (old := node.child("renamed_from")) and _text(old) in first:
            report.error(old.mark, "renamed_from names a connector that is still there", "name the one that is gone")


def _check_effects(receivers: Sequence[Node], campaigns: Campaigns, report: Report, *, complete: bool) -> None:
    """Whoever waits for an effect that no program has would wait for ever; messages are named by the programs."""
    known = effect_names(program for campaign in campaigns.by_id.values() for program in campaign.programs)
    for node in (node for receiver in receivers for node in _items(receiver, "effects")):
        name = _text(node)
        if name and name not in known and (complete or not name.startswith("email.")):
            shown = f"there is no effect '{name}'" if node.raw == name else "what this refers to is no effect"
            report.error(node.mark, shown, nearest(name, known))


def _check_fields(node: Node, report: Report) -> None:
    push = node.child("push")
    fields = push.child("fields") if push else None
    for value in fields.children() if fields else ():
        if (text := _text(value)) and (wrong := fault(text)):
            report.error(
                value.mark, wrong[0] if value.raw == text else "what this refers to is no value of a lead", wrong[1]
            )


def _check_use(placed: _Placed, campaigns: Campaigns, report: Report) -> None:
    """A stage that none of a connector's campaigns knows would be read for ever and never mean anything."""
    if placed.name is None or placed.name in campaigns.incomplete:
        return
    served = [campaign for campaign in campaigns.by_id.values() if placed.name in campaign.connectors]
    if not served:
        report.warning(placed.node.mark, "no campaign uses this connector", "name it under campaigns:")
        return
    programs = [program for campaign in served for program in campaign.programs]
    known = {stage for program in programs for stage in (*program.stages.order, *program.stages.lost)}
    for node in _mapped_stages(placed.node):
        if (stage := _text(node)) and stage not in known:
            report.error(node.mark, f"no campaign of this connector has a stage '{node.raw}'", nearest(stage, known))


def _mapped_stages(node: Node) -> Iterator[Node]:
    """Find every stage of a campaign that a connector's section names; the defaults of won and lost bind nobody."""
    for pipeline in stages.children() if (stages := node.child("stages")) else ():
        yield from pipeline.children()
    for key in ("won", "lost"):
        if (outcome := node.child(key)) and outcome.raw not in {"null", "~"}:
            yield outcome


def _check_password(root: Node, report: Report) -> None:
    """A database's URL may hold a password, which belongs elsewhere."""
    node = root.child("database")
    if node and ":" in node.raw.partition("://")[2].rpartition("@")[0] and "${" not in node.raw:
        report.warning(
            node.mark, "a password stands in this file", "write the URL as ${SYNCD_DATABASE} or ${file:path}"
        )


def _check_keys(root: Node, connectors: Sequence[_Placed], report: Report) -> None:
    """The keys must be keys, and be there where tokens are kept; no text of them is ever shown."""
    secrets = root.child("secrets")
    key = secrets.child("key") if secrets else None
    for node in (key.items() or [key]) if key else ():
        if (text := _text(node)) and not is_key(text):
            report.error(node.mark, "this is no key", "make one: syncd secrets keygen")
    if key:
        return
    for placed in connectors:
        if placed.keeps_tokens:
            report.error(
                placed.node.mark_at(["oauth"]),
                "its tokens are kept encrypted, and there is no secrets.key to do so",
                'syncd secrets keygen --out encryption.key, then write secrets: {key: "${file:encryption.key}"}',
            )


def _placed_database(url: str, folder: Path) -> str:
    """Make a SQLite file's path absolute, seen from the folder of syncd.yaml."""
    if not url.startswith("sqlite:///"):
        return url
    name, question, query = url.removeprefix("sqlite:///").partition("?")
    return f"sqlite:///{folder.absolute() / name}{question}{query}"


def _mask_all(node: Node) -> None:
    """Hide what a connector of unknown type holds: which of it is secret, nobody knows."""
    for key, child in node.value.items() if isinstance(node.value, dict) else ():
        if key not in {"name", "type"}:
            child.mark.source.mask(child)


def _receivers(root: Node) -> Sequence[Node]:
    notify = root.child("notify")
    return _items(notify, "webhooks") if notify else ()


def _mask_urls(receivers: Sequence[Node]) -> None:
    """Hide the URLs of receivers: a query may hold a key, and many a service gives addresses that are secret whole."""
    for receiver in receivers:
        if url := receiver.child("url"):
            url.mark.source.mask(url)


def _items(node: Node, key: str) -> Sequence[Node]:
    below = node.child(key)
    return below.items() if below else ()


def _text(node: Node | None) -> str | None:
    return node.value if node and isinstance(node.value, str) and not node.broken and node.value else None
