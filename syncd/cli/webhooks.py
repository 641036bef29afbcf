"""`syncd webhooks`: who may tell us of changes, where and with what proof; to try it, and to change the proof."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.errors import AGAIN, DATA, FAILED, UNREACHABLE, Failure, counted
from syncd.cli.output import format_option, print_rows

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction

    from syncd.cli.output import Row
    from syncd.config import Sender
    from syncd.flow.app import App, Connection

COLUMNS = ("name", "kind", "address", "proof", "subscribed_until", "last_delivery", "waiting", "dead")
MOST = 10_000  # pokes that are counted; no more are kept
PATIENCE = 30  # seconds for the daemon to answer

NEW_KEY = """\
This is shown once. To change a sender's secret without losing a delivery:
  1. add it to the sender's `secrets` in syncd.yaml, beside the one in use, and restart: both prove a delivery
  2. have the sender sign with it
  3. remove the old one from syncd.yaml, and restart"""
NEW_PATH = """\
This is shown once. It is the last part of a connector's webhook address:
  1. write it as `webhook: {path_secret: ...}` into the connector's section of syncd.yaml, and restart
  2. a connector that orders its webhooks itself does so anew; in any other CRM, change the address by hand
  3. what a CRM still sends to the old address is refused meanwhile, and found by polling"""


@click.group("webhooks")
def command() -> None:
    """List the webhooks that are taken, send a delivery to try one, make new secrets.

    A sender is believed when its signature is right. A CRM's webhook is a hint that a record has changed, which is
    then read through the CRM's API; it must prove itself all the same.

    \b
    Example:
      syncd webhooks list
    """


@command.command("list")
@format_option
@click.pass_context
def list_(ctx: click.Context, form: str) -> None:
    """List senders and connectors: their addresses, how they prove themselves, and how they fare.

    The secret part of an address is shown as "…". Last deliveries are known for 3 days of CRMs, for 35 of senders.

    \b
    Examples:
      syncd webhooks list
      syncd webhooks list --format json
    """
    from syncd.cli.installation import installation
    from syncd.store.engine import read

    with installation(ctx.obj) as app, read(app.database) as tx:
        rows = [_sender(tx, app, sender) for sender in app.config.senders]
        rows += [_connector(tx, app, connection) for connection in app.connections.values()]
    print_rows(sorted(rows, key=lambda row: str(row["name"])), COLUMNS, form)


@command.command("send", short_help="Send a signed delivery to the running daemon, as a sender does.")
@click.argument("name")
@click.option("--referral", metavar="ID", help="Qualify this referral: it has all the effects of a real delivery.")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Send this body instead, byte for byte.",
)
@click.pass_context
def send(ctx: click.Context, name: str, referral: str | None, file: Path | None) -> None:
    """Send a delivery to the running daemon, signed with the sender's first secret.

    Without --referral and --file it is one that has no effect: the answer "ignored" says that the signature is right.
    A CRM's webhooks come from the CRM alone; change a deal there to see one.

    \b
    Examples:
      syncd webhooks send shop
      syncd webhooks send shop --referral ref_2x9k3m
    """
    from syncd.cli.installation import configuration
    from syncd.flow import addresses

    if referral and file:
        raise click.UsageError("give --referral or --file, not both")
    config = configuration(ctx.obj)
    sender = next((sender for sender in config.senders if sender.name == name), None)
    if sender is None:
        raise _no_sender(name, [settings.name for settings in config.connectors])
    body = file.read_bytes() if file else _body(referral)
    click.echo(_post(f"{addresses.local(config.server)}/webhooks/{name}", sender, body))


@command.command("keys")
@click.option("--path", is_flag=True, help="Make a path secret for a connector's address instead.")
def keys(path: bool) -> None:
    """Make a new secret and tell how to change to it; the secret goes to stdout, the rest to stderr.

    \b
    Examples:
      syncd webhooks keys
      syncd webhooks keys --path
    """
    import base64
    import secrets

    click.echo(secrets.token_urlsafe(32) if path else f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}")
    click.echo(NEW_PATH if path else NEW_KEY, err=True)


def _sender(tx: Transaction, app: App, sender: Sender) -> Row:
    from syncd.flow import addresses
    from syncd.store import pokes, work
    from syncd.store.tables import inbox

    waiting, dead = work.waiting(tx, inbox, sender.name)
    return {
        "name": sender.name,
        "kind": "sender",
        "address": addresses.webhook(app.config.server, sender.name),
        "proof": f"signature, {counted(len(sender.secrets), 'secret')}",
        "subscribed_until": None,
        "last_delivery": pokes.last_told(tx, "delivery", sender.name),
        "waiting": waiting,
        "dead": dead,
    }


def _connector(tx: Transaction, app: App, connection: Connection) -> Row:
    from syncd.flow import addresses
    from syncd.store import pokes, sources

    name, settings = connection.name, connection.settings.webhook
    source = sources.get(tx, name)
    asked = [key for key in type(settings).model_fields if getattr(settings, key) is not None] if settings else []
    return {
        "name": name,
        "kind": connection.settings.type,
        "address": addresses.webhook(app.config.server, name, settings, shown=True) if settings else None,
        "proof": ", ".join(asked) if settings else "none taken: there is no `webhook` in its section",
        "subscribed_until": source.subscribed_until if source else None,
        "last_delivery": pokes.last_told(tx, "poke", name),
        "waiting": pokes.count(tx, name, most=MOST),
        "dead": pokes.count(tx, name, dead=True, most=MOST),
    }


def _no_sender(name: str, connectors: list[str]) -> Failure:
    if name in connectors:
        told = (
            f"error: {name} is a connector, and only its CRM can prove a message to be its own: change a deal there, "
            "then see: syncd webhooks list"
        )
        return Failure(told, FAILED)
    return Failure(f"error: no sender is named {name!r}; see: syncd webhooks list", FAILED)


def _body(referral: str | None) -> bytes:
    """Make a delivery's body: that a referral is qualified, or something that no campaign knows."""
    import json

    from syncd.flow.opening import now

    kind, data = ("referral.qualified", {"referral": referral}) if referral else ("syncd.test", {})
    return json.dumps({"type": kind, "timestamp": now().isoformat(), "data": data}).encode()


def _post(url: str, sender: Sender, body: bytes) -> str:
    """Sign a body and deliver it; give what to tell, or raise `Failure` with what the daemon did not like."""
    import secrets

    import requests

    from syncd import signing
    from syncd.flow.opening import now

    id = f"msg_{secrets.token_hex(12)}"
    headers = signing.sign(sender.keys[0], id, now(), body) | {"Content-Type": "application/json"}
    session = requests.Session()
    session.trust_env = False  # a proxy is not asked for this machine
    try:
        answer = session.post(url, data=body, headers=headers, timeout=PATIENCE, allow_redirects=False)
        said = dict(answer.json())
    except (requests.exceptions.JSONDecodeError, TypeError, ValueError):
        raise Failure(f"error: what answers at {url} is no syncd; see server.listen", UNREACHABLE) from None
    except requests.RequestException:
        raise Failure(f"error: no daemon answers at {url}; start it: syncd run", UNREACHABLE) from None
    if answer.status_code < 300:
        return f"{said.get('result')}: {id}"
    code = AGAIN if answer.status_code >= 500 else DATA
    raise Failure(f"error: {answer.status_code} {said.get('code')}: {said.get('detail')}", code)
