"""What syncd.yaml says of a Zoho CRM account."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from syncd.contract import BaseUrl, ConnectorSettings, OAuthSettings, PushSettings, is_loopback
from syncd.contract import WebhookSettings as AnyWebhook

HOSTS = {
    "us": ("accounts.zoho.com", "zohoapis.com", "crm.zoho.com"),
    "eu": ("accounts.zoho.eu", "zohoapis.eu", "crm.zoho.eu"),
    "in": ("accounts.zoho.in", "zohoapis.in", "crm.zoho.in"),
    "au": ("accounts.zoho.com.au", "zohoapis.com.au", "crm.zoho.com.au"),
    "jp": ("accounts.zoho.jp", "zohoapis.jp", "crm.zoho.jp"),
    "cn": ("accounts.zoho.com.cn", "zohoapis.com.cn", "crm.zoho.com.cn"),
    "sa": ("accounts.zoho.sa", "zohoapis.sa", "crm.zoho.sa"),
    "ca": ("accounts.zohocloud.ca", "zohoapis.ca", "crm.zohocloud.ca"),
}
"""Where a data centre signs in, answers and shows itself. https://www.zoho.com/crm/developer/docs/api/v8/multi-dc.html"""


_ApiName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$")]


def _token(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]{16,50}", value.get_secret_value()):
        raise ValueError("write 16 to 50 letters, digits and signs; syncd webhooks keys makes one")
    return value


class ZohoPush(PushSettings):
    """What a lead becomes in Zoho. Another module's field is written with its module, as in `Deals.Description`."""

    kind: Literal["lead", "deal"] = Field(default="lead", alias="as")
    """lead, or deal: a Contact and a Deal of that contact."""
    referral_id: _ApiName = "Referral_ID"
    """The API name of a single-line field that allows no duplicate values, in every module that is written."""
    pipeline: str = "Standard (Standard)"
    """The pipeline in which a new Deal starts."""
    stage: str = "Qualification"
    """The stage in which a new Deal starts; one that exists is never moved."""
    trigger: list[Literal["workflow", "approval", "blueprint", "pathfinder", "orchestration"]] = Field(
        default_factory=list
    )
    """Which of your automations our writes set off; none unless it says so."""


class ZohoWebhook(AnyWebhook):
    """How Zoho's notifications prove themselves: by a token that each of them repeats."""

    token: Annotated[SecretStr, AfterValidator(_token)]
    """A secret of 16 to 50 characters, such as syncd webhooks keys makes."""


class ZohoSettings(ConnectorSettings):
    """How to reach a Zoho CRM account."""

    data_center: Literal["us", "eu", "in", "au", "jp", "cn", "sa", "ca"] | None = None
    """Where the account lives, as the address of its pages says: zoho.eu is eu."""
    oauth: OAuthSettings
    """As which client of Zoho's API console we come: a self client, or a server-based application."""
    accounts_url: BaseUrl | None = None
    """Where to sign in, if not at the data centre's own address; plain http is for loopback addresses only."""
    base_url: BaseUrl | None = None
    """Where the API is, if not where the sign-in says; plain http is for loopback addresses only."""
    push: ZohoPush = ZohoPush()
    """What is written to Zoho."""
    webhook: ZohoWebhook | None = None
    """How Zoho's own notifications prove themselves; without it none are taken."""

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.data_center is None and not (self.accounts_url and (self.base_url or is_local(self.accounts_url))):
            raise ValueError("give data_center, or accounts_url and base_url for one that is not in its list")
        return self


def addresses(settings: ZohoSettings) -> tuple[str, frozenset[str], str]:
    """Give where to sign in, where the API may be, and the host of the pages for people, if it is known."""
    accounts, api, site = HOSTS[settings.data_center] if settings.data_center else ("", "", "")
    apis = frozenset(f"https://{name}.{api}" for name in ("www", "sandbox", "developer")) if api else frozenset[str]()
    return settings.accounts_url or f"https://{accounts}", apis, site


def is_local(url: str) -> bool:
    """Tell whether a URL leads to this machine."""
    return is_loopback(urlsplit(url).hostname or "")
