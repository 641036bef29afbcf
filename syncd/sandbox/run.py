"""`syncd sandbox`: a CRM on loopback, the real daemon beside it, and people who keep both busy."""

from __future__ import annotations

import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from click import UsageError

from syncd import registry
from syncd.config import load
from syncd.contract import Transient
from syncd.flow.opening import open_app
from syncd.sandbox import daemon, place
from syncd.sandbox.client import Client, Refused
from syncd.sandbox.crm import AccountSetup, Limits, Sandbox, lag_between
from syncd.sandbox.daemon import DaemonDied
from syncd.sandbox.market import Market
from syncd.sandbox.place import Occupied, Place
from syncd.sandbox.play import Play, Say
from syncd.sandbox.story import Story
from syncd.sandbox.tally import Goal
from syncd.web import tokens

START = 60.0  # seconds that the daemon may take to listen
INDEX_LAG = 2.0  # seconds by which the CRM's search is behind at the most


def _print(line: str) -> None:
    print(line, flush=True)


def main(
    *,
    until: str | None = None,
    timeout: float = 60.0,
    seed: int = 42,
    speed: float = 600.0,
    keep: Path | None = None,
    port: int = 0,
    say: Say = _print,
) -> int:
    """Run a sandbox until its goal is met or somebody ends it; give the exit code.

    `until` is `captured=N`, `qualified=N` or `rewards=N`; without it only SIGINT and SIGTERM end the sandbox, with 0.
    1 means that the goal was not met in `timeout` seconds, that something did not hold, or that the daemon died.
    `speed` is how many seconds pass for the people in one of ours. `keep` is an empty folder for the data, else
    a temporary one is used and removed. `port` is the daemon's; 0 takes a free one. Raises `UsageError`.
    """
    goal = _goal(until, timeout, speed)
    account = AccountSetup(limits=Limits(burst=190), lag=lag_between(0.0, INDEX_LAG))
    with _ending() as ending, _folder(keep) as folder, Sandbox(now=_now, seed=seed, accounts=[account]) as crm:
        say(f"starting: a CRM that speaks HubSpot's HTTP on {crm.url()}, and the daemon beside it")
        try:
            there = place.make(folder, base_url=crm.url(), crm_token=crm.token(), port=port)
        except Occupied as error:
            say(f"not started: {error}")
            return 1
        token, milestones = _prepare(there)
        child = daemon.start(there)
        try:
            if not child.wait_until_ready(START, ending.is_set):
                say("ended before the daemon was ready" if ending.is_set() else "the daemon did not start in time")
                return 0 if ending.is_set() else 1
            say(f"daemon     {child.url}   data {folder}   seed {seed}, speed {speed:g}; Ctrl-C ends it")
            client = Client(url=child.url, token=token, key=there.key)
            story = Story.of(crm.model().schema, milestones)
            market = Market(seed=seed, client=client, crm=crm.model(), story=story)
            play = Play(speed=speed, say=say, client=client, crm=crm.model(), market=market, child=child, ending=ending)
            code = play.run(goal, timeout)
        except (DaemonDied, Refused, Transient) as error:
            say(child.explain(error))
            code = 1
        finally:
            stopped = child.stop()
        if not stopped:
            say(f"the daemon did not stop as it should; the end of its log:\n{child.tail()}")
        return code if stopped else 1


def _goal(until: str | None, timeout: float, speed: float) -> Goal | None:
    if not (0 < speed <= 100_000 and timeout > 0):
        raise UsageError("--speed and --timeout must be greater than 0, and --speed 100,000 at the most")
    try:
        return Goal.parse(until) if until else None
    except ValueError as error:
        raise UsageError(f"--until: {error}") from error


def _now() -> datetime:
    return datetime.now(UTC)


def _prepare(there: Place) -> tuple[str, Mapping[str, str]]:
    """Make the database and in it a token for the website, as `syncd tokens add` does; give also the milestones."""
    config = load(there.config, env=there.environment(), connector_types=registry.find)
    app = open_app(config)
    try:
        token = tokens.issue(app, "sandbox", "write")
    finally:
        app.database.dispose()
    programs = [program for campaign in config.campaigns.values() for program in campaign.programs]
    return token, {milestone.id: milestone.name for program in programs for milestone in program.milestones}


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Give the folder for the data, and remove it in the end unless it is to be kept."""
    if keep is not None:
        yield keep.absolute()
        return
    folder = Path(tempfile.mkdtemp(prefix="syncd-sandbox-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _ending() -> Iterator[threading.Event]:
    """Turn SIGINT and SIGTERM into an event while the sandbox runs; a second one cuts short what still waits."""
    event = threading.Event()

    def end(number: int, _: FrameType | None) -> None:
        if event.is_set():
            raise SystemExit(128 + number)  # on the way out the daemon is stopped all the same
        event.set()

    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    old = {each: signal.signal(each, end) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for each, former in old.items():
            signal.signal(each, former)
