"""One Salesforce org: leads go out, statuses and stages come back.

Our id of a lead lives in a custom field that is an external id and unique (`push.referral_id`). A record that carries
it already is left alone: from its creation on it belongs to sales. A Lead is person and deal in one until sales
converts it; from then on its Contact is the person and its Opportunity the deal.
"""

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
    Page,
    Poke,
    Pushed,
    Quota,
    RemoteId,
    RemoteRef,
    Stage,
    StageFact,
    Told,
    check_stages,
    to_ms,
)
from syncd_connectors.salesforce import limits, outbound
from syncd_connectors.salesforce.checks import check_object, check_owners, check_version
from syncd_connectors.salesforce.client import Client
from syncd_connectors.salesforce.leads import kinds_of
from syncd_connectors.salesforce.reader import Reader
from syncd_connectors.salesforce.records import fields_of
from syncd_connectors.salesforce.sdk import Door
from syncd_connectors.salesforce.settings import SalesforceSettings
from syncd_connectors.salesforce.stages import Stages
from syncd_connectors.salesforce.writer import Writer

if TYPE_CHECKING:
    import requests

_BATCH = 200  # records in one collections call


class Salesforce:
    """One Salesforce org: a connector that keeps history, meters and receives webhooks. Safe in several threads."""

    Settings: ClassVar[type[ConnectorSettings]] = SalesforceSettings
    batch_size: ClassVar[int] = _BATCH
    acknowledgement: ClassVar[Acknowledgement] = outbound.ACKNOWLEDGEMENT

    def __init__(self, settings: SalesforceSettings, http: Http) -> None:
        self._settings = settings
        self._door = Door(settings, http)
        self._client = Client(self._door, settings.push)
        self._stages = Stages(self._client)
        self._writer = Writer(self._client, self._door, settings.push)
        self._reader = Reader(self._client, self._stages, settings)
        self._limit: int | None = None  # of calls in a day, as an answer told it

    @classmethod
    def open(cls, settings: SalesforceSettings, http: Http) -> Self:
        """Build the connector; Salesforce is not called."""
        import simple_salesforce  # noqa: F401  a missing SDK shows here, not in the middle of the work

        if settings.webhook:
            import defusedxml  # noqa: F401  the same

        return cls(settings, http)

    def check(self) -> Account:
        """Prove credentials, API version, objects, the unique field, mapped fields and stages."""
        push, kinds = self._settings.push, kinds_of(self._settings.push)
        self._door.client()
        check_version(self._settings.api_version, self._door.versions())
        checked, warnings = ["credentials", "API version"], []
        check_owners(push)
        for kind in dict.fromkeys([*kinds, "Opportunity"]):  # which is read in any case
            object_ = self._client.describe(kind)
            if kind == "Opportunity":
                self._client.has_currencies = "CurrencyIsoCode" in fields_of(object_)
            if kind in kinds:
                warnings += check_object(kind, object_, push)
                checked += [f"{kind} can be written", f"{kind} has the unique field {push.referral_id}"]
                checked.append(f"{kind}: fields")
        first = ("Opportunity", push.stage) if "Opportunity" in kinds else None
        check_stages(self._settings, self.stages(), first=first)
        org = next(self._client.rows("SELECT Id, Name FROM Organization LIMIT 1"), {})
        name, id_ = (str(org.get(field) or "") for field in ("Name", "Id"))
        return Account(name=name or "Salesforce", id=id_, checked=(*checked, "stages"), warnings=tuple(warnings))

    def stages(self) -> Sequence[Stage]:
        """List the statuses of Leads and the stages of Opportunities, as two pipelines named like their objects."""
        return self._stages.read()

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        """Bring up to 200 leads in: one reading and one writing call for each object."""
        return self._writer.push(leads)

    def start(self, at: datetime) -> Cursor:
        """Give the cursor for "from `at` on"."""
        return json.dumps({"until": to_ms(at)})

    def changes(self, since: Cursor, until: datetime) -> Iterator[Page]:
        """Read what was modified in the window, two calls if nothing was."""
        return self._reader.changes(since, until)

    def look_up(self, refs: Sequence[RemoteRef]) -> Sequence[StageFact | Gone]:
        """Read records by their ids, about 500 a call; conversions and merges are followed."""
        return self._reader.look_up(refs)

    def history(self, deals: Sequence[RemoteId]) -> Sequence[StageFact]:
        """Tell every stage that these Opportunities entered; Salesforce keeps no such list of a Lead."""
        return self._reader.history(deals)

    def read_webhook(self, delivery: Delivery) -> Sequence[Poke]:
        """Prove an Outbound Message by its address and its org, and give a hint for each record that is of interest."""
        given = self._settings.webhook
        return outbound.read(delivery, given) if given else []

    def quotas(self) -> Sequence[Quota]:
        """List the org's quota of calls in 24 hours."""
        return limits.quotas(self._limit, self._settings.limits.daily)

    def price(self, method: str, path: str) -> Mapping[str, int]:
        """Say what a call takes."""
        return limits.price(path)

    def told(self, answer: requests.Response) -> Sequence[Told]:
        """Read what an answer says of the day, and keep to the limit that it names."""
        said = limits.told(answer.headers)
        for it in said:
            self._limit = it.limit or self._limit
        return said
