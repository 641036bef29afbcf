"""The web edge put together, and the server that runs it inside the daemon's own process."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from syncd.flow.app import App
from syncd.web import api, earning, probes, webhooks
from syncd.web.edge import Edge, Limits
from syncd.web.models import AdvocateTaken, DecisionTaken, HappeningTaken, MergeTaken, ReferralTaken, RewardTaken
from syncd.web.pokes import Floods
from syncd.web.problems import KNOWN, ProblemBody, answer
from syncd.web.report import Tally

log = logging.getLogger("syncd")

THREADS = 12  # each may hold a connection to the database; the pool has 20, and the engine's steps need some


def create_app(app: App, limits: Limits | None = None) -> FastAPI:
    """Make the ASGI application that serves an installation: the API, the webhooks and the probes."""
    # No pages of documentation: they would load scripts from elsewhere.
    web = FastAPI(
        title="syncd",
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_bounded_threads,
    )
    web.state.installation = app
    web.state.tally = Tally()
    web.state.floods = Floods()
    _warn(app)
    web.include_router(api.router)
    web.include_router(earning.router)
    for path in ("/webhooks/{name}", "/webhooks/{name}/{secret}"):
        web.add_route(path, webhooks.endpoint, methods=["POST"], include_in_schema=False)
    web.add_route("/livez", probes.live, methods=["GET"], include_in_schema=False)
    web.add_route("/readyz", probes.ready, methods=["GET"], include_in_schema=False)
    for kind in KNOWN:
        web.add_exception_handler(kind, answer)
    web.add_middleware(Edge, limits=limits or Limits())
    _describe_bodies(web)
    return web


def create_server(app: App, limits: Limits | None = None) -> uvicorn.Server:
    """Make the server for an installation, at the address that its configuration names; `run()` it in any thread."""
    host, port = app.config.server.address
    return uvicorn.Server(
        uvicorn.Config(
            create_app(app, limits),
            host=host,
            port=port,
            http="h11",
            ws="none",
            lifespan="on",
            access_log=False,  # addresses of callers are personal data, and a line a request hides those that matter
            log_config=None,
            server_header=False,
            # A list: from an empty one nobody is trusted, while an empty text would mean the default.
            forwarded_allow_ips=list(app.config.server.trusted_proxies),
            timeout_keep_alive=30,
            timeout_graceful_shutdown=15,
        )
    )


def _warn(app: App) -> None:
    """Say what would make good webhooks look forged: the Host of a request is not believed in place of `public_url`."""
    taking = [name for name, connection in app.connections.items() if connection.settings.webhook]
    if taking and app.config.server.public_url is None:
        told = "webhooks of %s: server.public_url is not set, so CRMs that sign their address are taken for forgers"
        log.warning(told, ", ".join(taking))


@asynccontextmanager
async def _bounded_threads(_: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    yield


_TAKEN = (ReferralTaken, AdvocateTaken, DecisionTaken, HappeningTaken, RewardTaken, MergeTaken, ProblemBody)


def _describe_bodies(web: FastAPI) -> None:
    """Add the bodies, which the framework does not read and so does not know, to the OpenAPI document."""
    described = web.openapi
    _, schemas = models_json_schema(
        [(model, "validation") for model in _TAKEN],
        ref_template="#/components/schemas/{model}",
    )

    def openapi() -> dict[str, Any]:
        document = described()
        document["components"]["schemas"] |= schemas["$defs"]
        return document

    web.openapi = openapi  # type: ignore[method-assign]
