"""A sandbox in which everything goes wrong, and the command that lets something go wrong in one that runs."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.acceptance.test_sandbox import CRMS, sandbox, until


def trouble(*options: str) -> tuple[int, str]:
    """Run the command as people do; give its exit code and what it says."""
    command = [sys.executable, "-m", "syncd", "sandbox", "trouble", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def tells(log: Path, words: str) -> None:
    """Wait until the daemon's log has these words: a trouble shows when the next call is made, not when it begins."""
    until = time.monotonic() + 60
    while words not in log.read_text(encoding="utf-8"):
        assert time.monotonic() < until, log.read_text(encoding="utf-8")
        time.sleep(0.1)


def test_after_every_trouble_each_lead_is_in_each_crm_once_and_each_reward_is_given_once() -> None:
    with sandbox("--scenario", "chaos", "--until", "qualified=10", "--timeout", "120", "--seed", "7") as process:
        story, _ = process.communicate(timeout=280)

    assert process.returncode == 0, story
    assert re.search(r"calm +(\d+) of \1 troubles are over", story), story
    assert "WRONG" not in story
    for crm in CRMS:
        assert re.search(rf"{crm} +\d+ leads, each once: yes; wins by poll [1-9]", story), story
    assert "ledger balanced: yes" in story
    assert "Traceback" not in story


def test_a_trouble_befalls_a_sandbox_that_runs_is_listed_and_is_over_when_cleared(tmp_path: Path) -> None:
    folder = str(tmp_path / "kept")
    with sandbox("--crm", "hubspot", "--keep", folder) as process:
        until(process, "pushed")

        assert trouble("drop-before", "--account", "hubspot", "--for", "5m", "--keep", folder) == (
            0,
            "hubspot: connections close, nothing is done\n",
        )
        assert trouble("list", "--keep", folder) == (0, "hubspot: drop-before is going on\n")
        tells(tmp_path / "kept/daemon.log", "connector hubspot is failing")
        assert trouble("clear", "--keep", folder) == (0, "drop-before is over\n")
        assert trouble("restore", "--keep", folder) == (1, "error: nothing was deleted\n")
        until(process, "pushed")
        process.send_signal(signal.SIGINT)
        story, _ = process.communicate(timeout=60)

    assert process.returncode == 0, story


def test_without_a_sandbox_the_command_says_that_there_is_none(tmp_path: Path) -> None:
    code, told = trouble("list", "--keep", str(tmp_path))

    assert (code, told) == (1, f"error: no sandbox runs in {tmp_path}\n")
