"""HubSpot's part of syncd.yaml, and how an app of HubSpot's comes by its tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from syncd.contract import BaseUrl, ConnectorSettings, OAuth, OAuthSettings, PushSettings, WebhookSettings

VERSION = "2026-09"
"""Of HubSpot's API; the SDK's own v3 and v4 end in 2027. https://developers.hubspot.com/docs/api-reference/overview"""

_LIFETIME = timedelta(minutes=30)
_SCOPES = (
    "oauth",
    "crm.objects.contacts.read",
    "crm.objects.contacts.write",
    "crm.objects.deals.read",
    "crm.objects.deals.write",
    "crm.schemas.contacts.read",
    "crm.schemas.deals.read",
)


class HubSpotPush(PushSettings):
    """What a lead becomes in HubSpot. Fields are the contact's; a deal's are written with `deal.` before them."""

    kind: Literal["contact", "deal"] = Field(default="deal", alias="as")
    """contact, or deal: a contact and a deal that is associated with it."""
    pipeline: str = "default"
    """The id of the pipeline in which a new deal starts."""
    stage: str = "appointmentscheduled"
    """The id of the stage in which a new deal starts; a deal that exists is never moved."""


class HubSpotWebhook(WebhookSettings):
    """How HubSpot's webhooks prove themselves: by the signature of the app that is subscribed."""

    secret: Annotated[SecretStr, Field(min_length=16)]
    """The client secret of the app whose webhooks come here; with oauth that of the same app."""


class HubSpotSettings(ConnectorSettings):
    """How to reach a HubSpot account."""

    token: SecretStr | None = None
    """A service key, or another static token, with the scopes that connectors/README.md lists."""
    oauth: OAuthSettings | None = None
    """In place of token: an app of HubSpot's, to which an admin of the account consents."""
    portal: Annotated[str | None, Field(pattern=r"^[0-9]{1,20}$")] = None
    """The account's id (Hub ID), for links to records; webhooks that are about another account are passed over."""
    currency: Annotated[str | None, Field(pattern=r"^[A-Z]{3}$")] = None
    """The account's own currency, in which an amount is that names none; without it such an amount is not told."""
    base_url: BaseUrl = "https://api.hubapi.com"
    """Where HubSpot's API is; plain http is accepted for loopback addresses only."""
    push: HubSpotPush = HubSpotPush()
    """What is written to HubSpot."""
    webhook: HubSpotWebhook | None = None
    """How HubSpot's webhooks prove themselves; without it none are taken, and polling alone tells of changes."""

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if (self.token is None) == (self.oauth is None):
            raise ValueError("give token, or oauth with client_id and client_secret")
        return self

    @property
    def credential(self) -> str:
        """Name the setting that holds the credential."""
        return "token" if self.token else "oauth"


def oauth(settings: HubSpotSettings) -> OAuth | None:
    """Say where tokens are had. The dated endpoint: the SDK's own, /oauth/v1, ends in February 2027.

    https://developers.hubspot.com/docs/api-reference/latest/authentication/manage-oauth-tokens
    """
    if settings.oauth is None:
        return None
    host = urlsplit(settings.base_url).hostname or ""
    is_hubspot = host == "hubapi.com" or host.endswith(".hubapi.com")
    return OAuth(
        app=settings.oauth,
        authorize_url=f"{'https://app.hubspot.com' if is_hubspot else settings.base_url}/oauth/authorize",
        token_url=f"{settings.base_url}/oauth/{VERSION}/token",
        scopes=_SCOPES,
        lifetime=_LIFETIME,
    )
