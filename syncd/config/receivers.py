"""The section `notify`: who is told by webhook what happens."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from syncd.config.reach import url_fault
from syncd.contract import Section
from syncd.signing import signing_key


def _signing_secret(value: SecretStr) -> SecretStr:
    signing_key(value.get_secret_value())
    return value


def _receiver_url(value: str, info: ValidationInfo) -> str:
    # Where `private` itself is wrong, there is one thing to mend and not two.
    if fault := url_fault(value, private=info.data.get("private", True)):
        raise ValueError(fault)
    return value


SigningSecret = Annotated[SecretStr, AfterValidator(_signing_secret)]


class Receiver(Section):
    """An outgoing webhook: it is told of effects, signed by Standard Webhooks."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    """Unique among receivers, connectors and senders; kept in the database."""
    private: bool = False
    """Whether it may be on this machine or in a private network, and at another port than 443."""
    url: Annotated[str, AfterValidator(_receiver_url), Field(repr=False)]
    """Where messages are posted: https://..., and with `private` also http:// to a loopback address."""
    secrets: Annotated[tuple[SigningSecret, ...], Field(min_length=1)]
    """Shared secrets, whsec_... or plain text of 24 to 64 bytes; each signs every message, so they can rotate."""
    effects: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Of which effects it is told; without it of all."""

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The secrets as the bytes that sign."""
        return tuple(signing_key(secret.get_secret_value()) for secret in self.secrets)

    @property
    def host(self) -> str:
        """All of its URL that is shown: a path or a query may be as good as a password."""
        return urlsplit(self.url).netloc

    def wants(self, effect: str) -> bool:
        """Tell whether it is told of effects of this name."""
        return self.effects is None or effect in self.effects


class NotifySettings(Section):
    """Who is told what happens."""

    webhooks: tuple[Receiver, ...] = ()
    """Receivers: outgoing webhooks."""
