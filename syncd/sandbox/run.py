"""`syncd sandbox`: CRMs on loopback, the real daemon beside them, and people who keep all of them busy."""

from __future__ import annotations

import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType
from typing import Literal

from click import UsageError

from syncd import registry
from syncd.config import load
from syncd.contract import Transient
from syncd.flow.app import App
from syncd.flow.opening import open_app
from syncd.sandbox import daemon, place, sales
from syncd.sandbox.admin import Admin
from syncd.sandbox.audience import Audience, listening
from syncd.sandbox.chaos import Chaos
from syncd.sandbox.client import Client, Refused
from syncd.sandbox.clock import Clock
from syncd.sandbox.control import FOLDERS, Controls, NotFound, locate, publish
from syncd.sandbox.courier import Courier
from syncd.sandbox.crm import Sandbox, lag_between
from syncd.sandbox.daemon import Daemon, DaemonDied
from syncd.sandbox.desk import Desk
from syncd.sandbox.market import Market
from syncd.sandbox.place import Occupied, Place
from syncd.sandbox.play import PeopleTime, Play, Say
from syncd.sandbox.scene import World
from syncd.sandbox.story import Story
from syncd.sandbox.tally import Goal
from syncd.sandbox.team import Team, usable
from syncd.web import tokens

START = 60.0  # seconds that the daemon may take to listen
INDEX_LAG = 2.0  # seconds by which a CRM's search is behind at the most
LOSSES, DOUBLES, DISORDER, HELD = (
    0.05,
    0.3,
    0.1,
    3.0,
)  # of CRMs' own messages, and of answers to ours; the last one are seconds

Scenario = Literal["quiet", "tour", "chaos"]
"""quiet: nothing odd; tour: also deals opened by hand and reopened, and a search that lags; chaos: troubles too."""


