"""The SDK, tamed: it writes the requests, they travel through our session, and their answers are left to us."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from syncd.contract import AccessToken, Http
from syncd_connectors.hubspot.settings import VERSION, HubSpotSettings

if TYPE_CHECKING:
    import requests


@dataclass(frozen=True, kw_only=True, slots=True)
class Sdk:
    """The SDK's API objects. Built once: each access through its client would open a connection pool of its own."""

    contacts: Any
    deals: Any
    new_deals: Any  # the same as `deals`, for the one call that must not be repeated by itself
    search: Any
    associations: Any
    pipelines: Any
    properties: Any


def open_sdk(settings: HubSpotSettings, http: Http) -> Sdk:
    client, once = (_client(settings, _Wire(settings, http, idempotent=idempotent)) for idempotent in (True, False))
    return Sdk(
        contacts=client.crm.contacts.batch_api,
        deals=client.crm.deals.batch_api,
        new_deals=once.crm.deals.batch_api,
        search=client.crm.deals.search_api,
        associations=client.crm.associations.v4.batch_api,
        pipelines=client.crm.pipelines.pipelines_api,
        properties=client.crm.properties.core_api,
    )


def _client(settings: HubSpotSettings, wire: _Wire) -> Any:
    from hubspot import HubSpot as Client
    from hubspot.discovery.discovery_base import DiscoveryBase

    def api_factory(package: Any, name: str, config: Any) -> Any:
        # `api_factory` is the SDK's own hook; the private names below hold for its version 12, and a test says so.
        api = DiscoveryBase._default_api_factory(package, name, config)
        api.api_client.rest_client.pool_manager = wire
        call = api.api_client.call_api
        api.api_client.call_api = lambda path, *args, **kwargs: call(_dated(path), *args, **kwargs)
        return api

    return Client(host=settings.base_url, api_factory=api_factory)


def _dated(path: str) -> str:
    return re.sub(r"^/crm/v[34]/(objects|associations|pipelines|properties)/", rf"/crm/\1/{VERSION}/", path)


class _Wire:
    """Stands in for the SDK's pool of connections and sends through our session: one deadline, one count, one log."""

    def __init__(self, settings: HubSpotSettings, http: Http, *, idempotent: bool) -> None:
        self._static = AccessToken(text=settings.token.get_secret_value()) if settings.token else None
        self._http = http
        self._idempotent = idempotent

    def request(
        self, method: str, url: str, *, body: str | None = None, fields: Any = None, headers: Any = None, **_: Any
    ) -> _Untouched:
        def send(token: AccessToken) -> requests.Response:
            return self._http.request(
                method,
                f"{url}?{urlencode(fields)}" if fields else url,
                headers={**(headers or {}), "Authorization": f"Bearer {token.text}"},
                data=None if body is None else body.encode(),
                idempotent=self._idempotent,
            )

        token = self._static or self._http.access_token()
        answer = send(token)
        # Tokens are renewed by age. One that is refused all the same did nothing, and the call is made once more; not
        # oftener, since not every 401 means that a new token helps.
        if self._static is None and answer.status_code == 401:
            answer = send(self._http.access_token(instead_of=token))
        return _Untouched(answer=answer)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Untouched:
    """An answer that the SDK hands on as it came. It must see a 2xx, or it raises one of its dozen exceptions."""

    answer: requests.Response
    status: int = 200
