"""Probes: is the process alive, can it do its work. They need no token and tell nothing else."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from syncd.flow.app import App
from syncd.store import migrate
from syncd.store.engine import UnusableDatabase
from syncd.web.problems import Problem


async def live(_: Request) -> Response:
    """Answer as long as the process can; it waits for no thread and no database."""
    return JSONResponse({"live": True})


async def ready(request: Request) -> Response:
    """Answer 200 if requests can be served: the database answers, its schema is ours, and no shutdown has begun."""
    app: App = request.app.state.installation
    if why := await run_in_threadpool(_obstacle, app):
        raise Problem(503, "not_ready", why, headers={"Retry-After": "5"})
    return JSONResponse({"ready": True})


def _obstacle(app: App) -> str | None:
    if app.stopping.is_set():
        return "the daemon is shutting down"
    try:
        return "the database waits for a migration" if migrate.pending(app.database) else None
    except UnusableDatabase:
        return "a newer version has changed the database"
    except SQLAlchemyError:
        return "the database cannot be used"
