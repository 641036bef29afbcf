"""`syncd status` says how fast a connector goes and what is left of its day."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from syncd import registry
from syncd.config import load
from syncd.contract import Quota
from syncd.flow.opening import open_app
from syncd.store import quotas
from syncd.store.engine import write
from syncd.store.quotas import Spent
from tests.cli.conftest import Place


def use(place: Place) -> None:
    """Write what the daemon would write of two quotas."""
    app = open_app(load(place.config, env=place.env, connector_types=registry.find))
    calls = Quota(name="calls", limit=100, window=timedelta(seconds=10))
    daily = Quota(name="daily calls", limit=250_000, window=timedelta(days=1))
    with write(app.database) as tx:
        _, day = quotas.lock(tx, "crm", [calls, daily])
        now = datetime.now(UTC)
        spent = (Spent(at=now, units=1_000),)
        quotas.keep(tx, "crm", replace(day, spent=spent, left=41_200, left_at=now))
    app.database.dispose()


def test_pace_and_what_is_left_of_the_day_stand_below_the_table(place: Place) -> None:
    use(place)

    told = place.did("status")

    assert "connector crm: 8 calls a second of 10; 41,200 of 250,000 daily calls left, more from 20" in told


def test_programs_get_the_numbers(place: Place) -> None:
    use(place)

    (connector,) = json.loads(place.did("status", "--format", "json"))["connectors"]

    calls, daily = connector["quotas"]
    assert (calls["limit"], calls["ours"], calls["window_seconds"], calls["left"]) == (100, 80.0, 10.0, None)
    assert (daily["limit"], daily["ours"], daily["used"], daily["left"]) == (250_000, 200_000.0, 1_000, 41_200)


def test_before_the_first_call_nothing_is_said(place: Place) -> None:
    assert "connector crm:" not in place.did("status")
