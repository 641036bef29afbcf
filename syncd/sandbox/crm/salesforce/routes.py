"""The vendor's routes, those that are simulated."""

from __future__ import annotations

from collections.abc import Callable

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.routes import Kind, Route
from syncd.sandbox.crm.salesforce import collections, composite, describe, queries, rows
from syncd.sandbox.crm.salesforce.call import Call
from syncd.sandbox.crm.salesforce.sessions import basic_credentials

_PARTS = {"version": r"\d{1,3}\.\d"}
_BASE = "/services/data/v{version}"


def token(call: Call) -> Reply:
    """Answer POST of the OAuth token endpoint, which reads a form and, for the client, also HTTP Basic."""
    call.query()
    basic = basic_credentials(call.request.headers.get("authorization", ""))
    return Reply(code=200, body=call.account.sessions.grant({**basic, **call.form()}))


def _routes() -> tuple[Route[Call], ...]:
    """What is said with more words stands before what would take it for a record's id."""
    table: list[tuple[str, str, Callable[[Call], Reply], Kind]] = [
        ("GET", "", describe.resources, "read"),
        ("GET", "/limits", describe.limits, "read"),
        ("GET", "/query", queries.query, "search"),
        ("GET", "/queryAll", queries.query_all, "search"),
        ("GET", "/query/{locator}", queries.more, "search"),
        ("GET", "/queryAll/{locator}", queries.more, "search"),
        ("GET", "/sobjects", describe.objects, "read"),
        ("GET", "/sobjects/{sobject}", describe.basic, "read"),
        ("POST", "/sobjects/{sobject}", rows.create, "write"),
        ("GET", "/sobjects/{sobject}/describe", describe.describe, "read"),
        ("GET", "/sobjects/{sobject}/{id}", rows.read, "read"),
        ("PATCH", "/sobjects/{sobject}/{id}", rows.update, "write"),
        ("DELETE", "/sobjects/{sobject}/{id}", rows.delete, "write"),
        ("GET", "/sobjects/{sobject}/{field}/{value}", rows.read_by, "read"),
        ("PATCH", "/sobjects/{sobject}/{field}/{value}", rows.upsert, "write"),
        ("DELETE", "/sobjects/{sobject}/{field}/{value}", rows.delete_by, "write"),
        ("POST", "/composite", composite.answer, "write"),
        ("POST", "/composite/sobjects", collections.create, "write"),
        ("PATCH", "/composite/sobjects", collections.update, "write"),
        ("DELETE", "/composite/sobjects", collections.delete, "write"),
        ("POST", "/composite/sobjects/{sobject}", collections.read, "read"),
        ("PATCH", "/composite/sobjects/{sobject}/{field}", collections.upsert, "write"),
    ]
    return (
        Route(method="POST", template="/services/oauth2/token", answer=token, kind="token", slash=True),
        Route(method="GET", template="/services/data", answer=describe.versions, kind="read", slash=True),
        *(
            Route(method=method, template=_BASE + rest, answer=answer, kind=kind, parts=_PARTS, slash=True)
            for method, rest, answer, kind in table
        ),
    )


ROUTES = _routes()
