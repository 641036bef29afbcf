"""`syncd run` as a process: how it starts, serves, and ends."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Place, make

LATEST = 25  # seconds from the signal to the end
Daemon = subprocess.Popen[str]


@pytest.fixture
def start() -> Iterator[Callable[..., Daemon]]:
    """Start commands; whatever of them is left at the end of the test is killed."""
    started: list[Daemon] = []

    def start(place: Place, *args: str) -> Daemon:
        started.append(place.start(*args))
        return started[-1]

    yield start
    for daemon in started:
        if daemon.poll() is None:
            daemon.kill()
        daemon.communicate()


def url_of(daemon: Daemon) -> str:
    """Read the daemon's log until it says where it listens."""
    assert daemon.stderr is not None
    for line in daemon.stderr:
        if found := re.search(r"ready in [\d.]+ s · 1 connector · (http://[\d.:]+)", line):
            return found[1]
    raise AssertionError("the daemon ended before it was ready")


def ended(daemon: Daemon) -> tuple[int, str]:
    _, errors = daemon.communicate(timeout=LATEST)
    return daemon.returncode, errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_daemon_well_and_frees_its_port(
    place: Place, start: Callable[..., Daemon], number: signal.Signals
) -> None:
    daemon = start(place, "run")
    url = url_of(daemon)
    with urllib.request.urlopen(f"{url}/livez", timeout=10) as answer:  # noqa: S310 - our own, on loopback
        assert answer.status == 200

    daemon.send_signal(number)

    code, errors = ended(daemon)
    assert (code, "Traceback" in errors) == (0, False)
    assert "work in hand" not in errors, "it ended when its patience did, not by itself"
    with socket.create_server(("127.0.0.1", int(url.rpartition(":")[2]))):
        pass


def test_what_another_command_writes_is_pushed_by_the_daemon(place: Place, start: Callable[..., Daemon]) -> None:
    daemon = start(place, "run")
    url_of(daemon)
    add = ("referrals", "add", "--campaign", "spring", "--advocate", "ada@example.com", "--friend", "lin@example.com")
    show = ("referrals", "show", place.did(*add).strip(), "--format", "json")
    until = time.monotonic() + 20

    while not (records := json.loads(place.did(*show))["records"]) and time.monotonic() < until:
        assert daemon.poll() is None

    assert records[0]["connector"] == "crm"


def test_once_does_what_is_due_and_ends(place: Place, start: Callable[..., Daemon]) -> None:
    place.did(
        "referrals", "add", "--campaign", "spring", "--advocate", "ben@example.com", "--friend", "kai@example.com"
    )

    done = start(place, "run", "--once")

    out, errors = done.communicate(timeout=60)
    assert (done.returncode, out.startswith("pushed 2 leads, ")) == (0, True), errors
    assert '"open": 0' in place.did("status", "--format", "json")


def test_once_tells_by_its_code_that_the_crm_does_not_answer(tmp_path: Path, start: Callable[..., Daemon]) -> None:
    done = start(make(tmp_path, "http://127.0.0.1:9/hubspot"), "run", "--once")

    out, errors = done.communicate(timeout=60)

    assert (done.returncode, out) == (69, "pushed 0 leads, read 0 facts, decided 0 messages\n")
    assert "connector crm is failing: the connection to 127.0.0.1 failed" in errors


def test_a_configuration_with_mistakes_starts_nothing_and_tells_where_they_are(
    place: Place, start: Callable[..., Daemon]
) -> None:
    place.config.write_text(place.config.read_text().replace("type: hubspot", "typ: hubspot"))

    code, errors = ended(start(place, "run"))

    assert code == 78
    assert re.search(rf"^{re.escape(str(place.config))}:\d+:\d+: error: unknown key 'typ'", errors, re.MULTILINE)
    assert not (place.folder / "syncd.db").exists()


def test_a_taken_port_is_told_and_worth_another_try(place: Place, start: Callable[..., Daemon]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        place.config.write_text(place.config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))

        code, errors = ended(start(place, "run"))

    assert code == 75
    assert f"cannot listen on 127.0.0.1:{port}" in errors


def test_an_address_of_another_machine_is_a_mistake_in_the_configuration(
    place: Place, start: Callable[..., Daemon]
) -> None:
    """Another try would end the same: 192.0.2.1 is for documentation, and nobody has it."""
    place.config.write_text(place.config.read_text().replace("127.0.0.1:0", "192.0.2.1:8787"))

    code, errors = ended(start(place, "run"))

    assert code == 78
    assert "192.0.2.1 is no address of this machine" in errors


def test_a_database_that_cannot_be_made_is_told_without_a_traceback(place: Place, start: Callable[..., Daemon]) -> None:
    place.config.write_text(place.config.read_text().replace("sqlite:///syncd.db", "sqlite:///no/such/folder/syncd.db"))

    code, errors = ended(start(place, "run"))

    assert code == 78
    assert "its folder must exist" in errors
    assert "Traceback" not in errors


HANGS = "threading.Thread(target=time.sleep, args=(600,)).start()\nprint('up', flush=True)\ntime.sleep(600)\n"


@pytest.mark.parametrize(("signals", "patience", "code"), [(1, 0.3, 0), (2, 600, 1)])
def test_a_hung_thread_does_not_keep_the_process(signals: int, patience: float, code: int) -> None:
    """One signal and the end of patience, or a second signal, end it whatever its threads do."""
    script = f"import threading, time\nfrom syncd.cli.stop import Stop\nstop = Stop(patience={patience})\n"
    script += "stop.then(lambda: print('asked', flush=True))\n" + HANGS
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"

    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "asked\n"
    if signals == 2:
        process.send_signal(signal.SIGTERM)

    process.communicate(timeout=20)
    assert process.returncode == code


def test_what_is_to_be_done_at_a_signal_that_has_come_is_done_at_once() -> None:
    script = (
        "import os, signal\nfrom syncd.cli.stop import Stop\nstop = Stop()\n"
        "os.kill(os.getpid(), signal.SIGTERM)\nstop.then(lambda: print('done', flush=True))\nstop.leave(7)\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=False)

    assert (done.stdout, done.returncode) == ("done\n", 7)
