"""`syncd receivers`: who is told what happens, how they fare, and whether one takes a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncd.cli.errors import AGAIN, CONFIG, DENIED, FAILED, UNREACHABLE, Failure, counted
from syncd.cli.output import format_option, print_rows

if TYPE_CHECKING:
    from datetime import datetime

    from syncd.config import Receiver
    from syncd.flow.app import App
    from syncd.notify import Outcome

COLUMNS = ("name", "host", "effects", "proof", "state", "waiting", "dead", "last_told", "held_until", "error")


@click.group("receivers")
def command() -> None:
    """List the receivers of outgoing webhooks, and send one a message to try it.

    \b
    Example:
      syncd receivers test crm-alerts
    """


@command.command("list")
@format_option
@click.pass_context
def list_(ctx: click.Context, form: str) -> None:
    """List receivers: of what they are told, what waits for them, and how they fare.

    Of an address only the host is shown.

    \b
    Example:
      syncd receivers list
    """
    from syncd.cli.installation import installation
    from syncd.web.report import Tally, report

    with installation(ctx.obj) as app:
        found = {given.name: given for given in report(app, Tally()).receivers}
        rows = [
            {
                "name": receiver.name,
                "host": receiver.host,
                "effects": " ".join(receiver.effects or ("all",)),
                "proof": f"signature, {counted(len(receiver.secrets), 'secret')}",
                "state": found[receiver.name].state,
                "waiting": found[receiver.name].outbox.open,
                "dead": found[receiver.name].outbox.dead,
                "last_told": found[receiver.name].told_at,
                "held_until": found[receiver.name].held_until,
                "error": found[receiver.name].error,
            }
            for receiver in app.config.receivers
        ]
    print_rows(rows, COLUMNS, form)


@command.command("test", short_help="Send a receiver one signed message of type `test`.")
@click.argument("name")
@click.pass_context
def test(ctx: click.Context, name: str) -> None:
    """Send a receiver one signed message of type `test`, and tell how it answered; it stands in no queue.

    One that was left alone and takes it is told at once what waits for it. Exits with 69 when it does not answer, or
    with an error of its own, 75 when it wants fewer messages, 77 when it does not believe the signature (401, 403),
    78 when it may not be called there or is gone (404, 410), 1 with any other answer.

    \b
    Example:
      syncd receivers test crm-alerts
    """
    import secrets
    import time

    from syncd.cli.installation import installation

    with installation(ctx.obj) as app:
        receiver = _receiver_of(app, name)
        message = {"type": "test", "timestamp": app.clock().isoformat(), "data": {}}
        began = time.monotonic()
        outcome = app.messengers[receiver.name].post(f"msg_{secrets.token_hex(16)}", message)
        seconds = time.monotonic() - began
        if outcome.next == "done":
            _recover(app, receiver.name, outcome, app.clock())
    if outcome.next != "done":
        raise Failure(f"error: receiver {name}: {outcome.told}", _code(outcome))
    click.echo(f"{name}: {outcome.told} after {seconds:.1f} s; the message was taken")


def _receiver_of(app: App, name: str) -> Receiver:
    from syncd.config.problems import nearest

    for receiver in app.config.receivers:
        if receiver.name == name:
            return receiver
    hint = nearest(name, [receiver.name for receiver in app.config.receivers])
    raise Failure(f"error: there is no receiver {name!r} in {app.config.path}; {hint}".rstrip("; "), FAILED)


def _recover(app: App, name: str, outcome: Outcome, now: datetime) -> None:
    """End the rest of a receiver that is well again."""
    from syncd.flow.tell import note_health
    from syncd.store.engine import retrying

    retrying(app.database, lambda tx: note_health(tx, name, outcome, now))


def _code(outcome: Outcome) -> int:
    match outcome.status:
        case None if outcome.forbidden:
            return CONFIG
        case None:
            return UNREACHABLE
        case 401 | 403:
            return DENIED
        case 404 | 410:
            return CONFIG
        case 429:
            return AGAIN
        case status if status >= 500:
            return UNREACHABLE
        case _:
            return FAILED
