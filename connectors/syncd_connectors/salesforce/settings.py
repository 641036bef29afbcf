"""Salesforce's part of syncd.yaml."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic.json_schema import SkipJsonSchema

from syncd.contract import (
    BaseUrl,
    ConnectorSettings,
    Interval,
    PathSecret,
    PollSettings,
    PushSettings,
    Section,
    WebhookSettings,
)


def _domain(host: str) -> str:
    host = host.strip().lower().removesuffix(".salesforce.com")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?){0,3}", host):
        raise ValueError("write your My Domain without https://, such as acme.my or acme--dev.sandbox.my")
    return host


def _retired(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        raise ValueError(
            "Salesforce retires signing in by user name, password and security token with the release Summer '27; "
            "make an External Client App, and give its client_id and client_secret, or jwt"
        )
    return value


def _pem(key: SecretStr) -> SecretStr:
    if "PRIVATE KEY-----" not in key.get_secret_value():
        raise ValueError("the key must be a private key in PEM form, such as ${file:secrets/salesforce.pem}")
    return key


_ApiName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,79}$")]
_Retired = Annotated[SkipJsonSchema[SecretStr | None], AfterValidator(_retired)]


class Jwt(Section):
    """Signing in by a certificate: the OAuth 2.0 JWT bearer flow."""

    username: str
    """The user as whom we act; the app must be approved for them in advance."""
    client_id: str
    """The consumer key of the External Client App."""
    key: Annotated[SecretStr, AfterValidator(_pem)]
    """The private RSA key, in PEM form, whose certificate the app has."""


class SalesforcePush(PushSettings):
    """What a lead becomes in Salesforce. A field's object may be written before it, as in `Opportunity.Description`."""

    kind: Literal["lead", "contact_opportunity"] = Field(default="lead", alias="as")
    """lead, or contact_opportunity: a Contact and an Opportunity with that contact in a role."""
    referral_id: _ApiName = "Referral_Id__c"
    """A custom text field, external id and unique, on every object that is written."""
    stage: str = "Prospecting"
    """The stage in which a new Opportunity starts; one that exists is never moved."""
    close_in: Annotated[Interval, Field(ge=timedelta(), le=timedelta(days=3650))] = timedelta(days=30)
    """How long after its creation an Opportunity is expected to close; Salesforce requires a date."""
    duplicates: Literal["report", "allow"] = "report"
    """Whether a lead that a duplicate rule alerts to is given up and reported, or saved all the same."""


class SalesforcePoll(PollSettings):
    """When and how far back Salesforce is read."""

    overlap: Annotated[Interval, Field(ge=timedelta(seconds=30), le=timedelta(days=2))] = timedelta(minutes=15)
    """How far each reading goes back; a long transaction shows its records late, under the time at which it began."""


class SalesforceWebhook(WebhookSettings):
    """How Salesforce's Outbound Messages prove themselves: they bear no signature, only what an admin writes here."""

    path_secret: PathSecret
    """A secret last part of the address; nothing else proves that it is Salesforce who sends."""
    organization_id: Annotated[str, Field(pattern=r"^00D[A-Za-z0-9]{12}([A-Za-z0-9]{3})?$")]
    """The org's id, of 15 or 18 characters: Setup, Company Information."""


class SalesforceSettings(ConnectorSettings):
    """How to reach a Salesforce org."""

    domain: Annotated[str, AfterValidator(_domain)]
    """The org's My Domain, such as acme.my; with jwt also login or test."""
    client_id: str | None = None
    """The consumer key of an External Client App with the client credentials flow."""
    client_secret: SecretStr | None = None
    """The consumer secret of that app."""
    jwt: Jwt | None = None
    """In place of client_id and client_secret: signing in by a certificate."""
    username: _Retired = None
    """Refused: it belongs to a way of signing in that ends in 2027."""
    password: _Retired = None
    """Refused, like username."""
    security_token: _Retired = None
    """Refused, like username."""
    api_version: Annotated[str, Field(pattern=r"^(4[6-9]|[5-9]\d|1\d\d)\.0$")] = "66.0"
    """The version of the API, such as 66.0; Salesforce serves each for three years at least."""
    base_url: BaseUrl | None = None
    """Where Salesforce is, if not at https://<domain>.salesforce.com; plain http is for loopback addresses only."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    """The org's currency, if it has only one: its API does not tell. Without it amounts are left out."""
    push: SalesforcePush = SalesforcePush()
    """What is written to Salesforce."""
    poll: SalesforcePoll = SalesforcePoll()
    """How Salesforce is read."""
    webhook: SalesforceWebhook | None = None
    """How Salesforce's Outbound Messages prove themselves; without it polling alone tells of changes."""

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        given = [self.client_id is not None, self.client_secret is not None]
        if any(given) if self.jwt else not all(given):
            raise ValueError("give client_id and client_secret, or jwt")
        if self.jwt is None and self.domain in {"login", "test"}:
            raise ValueError("client_id and client_secret need your own My Domain as domain, not login or test")
        return self
