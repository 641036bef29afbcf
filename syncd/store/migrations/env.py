"""What alembic runs: the migrations, on the connection and in the transaction that `syncd.store.migrate` hands in.

A developer who writes one runs alembic itself: `alembic -x url=sqlite:///scratch.db revision --autogenerate -m "…"`.
"""

from __future__ import annotations

from typing import Literal

from alembic import context
from sqlalchemy import Connection

from syncd.store.engine import connect, write
from syncd.store.tables import Instant, metadata


def _plainly(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Write a column's type without a name of ours: what that means may change, a migration may not."""
    return "sa.BigInteger()" if kind == "type" and isinstance(item, Instant) else False


def _run(conn: Connection) -> None:
    context.configure(connection=conn, target_metadata=metadata, render_as_batch=True, render_item=_plainly)
    with context.begin_transaction():
        context.run_migrations()


if (given := context.config.attributes.get("connection")) is not None:
    _run(given)
else:
    with write(connect(context.get_x_argument(as_dictionary=True)["url"])) as scratch:
        _run(scratch)
