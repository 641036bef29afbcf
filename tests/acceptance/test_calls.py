"""What reading and writing cost in calls, and that nothing is lost to a search index that lags: bench/, with bounds."""

from __future__ import annotations

from bench import calls, lag


def test_a_thousand_leads_take_31_writing_calls_at_the_most_and_an_idle_poll_takes_one() -> None:
    row = calls.measure(1_000, advocates=200)

    assert (row.arrived, row.contacts, row.deals) == (1_000, 1_000, 1_000)
    assert row.write_calls <= 31
    assert row.read_calls <= 30
    assert row.idle_poll_calls == 1


def test_no_win_is_lost_to_a_lagging_index_where_readings_without_an_overlap_lose_many() -> None:
    ours, newest, by_clock = lag.measure(wins=120, lag=8.0)

    assert (ours.found, ours.lost) == (120, 0)
    assert newest.lost > 0  # or this test would prove nothing
    assert by_clock.lost > 0


def test_a_sweep_beside_the_search_loses_nothing_and_doubles_nothing() -> None:
    ours, *_ = lag.measure(wins=60, lag=8.0, sweep="30s")

    assert (ours.found, ours.lost) == (60, 0)
