"""How a connector comes by its access tokens: it says where they are had, the daemon gets, renews and keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import SecretStr

from syncd.contract.settings import Section


class OAuthSettings(Section):
    """An app that is registered with the CRM's vendor, as whom the daemon comes."""

    client_id: str
    """The app's client id."""
    client_secret: SecretStr
    """The app's client secret."""
    refresh_token: SecretStr | None = None
    """A refresh token that was had elsewhere, to begin with; without one: syncd connectors auth NAME."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OAuth:
    """Where and how a vendor gives tokens (RFC 6749)."""

    app: OAuthSettings
    authorize_url: str  # the page on which an admin consents
    token_url: str  # where a code or a refresh token is traded for an access token
    scopes: tuple[str, ...]
    scope_separator: str = " "
    pkce: bool = False  # whether the vendor takes RFC 7636
    basic: bool = False  # client id and secret go in the Authorization header, not in the form
    parameters: Mapping[str, str] = field(default_factory=dict)  # further ones of the page on which an admin consents
    lifetime: timedelta = timedelta(hours=1)  # of an access token, where the answer does not say it
    most: tuple[int, timedelta] | None = None  # how many access tokens the vendor gives in how long a time
    api: str | None = None  # the key of the answer that names where the API is: "api_domain"


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessToken:
    """What opens the API for a while."""

    text: str = field(repr=False)
    api: str = ""  # where the API is, as the vendor said; check it against the places you know before you send it there
