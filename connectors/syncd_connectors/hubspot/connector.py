"""One HubSpot account: leads go out, deal stages come back.

Our id of a lead lives in a custom property that HubSpot keeps unique (`push.referral_id`), on contacts and on deals.
Every write goes by it, so that a repeated push finds what an earlier one made. The official SDK writes the requests;
they travel through our session, and we read the answers, as the SDK drops half of what they say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Self

from syncd.contract import (
    Account,
    Acknowledgement,
    BadDelivery,
    ConnectorError,
    ConnectorSettings,
    Cursor,
    Delivery,
    Gone,
    Http,
    Lead,
    OAuth,
    Page,
    Poke,
    Pushed,
    Quota,
    RemoteField,
    RemoteId,
    RemoteRef,
    Stage,
    StageFact,
    Told,
    check_stages,
    same_secret,
    to_ms,
)
from syncd_connectors.hubspot import limits, webhook
from syncd_connectors.hubspot.client import BATCH, Client
from syncd_connectors.hubspot.leads import kinds_of
from syncd_connectors.hubspot.reader import Reader
from syncd_connectors.hubspot.schema import Schema
from syncd_connectors.hubspot.settings import HubSpotSettings, oauth
from syncd_connectors.hubspot.stages import Stages
from syncd_connectors.hubspot.writer import Writer

if TYPE_CHECKING:
    import requests


class HubSpot:
    """One HubSpot account: a connector that keeps history, lists fields, provisions, meters and receives webhooks.

    Safe in several threads.
    """

    Settings: ClassVar[type[ConnectorSettings]] = HubSpotSettings
    batch_size: ClassVar[int] = BATCH
    acknowledgement: ClassVar[Acknowledgement] = Acknowledgement()

    def __init__(self, settings: HubSpotSettings, http: Http) -> None:
        self._settings = settings
        self._client = Client(settings, http)
        self._schema = Schema(self._client, settings.push)
        self._stages = Stages(self._client)
        self._writer = Writer(self._client, settings)
        self._reader = Reader(self._client, self._stages, settings)
        self._limits: dict[str, int] = {}  # as answers told them, by the quota's name

    @classmethod
    def open(cls, settings: HubSpotSettings, http: Http) -> Self:
        """Build the connector; HubSpot is not called."""
        return cls(settings, http)

    @classmethod
    def oauth(cls, settings: HubSpotSettings) -> OAuth | None:
        """Say where tokens are had; None for a static token."""
        return oauth(settings)

    def check(self) -> Account:
        """Prove the credential, its reading scopes, the unique property, the mapped fields and the stages."""
        push, key = self._settings.push, self._settings.push.referral_id
        checked = [credential := self._settings.credential]
        for kind in kinds_of(push):
            self._schema.check(kind)
            self._client.read(kind, ["syncd-check"], [], by=key)
            checked += [f"{kind} can be read", f"{kind} have the unique property {key}", f"{kind}: fields"]
        first = (push.pipeline, push.stage) if push.kind == "deal" else None
        check_stages(self._settings, self.stages(), first=first)
        portal = self._settings.portal
        return Account(
            name=f"HubSpot account {portal}" if portal else "HubSpot",
            id=portal or "",
            checked=(*checked, "pipeline and stages"),
            warnings=(f"that the {credential} may write contacts and deals shows only when the first lead is pushed",),
        )

    def stages(self) -> Sequence[Stage]:
        """List the stages of every deal pipeline."""
        return self._stages.read()

    def fields(self) -> Sequence[RemoteField]:
        """List the properties that can be written, of contacts and, where they are pushed, of deals."""
        return self._schema.fields()

    def provision(self) -> Sequence[str]:
        """Create the unique property that carries our id, wherever it is missing."""
        return self._schema.provision()

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        """Bring up to 100 leads in, in three writing calls."""
        return self._writer.push(leads)

    def start(self, at: datetime) -> Cursor:
        """Give the cursor for "from `at` on"."""
        return json.dumps({"until": to_ms(at)})

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        """Read the deals that were modified in the window; one call when nothing changed."""
        return self._reader.changes(since, until)

    def look_up(self, refs: Sequence[RemoteRef]) -> Sequence[StageFact | Gone]:
        """Read deals by their ids, and the deals of contacts by theirs; 100 a call."""
        return self._reader.look_up(refs)

    def history(self, deals: Sequence[RemoteId]) -> Sequence[StageFact]:
        """Tell every stage that these deals entered, with its time; 50 deals a call."""
        return self._reader.history(deals)

    def read_webhook(self, delivery: Delivery) -> Sequence[Poke]:
        """Prove HubSpot's signature, and give a hint for each event on a contact or a deal."""
        if (given := self._settings.webhook) is None:
            return []
        if given.path_secret and not same_secret(delivery.secret, given.path_secret.get_secret_value()):
            raise BadDelivery("forged", "the address lacks the secret that it ends with")
        webhook.prove(delivery, given.secret.get_secret_value())
        return webhook.read(delivery.body, self._settings.portal)

    def quotas(self) -> Sequence[Quota]:
        """List the quotas of ten seconds, of searches in a second and, but for an app, of the account's day."""
        is_app, daily = self._settings.oauth is not None, self._settings.limits.daily
        return limits.quotas(self._limits, is_app=is_app, daily=daily)

    def price(self, method: str, path: str) -> Mapping[str, int]:
        """Say what a call takes."""
        return limits.price(path)

    def told(self, answer: requests.Response) -> Sequence[Told]:
        """Read an answer's headers, and keep to the limits that they name."""
        said = limits.told(answer.headers)
        self._limits |= {it.quota: it.limit for it in said if it.limit}
        return said
