"""Acme: leads become contacts with a deal; deal stages come back.

Say here in a few sentences what is particular about this CRM: where our id of a lead is kept, and how a lead is found
again after an answer that was lost.

What else a connector can do is optional, each a few methods more: `oauth` for tokens that the daemon gets and keeps,
`quotas` with `price` and `told` for calls that are spaced out, `read_webhook` for changes that Acme tells by itself,
`subscribe` with `unsubscribe` for ordering those. connectors/README.md shows each of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from pydantic import SecretStr

from syncd.contract import (
    Account,
    BaseUrl,
    Connector,
    ConnectorError,
    ConnectorSettings,
    Cursor,
    Gone,
    Http,
    JsonObject,
    Lead,
    Page,
    Pushed,
    RemoteRef,
    Stage,
    StageFact,
    json_object,
    retry_after,
    status_error,
    to_ms,
)


class AcmeSettings(ConnectorSettings):
    """How to reach an Acme account."""

    token: SecretStr
    """An API token with the right to read and write contacts and deals."""
    base_url: BaseUrl = "https://api.acme.example.com"
    """Where Acme's API is; plain http is accepted for loopback addresses only."""


class Acme:
    """One Acme account, as `syncd.contract.Connector` describes it."""

    Settings: ClassVar[type[ConnectorSettings]] = AcmeSettings
    batch_size: ClassVar[int] = 1  # how many leads one push takes; 10 to 50 where only reading can be shared

    def __init__(self, settings: AcmeSettings, http: Http) -> None:
        self._settings = settings
        self._http = http

    @classmethod
    def open(cls, settings: AcmeSettings, http: Http) -> Self:
        """Build the connector; Acme is not called. An SDK is imported here, not at the top of the file."""
        return cls(settings, http)

    def check(self) -> Account:
        """Prove the token, the unique field that carries our id, the mapped fields and the stages; change nothing."""
        raise NotImplementedError(
            "read the account and what it is made of; for what is wrong raise Misconfigured with the setting at fault,"
            " and hold the stages against those of the settings with check_stages"
        )

    def stages(self) -> Sequence[Stage]:
        """List the stages of every pipeline."""
        raise NotImplementedError("list the deal stages; won and lost by what Acme says, never by a label")

    # --- leads go out ---

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        """Bring every lead in once, however often this is called; a deal stays where sales has moved it."""
        raise NotImplementedError(
            "write by our id, or look for it by a read that is never late before anything is created; give a verdict"
            " for each lead, in their order, and Rejected for the one that Acme refuses"
        )

    # --- stages come back ---

    def start(self, at: datetime) -> Cursor:
        """Give the cursor for "from `at` on"."""
        return json.dumps({"until": to_ms(at)})

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        """Read the deals that were modified in the window, oldest first; may repeat, must not skip."""
        overlap = self._settings.poll.overlap // timedelta(milliseconds=1)
        low, high = json.loads(since)["until"] - overlap, to_ms(until)
        if low > high:
            yield Page(facts=(), cursor=since)
            return
        raise NotImplementedError(
            "read the deals modified from `low` to `high`, page by page, in an order that equal times cannot confuse;"
            " the last page alone moves the cursor, so that a reading that broke off starts anew"
        )

    def look_up(self, refs: Sequence[RemoteRef]) -> Sequence[StageFact | Gone]:
        """Read these deals, and the deals of these persons, by their ids: merges followed, deletions told."""
        raise NotImplementedError("read records by id, in batches; tell Gone for what Acme says is not there")

    # --- asking Acme ---

    def _ask(self, method: str, path: str, body: JsonObject | None = None, *, idempotent: bool = False) -> JsonObject:
        """Send a call and read its answer; raise what its status means.

        `idempotent` lets the session repeat a call whose answer was lost: say so where that can do no harm.
        """
        answer = self._http.request(
            method, f"{self._settings.base_url}/{path}", headers=self._headers(), json=body, idempotent=idempotent
        )
        told = f"Acme answers with status {answer.status_code}"  # never with its body, which may repeat a lead
        if error := status_error(answer.status_code, told, retry_after=retry_after(answer)):
            raise error
        return json_object(answer)

    def _headers(self) -> Mapping[str, Any]:
        return {"Authorization": f"Bearer {self._settings.token.get_secret_value()}"}


connector: type[Connector] = Acme  # typed, so that every signature is held against the contract's
