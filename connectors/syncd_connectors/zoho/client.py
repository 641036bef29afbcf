"""The client: every call goes through it, every answer is judged, and lists are read page by page."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from syncd.contract import (
    AccessToken,
    ConnectorError,
    Http,
    JsonObject,
    Misconfigured,
    Throttled,
    Transient,
    answered_at,
    json_object,
    json_objects,
    read_id,
    retry_after,
)
from syncd_connectors.zoho import quotas
from syncd_connectors.zoho.answers import Expired, failure_of, parked, read_complaint
from syncd_connectors.zoho.records import as_object, literal
from syncd_connectors.zoho.settings import ZohoSettings, addresses, is_local

if TYPE_CHECKING:
    import requests

_MOST_AT_ONCE = 3  # Zoho's smallest edition takes 5 calls at a time, and we are not alone
_QUOTA_WAIT = timedelta(minutes=15)  # credits are counted over the last 24 hours, so some come back at any time
# A query costs 1 credit up to 200 rows, 3 up to 2,000, by its limit and not by its rows.
_FIRST_ROWS, _ROWS = 200, 2_000
_PAGE, _MOST_PAGES = 200, 500  # Zoho gives 100,000 records of a list and no more


class Client:
    """Speaks to Zoho: at most three calls at once, and every answer judged."""

    def __init__(self, settings: ZohoSettings, http: Http) -> None:
        self._settings, self._http = settings, http
        _, self._apis, self.site = addresses(settings)
        self._slots = threading.BoundedSemaphore(_MOST_AT_ONCE)
        self._mine = threading.local()
        self._credits: int | None = None  # what is left; Zoho says it once half of them are spent
        self.now: datetime | None = None  # by Zoho's clock, as the newest answer tells it

    @property
    def cost(self) -> int:
        """Tell what the call that this thread is making costs; only its body says so, and the meter sees its path."""
        return getattr(self._mine, "cost", 1)

    def ask(
        self,
        method: str,
        path: str,
        *,
        scope: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
        cost: int = 1,
        results: int = 0,
    ) -> JsonObject:
        """Send a call and read its answer; an empty one where Zoho has nothing. Raise what any other answer means.

        `scope` is what the call needs and `cost` its credits. With `results` the answer is a list of so many, each of
        which may have failed: with 200, 201, 202, 207 or 400, so that the status says nothing.
        """

        def send(token: AccessToken) -> JsonObject:
            url = f"{self._api(token)}/crm/v8/{path}"
            with self._slots:
                self._mine.cost = cost
                answer = self._http.request(
                    method,
                    url,
                    params=params,
                    headers={**(headers or {}), "Authorization": f"Zoho-oauthtoken {token.text}"},
                    json=body,
                    idempotent=method == "GET" or path == "coql",
                )
            return self._read(answer, f"ZohoCRM.{scope}", cost, results)

        token = self._http.access_token()
        try:
            return send(token)
        except Expired:
            return send(self._http.access_token(instead_of=token))

    def query(self, kind: str, columns: Sequence[str], where: str) -> Iterator[list[JsonObject]]:
        """Ask in the order of ids, each page after the last id of the one before.

        https://www.zoho.com/crm/developer/docs/api/v8/COQL-Limitations.html
        """
        after, limit = "0", _FIRST_ROWS
        while True:
            condition = where if after == "0" else f"({where} and id > '{after}')"
            # Names are ours or match `_ApiName`; values are quoted by `in_list`, or are times and ids.
            text = f"select {', '.join(columns)} from {kind} where {condition} order by id asc limit {limit}"  # noqa: S608
            cost = 1 if limit <= _FIRST_ROWS else 3
            body = self.ask("POST", "coql", scope="coql.READ", body={"select_query": text}, cost=cost)
            rows = json_objects(body, "data", optional=not body)
            ids = [after, *(read_id(it.get("id")) for it in rows)]
            if not all(it.isdigit() for it in ids) or any(int(it) >= int(later) for it, later in pairwise(ids)):
                raise Transient("Zoho gave a page that is not in the order asked for")  # or we would never end
            if rows:
                yield rows
            if not rows or as_object(body.get("info")).get("more_records") is not True:
                return
            after, limit = ids[-1], _ROWS

    def pages(
        self,
        path: str,
        scope: str,
        params: Mapping[str, str],
        *,
        since: datetime | None = None,
        by_token: bool = False,
    ) -> Iterator[list[JsonObject]]:
        """Follow the pages of a list; `since` leaves out what was not modified after it."""
        headers = {"If-Modified-Since": literal(since)} if since else {}
        place: dict[str, str] = {}
        for number in range(2, _MOST_PAGES + 2):
            asked = {**params, "per_page": str(_PAGE), **place}
            body = self.ask("GET", path, scope=scope, params=asked, headers=headers)
            yield json_objects(body, "data", optional=not body)
            info = as_object(body.get("info"))
            if info.get("more_records") is not True:
                return
            following = {"page_token": str(info.get("next_page_token"))} if by_token else {"page": str(number)}
            if following == place:
                break
            place = following
        raise Transient("Zoho's list does not end")

    def _read(self, answer: requests.Response, scope: str, cost: int, results: int) -> JsonObject:
        before = self._note(answer)
        status = answer.status_code
        if status in {204, 304} and not results:
            return {}
        if 200 <= status < 300:
            body = json_object(answer)
        else:
            try:
                body = json_object(answer)
            except Transient:
                body = {}
        data = body.get("data")
        if results and status < 500 and isinstance(data, list) and len(data) == results:
            return body
        if status == 429:
            raise self._throttled(answer, before, cost)
        if not 200 <= status < 300:
            raise failure_of(answer, read_complaint(body), self._settings.push, scope)
        if results:
            raise Transient("Zoho's answer has not one result for each record")
        return body

    def _note(self, answer: requests.Response) -> int | None:
        """Keep what an answer says of time and credits; give the credits that were left before it."""
        self.now = answered_at(answer) or self.now
        left = quotas.credits_left(answer)
        before = self._credits if left is None else left
        if left is not None or answer.ok:
            self._credits = left
        return before

    def _throttled(self, answer: requests.Response, left: int | None, cost: int) -> ConnectorError:
        """Tell the two limits apart, which Zoho does not: of credits in 24 hours, and of calls at the same moment.

        https://www.zoho.com/crm/developer/docs/api/v8/api-limits.html
        """
        if left is None or left >= cost:
            return Throttled("Zoho asks for fewer calls", retry_after=retry_after(answer) or 30.0)
        now = answered_at(answer)
        return parked("the account's API credits of 24 hours are spent", now and now + _QUOTA_WAIT, _QUOTA_WAIT)

    def _api(self, token: AccessToken) -> str:
        """Give where the API is. The answer to a sign-in names it; the token goes there only if we know the place."""
        if self._settings.base_url:
            return self._settings.base_url
        accounts, _, _ = addresses(self._settings)
        if token.api in self._apis or (is_local(accounts) and is_local(token.api)):
            return token.api.rstrip("/")
        host = urlsplit(token.api).hostname or ""
        hint = f"the refresh token belongs to {host}" if re.fullmatch(r"[a-z0-9.-]{1,100}", host) else "is it right?"
        raise Misconfigured("Zoho's sign-in names another data centre", yaml_path="data_center", hint=hint)
