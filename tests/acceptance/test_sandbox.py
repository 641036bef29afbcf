"""`syncd sandbox` as people start it: it tells its story, it ends when it is asked to, and it leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc")


CRMS = ("hubspot", "pipedrive", "salesforce", "zoho")


@contextmanager
def sandbox(*options: str) -> Iterator[subprocess.Popen[str]]:
    """Start a sandbox; whatever happens, it does not outlive the test."""
    command = [sys.executable, "-m", "syncd", "sandbox", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(40)


def until(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    """Read its story up to a line that the pattern is found in."""
    assert process.stdout
    read = []
    for line in process.stdout:
        read.append(line)
        if found := re.search(pattern, line):
            return found
    pytest.fail(f"it ended without a line like {pattern!r}:\n{''.join(read)}")


def daemons(folder: str) -> list[int]:
    """Find the processes that were started on a folder's configuration."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if f"{folder}/syncd.yaml".encode() in command:
                found.append(int(entry.name))
    return found


def test_it_qualifies_friends_by_poll_and_by_webhook_of_each_of_four_crms_and_by_the_shop_and_finds_all_in_order() -> (
    None
):
    with sandbox("--until", "qualified=20", "--timeout", "120") as process:
        story, _ = process.communicate(timeout=200)

    assert process.returncode == 0, story
    assert re.search(r"QUALIFIED +REF-\d{4}  bought in the shop  \(webhook shop\)", story)
    captured = re.search(r"captured +(\d+) leads", story)
    assert captured
    for crm in CRMS:
        assert re.search(rf"QUALIFIED +REF-\d{{4}}  .*\(poll {crm}\)", story), crm
        assert re.search(rf"QUALIFIED +REF-\d{{4}}  .*\(webhook {crm}\)", story), crm
        assert re.search(rf"{crm} +{captured[1]} leads, each once: yes; wins by .*webhook [1-9]", story), story
    assert "WRONG" not in story
    assert "ledger balanced: yes" in story
    assert re.search(r"told +[1-9]\d+ effects, each once: yes", story), story
    assert "@example" not in story


def test_with_one_crm_nothing_is_said_of_another() -> None:
    with sandbox("--crm", "hubspot", "--scenario", "quiet", "--until", "captured=2", "--timeout", "60") as process:
        story, _ = process.communicate(timeout=100)

    assert process.returncode == 0, story
    assert "salesforce" not in story.lower()
    assert "each once: yes" in story


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_ends_it_well_and_leaves_no_process_and_no_file(number: signal.Signals) -> None:
    with sandbox("--crm", "hubspot") as process:
        folder = until(process, r"data (\S+)")[1]
        assert len(daemons(folder)) == 1
        until(process, "pushed")
        process.send_signal(number)
        story, _ = process.communicate(timeout=40)

    assert process.returncode == 0, story
    assert "Traceback" not in story
    assert daemons(folder) == []
    assert not Path(folder).exists()


def test_a_daemon_that_dies_ends_it_with_the_reason_and_the_end_of_the_log(tmp_path: Path) -> None:
    with sandbox("--crm", "hubspot", "--keep", str(tmp_path / "kept")) as process:
        folder = until(process, r"data (\S+)")[1]
        (daemon,) = daemons(folder)
        os.kill(daemon, signal.SIGKILL)
        story, _ = process.communicate(timeout=40)

    assert process.returncode == 1, story
    assert "the daemon ended with signal 9" in story
    assert "ready in" in story
    assert "Traceback" not in story
    assert (tmp_path / "kept/syncd.db").exists()


def test_a_goal_that_is_not_met_in_time_is_said_to_be_missed() -> None:
    with sandbox("--crm", "hubspot", "--until", "captured=100000", "--timeout", "2") as process:
        story, _ = process.communicate(timeout=60)

    assert process.returncode == 1, story
    assert re.search(r"goal not met in 2 s: \d+ of 100000 captured", story)
