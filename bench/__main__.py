"""Measure everything: python -m bench > bench/results/<date>.jsonl"""

from __future__ import annotations

from bench import calls, isolation, lag

calls.main()
lag.main()
isolation.main()
