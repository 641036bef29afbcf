"""Measure everything: python -m bench > bench/results/<date>.jsonl"""

from __future__ import annotations

from bench import booking, calls, governor, isolation, lag, rules

calls.main()
lag.main()
governor.main()
isolation.main()
rules.main()
booking.main()
