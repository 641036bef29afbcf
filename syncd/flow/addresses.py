"""Where others reach the daemon: the addresses of its webhooks."""

from __future__ import annotations

from pydantic import SecretStr

from syncd.config.model import ServerSettings
from syncd.contract import WebhookSettings

HIDDEN = "…"  # stands for the secret part of an address that is shown


def base(server: ServerSettings) -> str:
    """Give the URL under which others know us; without `public_url` the one at which we listen."""
    return server.public_url or local(server)


def local(server: ServerSettings) -> str:
    """Give the URL at which this machine reaches the daemon."""
    host, port = server.address
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - they are replaced here
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def webhook(server: ServerSettings, name: str, settings: WebhookSettings | None = None, *, shown: bool = False) -> str:
    """Give the address of a sender's webhook, or of a connector's with these settings; `shown` hides its secret."""
    secret: SecretStr | None = settings.path_secret if settings else None
    last = "" if secret is None else f"/{HIDDEN if shown else secret.get_secret_value()}"
    return f"{base(server)}/webhooks/{name}{last}"
