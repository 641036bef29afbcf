"""`syncd status`: how the installation fares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncd.cli.errors import FAILED, OK, counted
from syncd.cli.output import ago, facts_format_option, print_json, print_rows, shown

if TYPE_CHECKING:
    from datetime import datetime

    from syncd.cli.output import Row
    from syncd.web.models import ConnectorGiven, ReceiverGiven

COLUMNS = ("connector", "state", "account", "queue", "dead", "read", "held_until", "error")


@click.command("status", short_help="Show how connectors, referrals and the ledger fare.")
@facts_format_option
@click.pass_context
def command(ctx: click.Context, form: str) -> None:
    """Show each connector's health and queue, receivers, the referrals by standing, and whether the ledger balances.

    Exits with 1 when a connector is failing or misconfigured and not paused, when a receiver is failing or gone, when
    the ledger does not balance, when the last audit found books that differ from the facts, or when a campaign's rules
    in effect are not those of this configuration.

    \b
    Examples:
      syncd status
      syncd status --format json | jq '.connectors[] | select(.state != "healthy")'
    """
    from syncd.cli.installation import installation
    from syncd.web.report import Tally, report

    with installation(ctx.obj) as app:
        found, now = report(app, Tally()), app.clock()
    if form == "json":
        # How senders were answered is counted in the daemon's memory, of which this process knows nothing.
        data = found.model_dump(mode="json", exclude={"senders": {"__all__": {"answers"}}})
        print_json(data)
    else:
        print_rows([_row(connector, now) for connector in found.connectors], COLUMNS, "table")
        for connector in found.connectors:
            if connector.paused_at:
                click.echo(_told(connector))
            if connector.quotas and connector.type:
                click.echo(f"connector {connector.name}: {'; '.join(quota.text for quota in connector.quotas)}")
        for receiver in found.receivers:
            click.echo(f"receiver {receiver.name}: {_receiver(receiver, now)}")
        dead = [sender for sender in found.senders if sender.inbox.dead]
        for sender in dead:
            click.echo(f"sender {sender.name}: {counted(sender.inbox.dead, 'message')} could not be used")
        told = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in found.referrals.items() if number)
        click.echo(f"\nreferrals: {told or 'none yet'}")
        for campaign in found.out_of_date:
            click.echo(f"campaign {campaign}: the rules in effect are not those of this configuration")
        balanced = "balanced" if found.ledger.balanced else "DOES NOT BALANCE; stop the daemon and keep the database"
        click.echo(f"ledger: {balanced}")
        if found.ledger.differing:
            click.echo(f"audit: {found.ledger.differing} advocates' books differ from the facts; see the log")
    awake = [connector for connector in found.connectors if connector.type and not connector.paused_at]
    sick = any(connector.state in {"failing", "misconfigured"} for connector in awake)
    sick |= any(receiver.state in {"failing", "gone"} for receiver in found.receivers if receiver.host)
    ctx.exit(FAILED if sick or found.out_of_date or found.ledger.differing or not found.ledger.balanced else OK)


def _told(paused: ConnectorGiven) -> str:
    end = shown(paused.paused_until) if paused.paused_until else f"this: syncd connectors resume {paused.name}"
    return f"connector {paused.name}: paused since {shown(paused.paused_at)} by {shown(paused.paused_by)}, until {end}"


def _receiver(receiver: ReceiverGiven, now: datetime) -> str:
    """Say in one line how a receiver fares."""
    parts = [receiver.state if receiver.host else "removed"]
    parts += [f"told {ago(now - receiver.told_at)} ago"] if receiver.told_at else []
    parts += [f"{receiver.outbox.open} waiting", f"{receiver.outbox.dead} dead"]
    if receiver.held_until and receiver.held_until > now:
        parts.append(f"rests until {shown(receiver.held_until)}")
    parts += [receiver.error] if receiver.error else []
    return ", ".join(parts)


def _row(connector: ConnectorGiven, now: datetime) -> Row:
    held = connector.held_until
    state = "paused" if connector.paused_at else connector.state
    return {
        "connector": connector.name,
        # A connector that is no longer configured keeps what it knows, in case it comes back.
        "state": state if connector.type else "removed",
        "account": connector.account,
        "queue": connector.outbox.open,
        "dead": connector.outbox.dead,
        "read": f"{ago(now - connector.polled_at)} ago" if connector.polled_at else "never",
        "held_until": held if held and held > now else None,
        "error": connector.error,
    }
