"""A connector's part of syncd.yaml: the sections and types that every connector's own settings are made of."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _interval(value: object) -> object:
    if isinstance(value, str):
        if not (match := re.fullmatch(r"(\d{1,9})([smhd])", value.strip())):
            raise ValueError("write an interval as a number and s, m, h or d, such as 90s or 2m")
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    return value


def _share(value: object) -> object:
    if isinstance(value, str):
        if not (match := re.fullmatch(r"(\d{1,3})\s*%", value.strip())) or not 1 <= int(match[1]) <= 100:
            raise ValueError("write a share as a percentage from 1% to 100%")
        return int(match[1]) / 100
    return value


def _no_stage(value: object) -> object:
    return None if value in ("null", "~") else value  # the YAML's scalars come as text


def is_loopback(host: str) -> bool:
    """Tell whether the host is this machine, by its name or its address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query or parts.fragment or not parts.hostname:
        raise ValueError("write the address as https://host, with a path if need be, and nothing else")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("the address must begin with https://; http:// is for loopback addresses only")
    return url.rstrip("/")


def _path_secret(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[A-Za-z0-9._~-]{16,200}", value.get_secret_value()):
        raise ValueError("write 16 to 200 of the characters A-Z, a-z, 0-9, - . _ ~; syncd webhooks keys makes one")
    return value


Interval = Annotated[timedelta, BeforeValidator(_interval)]
Share = Annotated[float, BeforeValidator(_share)]
OptionalStage = Annotated[str | None, BeforeValidator(_no_stage)]
PathSecret = Annotated[SecretStr, AfterValidator(_path_secret)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
"""Where a CRM's API is, without a slash at the end; plain http reaches this machine only."""


class Section(BaseModel):
    """A mapping of the YAML: frozen, unknown keys refused; the line below a field is its documentation."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True, populate_by_name=True
    )


class Constant(Section):
    """A text that is the same for every lead."""

    text: str
    """What is written, word for word."""


class PushSettings(Section):
    """What a lead becomes in the CRM. A connector adds its own keys."""

    referral_id: str = "referral_id"
    """The CRM's unique property that carries our id of the lead."""
    fields: dict[str, str | Constant] = Field(default_factory=dict)
    """CRM field <- value of the lead: a dotted name, a text with {names}, or {text: a constant}."""
    advocates: bool = True
    """Whether advocates are pushed too, as persons, when they join."""


class PollSettings(Section):
    """When and how far back the CRM is read."""

    every: Annotated[Interval, Field(ge=timedelta(seconds=1), le=timedelta(days=1))] = timedelta(minutes=2)
    """How often to ask what changed."""
    overlap: Annotated[Interval, Field(ge=timedelta(seconds=30), le=timedelta(days=2))] = timedelta(minutes=10)
    """How far each reading goes back behind the last one; longer than the CRM's search index lags."""
    sweep: Annotated[Interval, Field(ge=timedelta(seconds=1), le=timedelta(days=7))] = timedelta(hours=1)
    """How often every open referral is read by its id."""


class LimitSettings(Section):
    """How much of the account's allowance is ours."""

    share: Share = 0.8
    """The part of the CRM's own rate limit that this connector may use."""
    daily: Annotated[int, Field(ge=100)] | None = None
    """What the CRM allows the whole account in a day, in its own units, where it does not say so itself."""


class WebhookSettings(Section):
    """How a CRM that tells of changes by itself proves that it is the CRM. A connector adds its own keys."""

    path_secret: PathSecret | None = None
    """A secret last part of the address: /webhooks/<name>/<path_secret>; 16 characters and more that a URL can hold."""


class ConnectorSettings(Section):
    """The keys that every connector's section has; a connector's own `Settings` extends it."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    """Unique, kept in the database; rename with renamed_from."""
    type: str
    """Which connector: the name of its module."""
    renamed_from: str | None = None
    """The name under which the database knows this connector so far."""
    push: PushSettings = PushSettings()
    """What is written to the CRM."""
    stages: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Pipeline id -> CRM stage id -> the campaign's stage."""
    won: OptionalStage = "won"
    """The campaign's stage for what the CRM itself calls won, where `stages` does not say otherwise."""
    lost: OptionalStage = "lost"
    """The campaign's stage for what the CRM itself calls lost."""
    poll: PollSettings = PollSettings()
    """How the CRM is read."""
    limits: LimitSettings = LimitSettings()
    """How much of the CRM's allowance may be used."""
    webhook: WebhookSettings | None = None
    """How the CRM's own webhooks prove themselves; without it none are taken, and polling alone tells of changes."""