def _print(line: str) -> None:
    print(line, flush=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """How a sandbox is to be. `speed` is how many seconds pass for the people in one of ours."""

    goal: Goal | None
    timeout: float
    seed: int
    speed: float
    scenario: Scenario


def main(
    *,
    crm: Sequence[str] = (),
    scenario: Scenario = "tour",
    until: str | None = None,
    timeout: float = 60.0,
    seed: int = 42,
    speed: float = 600.0,
    keep: Path | None = None,
    port: int = 0,
    say: Say = _print,
) -> int:
    """Run a sandbox until its goal is met or somebody ends it; give the exit code.

    `crm` names connector types; without any, all that are installed and simulated take part. `until` is `captured=N`,
    `qualified=N` or `rewards=N`; without it only SIGINT and SIGTERM end the sandbox, with 0. 1 means that the goal was
    not met in `timeout` seconds, that something did not hold, or that the daemon died. `keep` is an empty folder for
    the data, else a temporary one is used and removed. `port` is the daemon's; 0 takes a free one. Raises `UsageError`.
    """
    wishes = Wishes(goal=_goal(until, timeout, speed), timeout=timeout, seed=seed, speed=speed, scenario=scenario)
    kinds, clock = _kinds(crm), Clock()
    lag = lag_between(0.0, 0.0 if scenario == "quiet" else INDEX_LAG)
    courier = Courier()
    accounts = [kind.setup(name, lag, courier) for name, kind in kinds.items()]
    audience = Audience(rng=Random(f"{seed}:audience"), losses=0.0 if scenario == "quiet" else LOSSES)
    with (
        _ending() as ending,
        _folder(keep) as folder,
        listening(audience),
        Sandbox(now=clock, seed=seed, accounts=accounts) as crms,
    ):
        vendors = " and ".join(kind.vendor for kind in kinds.values())
        say(f"starting: {vendors} on http://127.0.0.1:{crms.port}, simulated, and the daemon beside")
        teams = {name: kind(crms, name) for name, kind in kinds.items()}
        try:
            items, ear = [team.item(crms) for team in teams.values()], (audience.url, audience.key)
            there = place.furnish(folder, items, port=port or _free_port(), audience=ear)
        except Occupied as error:
            say(f"not started: {error}")
            return 1
        with _installation(there) as app:
            scenery = _Set(
                crms=crms, clock=clock, courier=courier, teams=teams, audience=audience, there=there, app=app
            )
            return _run(wishes, scenery, ending, say)


@dataclass(frozen=True, kw_only=True)
class _Set:
    """Everything that stands before the play begins."""

    crms: Sandbox
    clock: Clock
    courier: Courier
    teams: Mapping[str, Team]
    audience: Audience
    there: Place
    app: App


def _run(wishes: Wishes, it: _Set, ending: threading.Event, say: Say) -> int:
    token = tokens.issue(it.app, "sandbox", "write")
    child = daemon.start(it.there)
    try:
        if not child.wait_until_ready(START, ending.is_set):
            say("ended before the daemon was ready" if ending.is_set() else "the daemon did not start in time")
            return 0 if ending.is_set() else 1
        for name, team in it.teams.items():
            it.crms.tell(name, f"{child.url}/webhooks/{team.webhook_path}")
        told = f"seed {wishes.seed}, speed {wishes.speed:g}; Ctrl-C ends it"
        say(f"daemon     {child.url}   data {it.there.folder}   {told}")
        code = _play(wishes, it, token, child, ending, say).run(wishes.goal, wishes.timeout)
    except (DaemonDied, Refused, Transient) as error:
        say(child.explain(error))
        code = 1
    finally:
        stopped = child.stop()
    if not stopped:
        say(f"the daemon did not stop as it should; the end of its log:\n{child.tail()}")
    return code if stopped else 1


def _play(wishes: Wishes, it: _Set, token: str, child: Daemon, ending: threading.Event, say: Say) -> Play:
    client = Client(url=child.url, token=token, key=it.there.key)
    programs = [program for campaign in it.app.config.campaigns.values() for program in campaign.programs]
    names = {milestone.id: milestone.name for program in programs for milestone in program.milestones}
    story = Story(label=_labels(it.teams), milestones=names, several=len(it.teams) > 1)
    deck = sales.PLAIN if wishes.scenario == "quiet" else sales.MIXED
    mischief = {name: it.crms.mischief(name) for name in it.teams}
    if wishes.scenario != "quiet":
        for each in mischief.values():
            each.losses, each.doubles, each.disorder, each.seconds = LOSSES, DOUBLES, DISORDER, HELD
    market = Market(seed=wishes.seed, client=client, teams=it.teams, story=story, deck=deck, mischief=mischief)
    time_ = PeopleTime(speed=wishes.speed)
    rng = Random(f"{wishes.seed}:troubles")
    world = World(crms=it.crms, clock=it.clock, market=market, people_time=time_, rng=rng, courier=it.courier)
    desk = Desk(world=world)
    it.crms.control = Controls(faults=it.crms.faults, log=it.crms.log, accounts=it.crms.accounts, desk=desk)
    control = it.crms.url("_ctl")
    publish(it.there.folder, control)
    say(f"troubles   syncd sandbox trouble NAME{_keep(it.there.folder, control)}   control API {control}")
    chaos = None
    if wishes.scenario == "chaos":
        chaos = Chaos(desk=desk, admin=Admin(app=it.app), rng=rng, say=say, endless=wishes.goal is None)
    return Play(
        people_time=time_,
        say=say,
        client=client,
        market=market,
        courier=it.courier,
        desk=desk,
        chaos=chaos,
        audience=it.audience,
        app=it.app,
        child=child,
        ending=ending,
    )


def _keep(folder: Path, control: str) -> str:
    """Give the option without which the command would not find this sandbox."""
    try:
        return "" if locate() == control else f" --keep {folder}"
    except NotFound:
        return f" --keep {folder}"


def _goal(until: str | None, timeout: float, speed: float) -> Goal | None:
    if not (0 < speed <= 100_000 and timeout > 0):
        raise UsageError("--speed and --timeout must be greater than 0, and --speed 100,000 at the most")
    try:
        return Goal.parse(until) if until else None
    except ValueError as error:
        raise UsageError(f"--until: {error}") from error


def _kinds(wanted: Sequence[str]) -> Mapping[str, type[Team]]:
    """Choose the CRMs by the names of their connectors."""
    known = usable()
    if not known:
        raise UsageError("no connector is installed whose CRM can be simulated: pip install 'syncd[hubspot]'")
    for name in wanted:
        if name not in known:
            raise UsageError(f"--crm: {name} is not installed or not simulated; there is {', '.join(known)}")
    return {name: known[name] for name in dict.fromkeys(wanted)} or known


def _free_port() -> int:
    """Choose a port that nobody listens on: the CRMs must know the daemon's address before it starts."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _labels(teams: Mapping[str, Team]) -> Callable[[str, str], str]:
    def label(account: str, stage: str) -> str:
        try:
            return teams[account].label(stage)
        except (KeyError, StopIteration):  # a stage that is no more, or a connector that is not ours
            return stage

    return label


@contextmanager
def _installation(there: Place) -> Iterator[App]:
    """Open the daemon's database beside it, as commands do."""
    app = open_app(load(there.config, env=there.environment(), connector_types=registry.find))
    try:
        yield app
    finally:
        app.database.dispose()


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Give the folder for the data, and remove it in the end unless it is to be kept."""
    if keep is not None:
        yield keep.absolute()
        return
    folder = Path(tempfile.mkdtemp(prefix=FOLDERS))
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
