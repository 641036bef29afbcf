"""How a connector says that something went wrong: the type says what happens next."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime


class ConnectorError(Exception):
    """Something that a CRM call ended with. Its text is shown to people: no secret, no address, no lead data."""


class Transient(ConnectorError):
    """Again later. `retry_after` is the least number of seconds to wait, where the CRM said so."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Throttled(Transient):
    """Too many calls in a moment: this one did nothing, so it counts as no attempt."""


class Parked(ConnectorError):
    """A quota is spent: the whole connector waits until `until`, and nothing is counted as an attempt."""

    def __init__(self, message: str, *, until: datetime) -> None:
        super().__init__(message)
        self.until = until


class Rejected(ConnectorError):
    """This lead never, as it stands; the others go on."""


class Misconfigured(ConnectorError):
    """Every lead would fail: the connector stops, the admin is told once, its leads wait.

    `yaml_path` names the setting at fault inside the connector's section, as in "push.referral_id".
    """

    def __init__(self, message: str, *, yaml_path: str, hint: str = "") -> None:
        super().__init__(message)
        self.yaml_path = yaml_path
        self.hint = hint


class Unauthorized(Misconfigured):
    """The CRM refuses our credentials."""


def status_error(status: int, message: str, *, retry_after: float | None = None) -> ConnectorError | None:
    """Tell what an HTTP status means for the work at hand; None for a 2xx. A connector overrides only its oddities."""
    if 200 <= status < 300:
        return None
    if status == 401:
        return Unauthorized(message, yaml_path="token", hint="the CRM refuses this credential; issue a new one")
    if status == 403:
        return Misconfigured(message, yaml_path="token", hint="the credential lacks a permission")
    if status == 429:
        return Throttled(message, retry_after=retry_after)
    if status in {408, 423, 425} or status >= 500:
        return Transient(message, retry_after=retry_after)
    if 300 <= status < 400:
        return Misconfigured(
            message, yaml_path="base_url", hint="the CRM answers with a redirect, which is not followed"
        )
    return Rejected(message)


_EMAIL = re.compile(r"[\w.+'-]{1,64}@[\w.-]{1,255}")


def veiled(text: str, sent: Iterable[str]) -> str:
    """Hide in a CRM's words the values that were sent and every e-mail address: they become an error's text."""
    values = sorted({value for value in sent if len(value) > 1}, key=len, reverse=True)
    if values:
        text = re.sub(rf"(?<!\w)(?:{'|'.join(map(re.escape, values))})(?!\w)", "…", text, flags=re.IGNORECASE)
    return _EMAIL.sub("…", text)
