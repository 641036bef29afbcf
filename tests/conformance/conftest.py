"""With -v the run ends with a table: which planted fault was caught by which behaviour."""

from __future__ import annotations

import pytest

CAUGHT = "caught"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, from the reports, which also come from the workers of a parallel run."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    lines = [text for report in reports for name, text in report.user_properties if name == CAUGHT]
    if lines and terminalreporter.verbosity > 0:
        terminalreporter.section("planted faults, and the behaviours that caught them")
        for line in sorted(lines):
            terminalreporter.write_line(line)
