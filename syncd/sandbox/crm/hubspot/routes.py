"""The vendor's routes, those that are simulated."""

from __future__ import annotations

from collections.abc import Callable

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.hubspot import associations, batches, catalog, objects, search
from syncd.sandbox.crm.hubspot.call import Call
from syncd.sandbox.crm.hubspot.schema import ALIASES
from syncd.sandbox.crm.routes import Kind, Route

_TYPES = "|".join(ALIASES)
_PARTS = {"version": "2026-03|2026-09", "type": _TYPES, "from": _TYPES, "to": _TYPES}


def _routes() -> tuple[Route[Call], ...]:
    """Each area has a dated path and the older one, which the vendor supports until 2027."""
    on_objects = ("/crm/objects/{version}", "/crm/v3/objects")
    on_links = ("/crm/associations/{version}", "/crm/v4/associations")
    on_one_link = ("/crm/objects/{version}", "/crm/v4/objects")
    on_pipelines = ("/crm/pipelines/{version}", "/crm/v3/pipelines")
    on_properties = ("/crm/properties/{version}", "/crm/v3/properties")
    see, change = "crm.objects.{type}.read", "crm.objects.{type}.write"
    see_schema, change_schema = "crm.schemas.{type}.read", "crm.schemas.{type}.write"
    one_link = "/{from}/{from_id}/associations/default/{to}/{to_id}"
    table: list[tuple[tuple[str, ...], str, str, Callable[[Call], Reply], Kind, str]] = [
        (on_objects, "POST", "/{type}/batch/upsert", batches.upsert, "write", change),
        (on_objects, "POST", "/{type}/batch/create", batches.create, "write", change),
        (on_objects, "POST", "/{type}/batch/update", batches.update, "write", change),
        (on_objects, "POST", "/{type}/batch/archive", batches.archive, "write", change),
        (on_objects, "POST", "/{type}/batch/read", batches.read, "read", see),
        (on_objects, "POST", "/{type}/search", search.answer, "search", see),
        (on_objects, "POST", "/{type}/merge", objects.merge, "write", change),
        (on_objects, "POST", "/{type}", objects.create, "write", change),
        (on_objects, "GET", "/{type}/{id}", objects.read, "read", see),
        (on_objects, "PATCH", "/{type}/{id}", objects.update, "write", change),
        (on_objects, "DELETE", "/{type}/{id}", objects.archive, "write", change),
        (on_links, "POST", "/{from}/{to}/batch/associate/default", associations.associate, "write", change),
        (on_links, "POST", "/{from}/{to}/batch/read", associations.read, "read", see),
        (on_one_link, "PUT", one_link, associations.associate_one, "write", change),
        (on_pipelines, "GET", "/{type}", catalog.pipelines, "read", see_schema),
        (on_properties, "GET", "/{type}", catalog.properties, "read", see_schema),
        (on_properties, "GET", "/{type}/{name}", catalog.property_one, "read", see_schema),
        (on_properties, "POST", "/{type}", catalog.create_property, "write", change_schema),
        (("/oauth",), "GET", "/authorize", catalog.authorize, "token", ""),
        (("/oauth/{version}", "/oauth/v1"), "POST", "/token", catalog.token, "token", ""),
        (("/account-info/{version}", "/account-info/v3"), "GET", "/details", catalog.account, "read", ""),
    ]
    return tuple(
        Route(method=method, template=base + rest, answer=answer, kind=kind, scope=scope, parts=_PARTS)
        for bases, method, rest, answer, kind, scope in table
        for base in bases
    )


ROUTES = _routes()
