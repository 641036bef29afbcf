"""The control API of a running sandbox: that of its CRMs, and /_ctl/troubles. And how a command finds it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syncd.contract import Transient
from syncd.http import Session
from syncd.sandbox.crm.control import PREFIX, Control
from syncd.sandbox.crm.exchange import Reply, Request
from syncd.sandbox.desk import Desk
from syncd.sandbox.troubles import Impossible

FOLDERS = "syncd-sandbox-"
"""How the temporary folders of sandboxes begin."""

_PATH, _FILE = f"{PREFIX}troubles", "control.json"


class NotFound(Exception):
    """No sandbox runs where it was looked for."""


class Refused(Exception):
    """The sandbox does not do what it was asked for; the text says why."""


@dataclass(kw_only=True)
class Controls(Control):
    """Answers the calls under /_ctl/; with a desk, those for troubles too."""

    desk: Desk

    def answer(self, request: Request) -> Reply:
        """Do what a control call asks."""
        if request.path != _PATH or request.method not in {"GET", "POST", "DELETE"}:
            return super().answer(request)
        if request.method == "POST":
            return self._begin(request)
        ended = self.desk.clear() if request.method == "DELETE" else []
        going = [{"name": it.name, "account": it.account} for it in self.desk.going()]
        return Reply(code=200, body={"going": going, "ended": [it.name for it in ended]})

    def _begin(self, request: Request) -> Reply:
        # A web page may post text to loopback, but not JSON: asking for it keeps strangers' pages out.
        if not request.is_of("application/json"):
            return Reply(code=415, body={"message": "send the trouble as application/json"})
        try:
            name, accounts, seconds = _read(request.body, self.desk.teams)
            return Reply(code=201, body={"did": self._in_each(name, accounts, seconds)})
        except Impossible as error:
            return Reply(code=409, body={"message": str(error)})
        except (ValueError, RecursionError) as error:
            return Reply(code=400, body={"message": str(error)})

    def _in_each(self, name: str, accounts: Sequence[str], seconds: float) -> list[str]:
        """Begin it in each account in which it can be; it is impossible only if that is none."""
        did, why = [], ""
        for account in accounts:
            try:
                did.append(f"{account}: {self.desk.begin(name, account, seconds)}")
            except Impossible as error:
                why = str(error)
        if not did:
            raise Impossible(why)
        return did


def _read(body: bytes, known: Iterable[str]) -> tuple[str, list[str], float]:
    wanted = json.loads(body)
    if not isinstance(wanted, dict) or wanted.keys() - {"name", "account", "seconds"}:
        raise ValueError('a trouble is an object, such as {"name": "drop-before", "account": "hubspot", "seconds": 20}')
    account, seconds = wanted.get("account"), wanted.get("seconds", 20)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError("seconds is a number")
    return str(wanted.get("name")), [str(account)] if account else list(known), float(seconds)


# --- the other side: the command ---


def publish(folder: Path, url: str) -> None:
    """Leave word in a sandbox's folder where its control API is."""
    (folder / _FILE).write_text(json.dumps({"control": url}) + "\n", encoding="utf-8")


def locate(folder: Path | None = None) -> str:
    """Find the control API of the sandbox in this folder, or of the newest that keeps its data in a temporary one.

    Raises `NotFound`.
    """
    places = [folder] if folder else _temporary()
    for place in places:
        try:
            return str(json.loads((place / _FILE).read_text(encoding="utf-8"))["control"])
        except (OSError, ValueError, KeyError):
            continue
    where = f"in {folder}" if folder else "with its data in a temporary folder; name the other by --keep or --url"
    raise NotFound(f"no sandbox runs {where}")


def ask(url: str, method: str, body: object = None) -> Any:
    """Call a control API for troubles. Raises `NotFound` where nobody answers, `Refused` with the sandbox's reason."""
    try:
        answer = Session(deadline=10.0).request(method, f"{url.rstrip('/')}/troubles", json=body)
    except Transient as error:
        raise NotFound(f"no sandbox answers at {url}: {error}") from error
    if not answer.ok:
        raise Refused(_reason(answer.content) or f"{url} answers with {answer.status_code}")
    return answer.json()


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return ""


def _temporary() -> list[Path]:
    """List the folders of our own sandboxes, the newest first; in a shared folder others may leave things too."""
    found = []
    for place in Path(tempfile.gettempdir()).glob(f"{FOLDERS}*/{_FILE}"):
        try:
            found += [(place.stat().st_mtime, place.parent)] if place.stat().st_uid == os.getuid() else []
        except OSError:  # it has just been removed
            continue
    return [folder for _, folder in sorted(found, reverse=True)]
