"""The connector: leads go out, stages come back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Self

from syncd.contract import (
    Account,
    Acknowledgement,
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
    Subscription,
    Told,
    check_stages,
    to_ms,
)
from syncd_connectors.zoho import consent, quotas, webhooks
from syncd_connectors.zoho.checks import check_fields, check_owners
from syncd_connectors.zoho.client import Client
from syncd_connectors.zoho.leads import kinds_of
from syncd_connectors.zoho.modules import Modules
from syncd_connectors.zoho.org import Org
from syncd_connectors.zoho.reader import Reader
from syncd_connectors.zoho.schema import Schema
from syncd_connectors.zoho.settings import ZohoSettings
from syncd_connectors.zoho.stages import Stages
from syncd_connectors.zoho.writer import Writer

if TYPE_CHECKING:
    import requests

_BATCH = 100  # records of a write


class Zoho:
    """One Zoho CRM account, with the abilities of `syncd.contract` but that it creates no fields.

    Safe in several threads.
    """

    Settings: ClassVar[type[ConnectorSettings]] = ZohoSettings
    batch_size: ClassVar[int] = _BATCH
    acknowledgement: ClassVar[Acknowledgement] = Acknowledgement()

    def __init__(self, settings: ZohoSettings, http: Http) -> None:
        self._settings = settings
        self._client = Client(settings, http)
        self._org = Org(self._client)
        self._schema = Schema(self._client, settings.push)
        self._stages = Stages(self._client, self._schema, settings.push)
        modules = Modules(self._client, self._schema, settings.push.referral_id)
        self._writer = Writer(self._client, self._schema, modules, settings.push)
        self._reader = Reader(modules, self._stages, self._org, settings)
        self._orders = webhooks.Orders(self._client, settings)

    @classmethod
    def open(cls, settings: ZohoSettings, http: Http) -> Self:
        """Build the connector; Zoho is not called."""
        return cls(settings, http)

    def check(self) -> Account:
        """Prove the credentials, their scopes for reading, the unique field, the mapped fields and the stages."""
        push, kinds = self._settings.push, kinds_of(self._settings.push)
        org = self._org.read()
        checked, warnings = ["credentials"], []
        self._schema.forget()
        check_owners(push)
        for kind in kinds:
            self._schema.prove_unique(kind)
            warnings += check_fields(kind, self._schema.of(kind), push)
            checked += [f"{kind} have the unique field {push.referral_id}", f"{kind}: fields"]
        for kind in dict.fromkeys([*kinds, "Deals"]):
            list(self._client.query(kind, ["id"], "id = '0'"))
            checked.append(f"{kind} can be read")
        first = (push.pipeline, push.stage) if push.kind == "deal" else None
        check_stages(self._settings, self.stages(), first=first)
        warnings.append(f"that {' and '.join(kinds)} may be written shows only when the first lead is pushed")
        name, id_ = str(org.get("company_name") or "Zoho CRM"), str(org.get("id") or "")
        return Account(name=name, id=id_, checked=(*checked, "pipelines and stages"), warnings=tuple(warnings))

    def stages(self) -> Sequence[Stage]:
        """List the stages of every pipeline of Deals and, where Leads are written, their statuses as a pipeline."""
        return self._stages.read()

    def fields(self) -> Sequence[RemoteField]:
        """List the fields that take text and can be written, of each module that is."""
        return self._schema.fields()

    # --- leads go out, stages come back ---

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        """Bring up to 100 leads in: two queries and one writing call for each module."""
        return self._writer.push(leads)

    def start(self, at: datetime) -> Cursor:
        """Give the cursor for "from `at` on"."""
        return json.dumps({"Deals": to_ms(at)})

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        """Read the Deals that were modified in the window, and one of the slower lists: two calls if nothing was."""
        return self._reader.changes(since, until)

    def look_up(self, refs: Sequence[RemoteRef]) -> Sequence[StageFact | Gone]:
        """Read records by their ids, 100 a call, and the deals of contacts; conversions are followed."""
        return self._reader.look_up(refs)

    def history(self, deals: Sequence[RemoteId]) -> Sequence[StageFact]:
        """Tell every stage that these Deals entered, a call for each; of Leads Zoho keeps no such list."""
        return self._reader.history(deals)

    # --- tokens, quotas, webhooks ---

    @classmethod
    def oauth(cls, settings: ZohoSettings) -> OAuth:
        """Say where the data centre gives tokens."""
        return consent.oauth(settings)

    def quotas(self) -> Sequence[Quota]:
        """List the credits of 24 hours."""
        return quotas.quotas(self._settings)

    def price(self, method: str, path: str) -> Mapping[str, int]:
        """Say what the call that this thread is making takes: a credit, or more where its body is large."""
        return quotas.price(path, self._client.cost)

    def told(self, answer: requests.Response) -> Sequence[Told]:
        """Read how many credits are left, where an answer says it."""
        return quotas.told(answer)

    def read_webhook(self, delivery: Delivery) -> Sequence[Poke]:
        """Prove a notification by our channel's token, and read which Leads, Contacts or Deals it is about."""
        assert self._settings.webhook
        return webhooks.read(delivery, self._settings.webhook)

    def subscribe(self, url: str) -> Subscription:
        """See to it that a channel to this URL is open; it ends at the time that Zoho says, a week from now."""
        return self._orders.subscribe(url)

    def unsubscribe(self, url: str) -> None:
        """Close the channel to this URL."""
        self._orders.unsubscribe(url)
