"""The recording that is held against the vendor's description of its API."""

from __future__ import annotations

import io
import json

from bench.record import record


def test_a_recording_is_the_same_twice_and_holds_every_kind_of_call_but_no_credential() -> None:
    first, second = io.StringIO(), io.StringIO()

    assert record(first) == record(second) > 20
    assert first.getvalue() == second.getvalue()
    lines = [json.loads(line) for line in first.getvalue().splitlines()]
    assert {line["request_headers"]["Authorization"] for line in lines} == {"Bearer ***"}
    assert "sandbox-hubspot" not in first.getvalue()
    assert {line["url"].rpartition("/")[2] for line in lines} >= {"upsert", "update", "read", "search", "default"}
