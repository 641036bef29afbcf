"""The sections of syncd.yaml as they are written, and the configuration as the daemon uses it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from syncd.config.problems import Problem
from syncd.config.receivers import NotifySettings, Receiver, SigningSecret
from syncd.contract import ConnectorSettings, Section
from syncd.signing import signing_key
from syncd_rules import Program

LATER = frozenset({"retention"})
"""Keys that the documentation may lead an admin to expect, and that this version does not have."""


def _address(listen: str) -> tuple[str, int]:
    parts = urlsplit(f"//{listen}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None or parts.netloc != listen or "@" in listen:
        raise ValueError("write host:port, such as 127.0.0.1:8787 or [::1]:8787")
    return host, port


def _listen(value: str) -> str:
    _address(value)
    return value


def _public_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("write a URL such as https://refer.example.com")
    if "@" in parts.netloc:
        raise ValueError("a URL that others see can hold no user or password")
    if parts.query or parts.fragment:
        raise ValueError("write the URL without ? and #; paths are added to it")
    return value.rstrip("/")


def _proxy(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise ValueError("write an address or a network, such as 10.0.0.5 or 10.0.0.0/8") from None
    return value


def _database(value: str) -> str:
    scheme, colon, rest = value.partition("://")
    if scheme == "postgresql" and colon and rest:
        return value
    if scheme == "sqlite" and rest.startswith("/") and rest.lstrip("/") not in {"", ":memory:"}:
        return value
    if scheme == "postgres":
        raise ValueError("the scheme is written postgresql://")
    raise ValueError("write sqlite:///syncd.db (a file) or postgresql://user:password@host/name")


class ServerSettings(Section):
    """The daemon's own web server."""

    listen: Annotated[str, AfterValidator(_listen)] = "127.0.0.1:8787"
    """Address and port to listen on; port 0 takes a free one."""
    public_url: Annotated[str, AfterValidator(_public_url)] | None = None
    """The URL under which others reach the daemon: CRMs call it, pages and mails link to it."""
    trusted_proxies: tuple[Annotated[str, AfterValidator(_proxy)], ...] = ()
    """Addresses or networks of reverse proxies whose X-Forwarded headers are believed."""

    @property
    def address(self) -> tuple[str, int]:
        """`listen` as host and port."""
        return _address(self.listen)


def _encryption_keys(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class SecretsSettings(Section):
    """What the daemon encrypts by that it must keep and may not show: the tokens that OAuth gives."""

    key: Annotated[tuple[SecretStr, ...], BeforeValidator(_encryption_keys), Field(min_length=1)]
    """A key that `syncd secrets keygen` made, or a list of them: the first encrypts, all of them decrypt."""


class LogSettings(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe message that is written."""
    format: Literal["auto", "text", "json"] = "auto"
    """`auto` writes text to a terminal and JSON elsewhere."""


class CampaignEntry(Section):
    """Which campaign files are in use, and where their leads go."""

    files: Annotated[tuple[str, ...], Field(min_length=1)]
    """Files or patterns such as campaigns/spring-*.yaml, relative to this file."""
    connectors: tuple[str, ...] = ()
    """Names of the connectors that get the leads of these campaigns."""


class Sender(Section):
    """An inbound webhook that is not a CRM's own: signed by Standard Webhooks, taken at its word."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    """Unique among senders, connectors and receivers: the last part of the address /webhooks/<name>."""
    secrets: Annotated[tuple[SigningSecret, ...], Field(min_length=1)]
    """Shared secrets, whsec_... or plain text of 24 to 64 bytes; with several, any one verifies, so they can rotate."""

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The secrets as the bytes that sign."""
        return tuple(signing_key(secret.get_secret_value()) for secret in self.secrets)


class PrivacySettings(Section):
    """What is kept of people who asked to be forgotten."""

    remember_erased: bool = False
    """Keep the hash of their address, so that they can never be referred as somebody new; ask a lawyer first."""


class Document(Section):
    """The whole of syncd.yaml. Connectors are typed apart, each by its own `Settings`."""

    database: Annotated[str, AfterValidator(_database)] = "sqlite:///syncd.db"
    """Where everything is kept: sqlite:///file (relative to this file) or postgresql://..."""
    engine: Literal["embedded"] = "embedded"
    """Who looks for due work: `embedded`, this one process."""
    server: ServerSettings = ServerSettings()
    """The daemon's own web server."""
    secrets: SecretsSettings | None = None
    """The key for what is encrypted in the database; wanted by connectors with `oauth`."""
    connectors: tuple[dict[str, Any], ...] = ()
    """The CRM accounts that leads are pushed into."""
    campaigns: tuple[CampaignEntry, ...] = ()
    """Campaign files, and where their leads go."""
    senders: tuple[Sender, ...] = ()
    """Inbound webhooks that are not a CRM's own."""
    notify: NotifySettings = NotifySettings()
    """Who is told what happens, by webhook."""
    privacy: PrivacySettings = PrivacySettings()
    """What is kept of people who asked to be forgotten."""
    log: LogSettings = LogSettings()
    """What is logged, and how."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Campaign:
    """A campaign with all versions of its programme."""

    id: str
    programs: tuple[Program, ...] = field(repr=False)  # by rising version
    connectors: tuple[str, ...]  # names; where its leads go
    places: Mapping[int, str] = field(default_factory=dict, repr=False)  # version -> file:line:column

    def place_of(self, version: int) -> str:
        """Say where a version stands; of one that is in no file, where the newest does."""
        return self.places.get(version) or self.places.get(max(self.places, default=version), "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """A configuration that holds together: all names resolve, all values are typed, all secrets are there."""

    path: Path  # absolute
    database: str = field(repr=False)  # a file's path in it is absolute; may hold a password
    engine: Literal["embedded"]
    server: ServerSettings
    secrets: SecretsSettings | None = field(repr=False)
    connectors: tuple[ConnectorSettings, ...]
    campaigns: Mapping[str, Campaign]  # by id
    senders: tuple[Sender, ...]
    receivers: tuple[Receiver, ...]
    privacy: PrivacySettings
    log: LogSettings
    warnings: tuple[Problem, ...] = ()
