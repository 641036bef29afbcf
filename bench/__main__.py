"""Measure everything: python -m bench > bench/results/<date>.jsonl"""

from __future__ import annotations

from bench import calls, lag

calls.main()
lag.main()
