"""The vendor's routes, those that are simulated. A route's `scope` may name the module of the path."""

from __future__ import annotations

from collections.abc import Callable

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.routes import Kind, Route
from syncd.sandbox.crm.zoho import leads, lists, queries, reads, search, settings, watch, writes
from syncd.sandbox.crm.zoho.call import Call

_BASE = "/crm/v8"
_PARTS = {"module": r"[A-Z]\w*", "id": r"\d{1,19}"}
_MODULE = "ZohoCRM.modules.{module}"


def authorize(call: Call) -> Reply:
    """Answer GET of the page on which an admin consents, as if that had happened already."""
    query = call.query("client_id", "redirect_uri", "state", "response_type", "scope", "access_type", "prompt")
    return Reply(code=302, headers={"Location": call.account.tokens.authorize(query, _own(call))})


def token(call: Call) -> Reply:
    """Answer POST of the token endpoint of the vendor's accounts server."""
    granted = call.account.tokens.grant(call.form(), call.account.api_domain or _own(call))
    return Reply(code=200, body=granted)


def _own(call: Call) -> str:
    return f"http://{call.request.headers.get('host', '')}/{call.account.name}"


def _routes() -> tuple[Route[Call], ...]:
    """What is said with more words stands before what would take it for a module or a record's id."""
    table: list[tuple[str, str, Callable[[Call], Reply], Kind, str]] = [
        ("GET", "/org", settings.org, "read", "ZohoCRM.org.READ"),
        ("GET", "/users", settings.users, "read", "ZohoCRM.users.READ"),
        ("GET", "/settings/modules", settings.modules, "read", "ZohoCRM.settings.modules.READ"),
        ("GET", "/settings/fields", settings.fields, "read", "ZohoCRM.settings.fields.READ"),
        ("GET", "/settings/layouts", settings.layouts, "read", "ZohoCRM.settings.layouts.READ"),
        ("GET", "/settings/pipeline", settings.pipelines, "read", "ZohoCRM.settings.pipeline.READ"),
        ("POST", "/coql", queries.coql, "search", "ZohoCRM.coql.READ"),
        ("GET", "/actions/watch", watch.details, "read", "ZohoCRM.notifications.READ"),
        ("POST", "/actions/watch", watch.enable, "write", "ZohoCRM.notifications.CREATE"),
        ("PUT", "/actions/watch", watch.replace_details, "write", "ZohoCRM.notifications.UPDATE"),
        ("PATCH", "/actions/watch", watch.update_details, "write", "ZohoCRM.notifications.UPDATE"),
        ("DELETE", "/actions/watch", watch.disable, "write", "ZohoCRM.notifications.DELETE"),
        ("POST", "/Leads/{id}/actions/convert", leads.convert, "write", "ZohoCRM.modules.leads.CREATE"),
        ("GET", "/Deals/{id}/Stage_History", reads.stage_history, "read", "ZohoCRM.modules.deals.READ"),
        ("POST", "/{module}/upsert", writes.upsert, "write", f"{_MODULE}.CREATE {_MODULE}.UPDATE"),
        ("GET", "/{module}/search", search.search, "search", f"{_MODULE}.READ ZohoSearch.securesearch.READ"),
        ("GET", "/{module}/deleted", reads.deleted, "read", f"{_MODULE}.READ"),
        ("GET", "/{module}/{id}", reads.one, "read", f"{_MODULE}.READ"),
        ("PUT", "/{module}/{id}", writes.update_one, "write", f"{_MODULE}.UPDATE"),
        ("DELETE", "/{module}/{id}", writes.delete_one, "write", f"{_MODULE}.DELETE"),
        ("GET", "/{module}", lists.many, "read", f"{_MODULE}.READ"),
        ("POST", "/{module}", writes.insert, "write", f"{_MODULE}.CREATE"),
        ("PUT", "/{module}", writes.update, "write", f"{_MODULE}.UPDATE"),
        ("DELETE", "/{module}", writes.delete, "write", f"{_MODULE}.DELETE"),
    ]
    return (
        Route(method="GET", template="/oauth/v2/auth", answer=authorize, kind="token"),
        Route(method="POST", template="/oauth/v2/token", answer=token, kind="token"),
        *(
            Route(method=method, template=_BASE + rest, answer=answer, kind=kind, scope=scope, parts=_PARTS)
            for method, rest, answer, kind, scope in table
        ),
    )


ROUTES = _routes()
