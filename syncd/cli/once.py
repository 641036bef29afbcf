"""`syncd run --once`: all that is due, one step after the other."""

from __future__ import annotations

from collections import Counter

import click

from syncd.cli.errors import AGAIN, CONFIG, OK, UNREACHABLE, counted
from syncd.flow.app import App
from syncd.flow.audit import audit
from syncd.flow.backlog import catch_up
from syncd.flow.collect import collect
from syncd.flow.decide import decide
from syncd.flow.deliver import deliver
from syncd.flow.heed import heed
from syncd.flow.opening import try_anew
from syncd.flow.tell import tell
from syncd.flow.tidy import tidy
from syncd.store import sources
from syncd.store.engine import read

_CODES = {"misconfigured": CONFIG, "failing": UNREACHABLE, "parked": AGAIN}


def once(app: App) -> int:
    """Push, read and decide until nothing is due; give the exit code of the sickest connector."""
    done: Counter[str] = Counter()
    try_anew(app)
    catch_up(app)
    tidy(app)
    audit(app)
    while not app.stopping.is_set():
        before = done.total()
        for name in app.connections:
            done["lead"] += deliver(app, name)
            done["fact"] += collect(app, name) + heed(app, name)
        done["message"] += decide(app)
        for name in app.messengers:
            done["effect"] += tell(app, name)
        if done.total() == before:
            break
    words = [("pushed", "lead"), ("read", "fact"), ("decided", "message")]
    words += [("told", "effect")] if app.messengers else []
    click.echo(", ".join(f"{verb} {counted(done[noun], noun)}" for verb, noun in words))
    with read(app.database) as tx:
        found = [source for source in sources.everyone(tx) if source.name in app.connections]
    for source in found:
        if source.state in _CODES:
            click.echo(f"connector {source.name} is {source.state}: {source.error}", err=True)
    codes = [code for state, code in _CODES.items() if any(source.state == state for source in found)]
    return codes[0] if codes else OK
