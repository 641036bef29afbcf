"""The vendor's routes, those that are simulated, with what each costs of the day's tokens.

Costs: https://developers.pipedrive.com/docs/api/v1 and https://pipedrive.readme.io/docs/core-api-concepts-rate-limiting
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.pipedrive import catalog, history, leads, lists, objects, search
from syncd.sandbox.crm.pipedrive.call import Call
from syncd.sandbox.crm.pipedrive.schema import Kind as RecordKind
from syncd.sandbox.crm.routes import Kind, Route


@dataclass(frozen=True, kw_only=True)
class Priced(Route[Call]):
    """A route that costs tokens of the day's budget, and whose path is about records of one kind."""

    cost: int
    record: RecordKind


class _Row(NamedTuple):
    method: str
    path: str
    answer: Callable[[Call], Reply]
    kind: Kind
    cost: int
    scope: str = ""
    record: RecordKind = "deal"


_DEALS, _CONTACTS, _LEADS = "deals:read|deals:full", "contacts:read|contacts:full", "leads:read|leads:full"


def _records(path: str, record: RecordKind, see: str, full: str) -> list[_Row]:
    """Give the routes of v2 that deals and persons have in common."""
    return [
        _Row("GET", f"/{path}", lists.current, "read", 10, see, record),
        _Row("POST", f"/{path}", objects.create, "write", 5, full, record),
        _Row("GET", f"/{path}/search", search.answer, "search", 20, f"{see}|search:read", record),
        _Row("GET", f"/{path}/{{id}}", objects.get, "read", 1, see, record),
        _Row("PATCH", f"/{path}/{{id}}", objects.update, "write", 5, full, record),
        _Row("DELETE", f"/{path}/{{id}}", objects.delete, "write", 3, full, record),
    ]


def _fields(path: str, record: RecordKind) -> list[_Row]:
    return [
        _Row("GET", f"/{path}", catalog.fields, "read", 10, "", record),
        _Row("POST", f"/{path}", catalog.create_field, "write", 5, "admin", record),
        _Row("GET", f"/{path}/{{code}}", catalog.field, "read", 1, "", record),
    ]


def _v2() -> list[_Row]:
    """What is said with more words stands before what would take it for a record's id."""
    return [
        _Row("GET", "/deals/archived", lists.archived, "read", 20, _DEALS),
        *_records("deals", "deal", _DEALS, "deals:full"),
        *_records("persons", "person", _CONTACTS, "contacts:full"),
        *_fields("dealFields", "deal"),
        *_fields("personFields", "person"),
        _Row("GET", "/pipelines", catalog.pipelines, "read", 5, _DEALS),
        _Row("GET", "/stages", catalog.stages, "read", 5, _DEALS),
        _Row("GET", "/stages/{id}", catalog.stage, "read", 1, _DEALS),
        _Row("GET", "/leads/search", search.answer, "search", 20, f"{_LEADS}|search:read", "lead"),
        _Row("POST", "/leads/{lead}/convert/deal", leads.convert, "write", 40, "leads:full"),
        _Row("GET", "/leads/{lead}/convert/status/{conversion}", leads.conversion, "read", 1, _LEADS),
    ]


def _v1() -> list[_Row]:
    return [
        _Row("GET", "/leads", leads.current, "read", 20, _LEADS),
        _Row("POST", "/leads", leads.create, "write", 10, "leads:full"),
        _Row("GET", "/leads/archived", leads.archived, "read", 40, _LEADS),
        _Row("GET", "/leads/{lead}", leads.get, "read", 2, _LEADS),
        _Row("PATCH", "/leads/{lead}", leads.update, "write", 10, "leads:full"),
        _Row("DELETE", "/leads/{lead}", leads.delete, "write", 6, "leads:full"),
        _Row("GET", "/deals/{id}/changelog", history.changelog, "read", 20, "recents:read"),
        _Row("GET", "/deals/{id}/flow", history.flow, "read", 40, "recents:read"),
        _Row("GET", "/users/me", catalog.me, "read", 2, "base|users:read|admin"),
        _Row("GET", "/webhooks", catalog.webhooks, "read", 20, "admin"),
        _Row("POST", "/webhooks", catalog.create_webhook, "write", 10, "admin"),
        _Row("DELETE", "/webhooks/{id}", catalog.delete_webhook, "write", 6, "admin"),
    ]


def _routes() -> tuple[Priced, ...]:
    """Only /api/v2 is v2; v1 answers under two prefixes."""
    sign_in = [
        _Row("GET", "/oauth/authorize", catalog.authorize, "token", 0),
        _Row("POST", "/oauth/token", catalog.token, "token", 0),
    ]
    areas = (("", sign_in), ("/api/v2", _v2()), ("/api/v1", _v1()), ("/v1", _v1()))
    return tuple(
        Priced(
            method=row.method,
            template=base + row.path,
            answer=row.answer,
            kind=row.kind,
            scope=row.scope,
            parts={"id": r"\d{1,12}"},
            cost=row.cost,
            record=row.record,
        )
        for base, rows in areas
        for row in rows
    )


ROUTES = _routes()
