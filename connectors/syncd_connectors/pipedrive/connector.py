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
    Outcome,
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
    read_id,
    to_ms,
)
from syncd_connectors.pipedrive import client, quotas, webhooks
from syncd_connectors.pipedrive.company import Company
from syncd_connectors.pipedrive.fields import OWNERS, check_mapped, check_start
from syncd_connectors.pipedrive.reader import Reader
from syncd_connectors.pipedrive.records import INBOX, as_object, read_stage
from syncd_connectors.pipedrive.schema import Schema
from syncd_connectors.pipedrive.settings import PipedriveSettings
from syncd_connectors.pipedrive.writer import Writer

if TYPE_CHECKING:
    import requests

_BATCH = 20  # a lead costs three calls, and a push is one attempt of all its leads


class Pipedrive:
    """One Pipedrive company, with every ability that `syncd.contract` describes. Safe in several threads."""

    Settings: ClassVar[type[ConnectorSettings]] = PipedriveSettings
    batch_size: ClassVar[int] = _BATCH
    page_size: ClassVar[int] = 500  # the most that a list of version 2 gives
    acknowledgement: ClassVar[Acknowledgement] = Acknowledgement()

    def __init__(self, settings: PipedriveSettings, http: Http) -> None:
        self._settings = settings
        self._push = settings.push
        self._client = client.Client(settings, http, self.page_size)
        self._schema = Schema(self._client, settings.push)
        company = Company(self._client, self._schema, settings.push)
        self._writer = Writer(self._client, self._schema, company, settings)
        self._reader = Reader(self._client, company, settings)
        self._orders = webhooks.Orders(self._client.v1, settings)

    @classmethod
    def open(cls, settings: PipedriveSettings, http: Http) -> Self:
        """Build the connector; Pipedrive is not called."""
        return cls(settings, http)

    def check(self) -> Account:
        """Prove the token, the field that carries our id, the mapped fields and the stages."""
        me = as_object(self._client.ask(self._client.v1.users.get_me).body.get("data"))
        self._schema.forget()
        checked = ["credential"]
        for owner in OWNERS:
            self._schema.key(owner)
            check_mapped(owner, self._schema.of(owner), self._push)
            checked += [f"{owner}s have the field {self._push.referral_id}", f"{owner}s: fields"]
        stages = self.stages()
        check_stages(self._settings, stages)
        check_start(self._push, stages)
        warnings = ["that the token may write shows only when the first lead is pushed"]
        if me.get("is_admin") in (False, 0):
            warnings.append("the token's user is no admin; what that user may not see looks as if nothing had happened")
        name = str(me.get("company_name") or self._settings.company_domain or "Pipedrive")
        checked.append("pipelines and stages")
        return Account(name=name, id=str(me.get("company_id") or ""), checked=tuple(checked), warnings=tuple(warnings))

    def stages(self) -> Sequence[Stage]:
        """List the stages of every pipeline, and after them "won" and "lost".

        Those two are no stages but the deal's status, whatever stage it stands in: a deal that was won keeps its last
        one. Leads, where they are pushed, are told under a pipeline of their own.
        """
        pages, v2 = self._client.pages, self._client.v2
        pipelines = [it for rows, _ in pages(v2.pipelines.get_all_pipelines, {}) for it in rows]
        stages = [it for rows, _ in pages(v2.stages.get_all_stages, {}) for it in rows]
        found = [read_stage(it) for it in stages if it.get("is_deleted") is not True]
        ends: list[tuple[str, Outcome]] = [("Won", "won"), ("Lost", "lost")]
        for pipeline in pipelines:
            of = read_id(pipeline.get("id"))
            found += [Stage(pipeline=of, id=end, label=label, outcome=end) for label, end in ends]
        if self._push.kind == "lead":
            inbox = {"open": "Leads Inbox", "archived": "Leads Inbox, archived"}
            found += [Stage(pipeline=INBOX, id=id_, label=label, outcome="open") for id_, label in inbox.items()]
        return found

    def fields(self) -> Sequence[RemoteField]:
        """List the text fields that can be written, of persons and of deals; a lead has the deals' fields."""
        return self._schema.fields()

    def provision(self) -> Sequence[str]:
        """Create the custom field that carries our id, on persons and on deals, wherever it is missing."""
        return self._schema.provision()

    # --- leads go out, stages come back ---

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        """Bring up to 20 leads in: three calls for each of which nothing is there, and one for all of them."""
        return self._writer.push(leads)

    def start(self, at: datetime) -> Cursor:
        """Give the cursor for "from `at` on"."""
        return json.dumps({"until": to_ms(at), "rest": to_ms(at)})

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        """Read the deals that were modified in the window, and the leads where they are pushed: one call, or two."""
        return self._reader.changes(since, until)

    def look_up(self, refs: Sequence[RemoteRef]) -> Sequence[StageFact | Gone]:
        """Read deals by their ids, 100 a call, leads by theirs, and the deals of persons that have more than those."""
        return self._reader.look_up(refs)

    def history(self, deals: Sequence[RemoteId]) -> Sequence[StageFact]:
        """Tell every stage that these deals entered, with its time: a call for each deal that ever changed."""
        return self._reader.history(deals)

    # --- tokens, quotas, webhooks ---

    @classmethod
    def oauth(cls, settings: PipedriveSettings) -> OAuth | None:
        """Say where an app gets its tokens; None where the settings hold an API token."""
        return client.oauth(settings)

    def quotas(self) -> Sequence[Quota]:
        """List the limits of the smallest plan; headers tell the company's own."""
        return quotas.quotas(self._settings)

    def price(self, method: str, path: str) -> Mapping[str, int]:
        """Say what a call takes: of the two seconds, and of the day's tokens."""
        return quotas.price(method, path)

    def told(self, answer: requests.Response) -> Sequence[Told]:
        """Read what an answer's headers say of the two seconds and of the day."""
        return quotas.told(answer)

    def read_webhook(self, delivery: Delivery) -> Sequence[Poke]:
        """Prove a message by its user and password, and read which deal, lead or person it is about."""
        assert self._settings.webhook
        return webhooks.read(delivery, self._settings.webhook)

    def subscribe(self, url: str) -> Subscription:
        """See to it that changes of deals, of leads where they are pushed, and ends of persons are told to this URL."""
        return self._orders.subscribe(url)

    def unsubscribe(self, url: str) -> None:
        """Remove what is ordered for this URL."""
        self._orders.unsubscribe(url)
