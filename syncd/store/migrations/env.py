"""What alembic runs: the migrations, on the connection and in the transaction that `syncd.store.migrate` hands in.

A developer who writes one runs alembic itself: `alembic -x url=sqlite:///scratch.db revision --autogenerate -m "…"`.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from syncd.store.engine import connect, write
from syncd.store.tables import metadata


def _run(conn: Connection) -> None:
    context.configure(connection=conn, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


if (given := context.config.attributes.get("connection")) is not None:
    _run(given)
else:
    with write(connect(context.get_x_argument(as_dictionary=True)["url"])) as scratch:
        _run(scratch)
