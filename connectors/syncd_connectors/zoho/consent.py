"""How an account consents: where the data centre gives tokens, and for what they are asked."""

from __future__ import annotations

from datetime import timedelta

from syncd.contract import OAuth
from syncd_connectors.zoho.answers import scope_of
from syncd_connectors.zoho.leads import kinds_of
from syncd_connectors.zoho.settings import ZohoSettings, addresses


def oauth(settings: ZohoSettings) -> OAuth:
    """Say where the data centre gives tokens: ten in ten minutes, each for an hour.

    https://www.zoho.com/crm/developer/docs/api/v8/token-validity.html
    """
    accounts, _, _ = addresses(settings)
    return OAuth(
        app=settings.oauth,
        authorize_url=f"{accounts}/oauth/v2/auth",
        token_url=f"{accounts}/oauth/v2/token",
        scopes=tuple(f"ZohoCRM.{it}" for it in _scopes(settings)),
        scope_separator=",",
        parameters={"access_type": "offline", "prompt": "consent"},  # or there is no refresh token
        most=(10, timedelta(minutes=10)),
        api="api_domain",
    )


def _scopes(settings: ZohoSettings) -> list[str]:
    """List what an account has to consent to."""
    kinds = kinds_of(settings.push)
    scopes = [scope_of(kind, right) for kind in kinds for right in ("READ", "CREATE", "UPDATE")]
    scopes += [scope_of(kind, "READ") for kind in ("Contacts", "Deals") if kind not in kinds]
    scopes += ["settings.fields.READ", "settings.layouts.READ", "settings.pipeline.READ", "coql.READ", "org.READ"]
    return [*scopes, "notifications.ALL"] if settings.webhook else scopes
