"""`syncd referrals`: look at them, add one, and decide on one by hand."""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING, Literal

import click

from syncd.cli.errors import FAILED, Failure
from syncd.cli.output import facts_format_option, format_option, print_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncd.cli.output import Row
    from syncd.flow.app import App
    from syncd.flow.decisions import Decision

COLUMNS = ("id", "standing", "counted", "campaign", "advocate", "friend", "code", "channel", "captured_at", "reason")
STANDINGS = ("captured", "pushed", "in_pipeline", "qualified", "lost", "rejected")


@click.group("referrals")
def command() -> None:
    """Look at referrals, add one, qualify or disqualify one by hand.

    \b
    Example:
      syncd referrals list --standing in_pipeline
    """


@command.command("list")
@click.option("--campaign", help="Of this campaign only.")
@click.option("--standing", type=click.Choice(STANDINGS), help="That stand so only.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at the most.")
@format_option
@click.pass_context
def list_(ctx: click.Context, campaign: str | None, standing: str | None, limit: int, form: str) -> None:
    """List referrals, the newest first.

    \b
    Example:
      syncd referrals list --standing qualified --format csv > qualified.csv
    """
    from syncd.cli.installation import installation
    from syncd.cli.people import full_name
    from syncd.store import people, referrals
    from syncd.store.engine import read

    with installation(ctx.obj) as app, read(app.database) as tx:
        found = referrals.find(tx, campaign=campaign, standing=standing, limit=limit)
        persons = people.participants(tx, {id for each in found for id in (each.advocate, each.friend)})
    rows: list[Row] = [
        {column: getattr(each, column) for column in COLUMNS}
        | {"advocate": full_name(persons.get(each.advocate)), "friend": full_name(persons.get(each.friend))}
        for each in found
    ]
    print_rows(rows, COLUMNS, form)


@command.command("show")
@click.argument("id")
@facts_format_option
@click.pass_context
def show(ctx: click.Context, id: str, form: str) -> None:
    """Show one referral: its facts, where it is in each CRM, and its history.

    \b
    Example:
      syncd referrals show ref_06d5k1v3q7m2x9p4r8t0
    """
    from syncd.cli import dossier
    from syncd.cli.installation import installation
    from syncd.cli.output import print_json
    from syncd.store.engine import read

    with installation(ctx.obj) as app, read(app.database) as tx:
        found = dossier.read(tx, id)
    if found is None:
        raise Failure(f"error: there is no referral {id!r}; see: syncd referrals list", FAILED)
    if form == "json":
        print_json(found.data())
    else:
        click.echo(found.text())


@command.command("add", short_help="Add a referral and print its id.")
@click.option("--campaign", help="Needed with --advocate; a code names its campaign by itself.")
@click.option("--code", help="The referral code that the friend came with.")
@click.option("--advocate", metavar="EMAIL", help="Who referred the friend, instead of a code; joins if new.")
@click.option("--advocate-name", metavar="NAME", help="The advocate's first and last name.")
@click.option("--friend", metavar="EMAIL", required=True, help="The friend's e-mail address.")
@click.option("--first-name", help="The friend's first name.")
@click.option("--last-name", help="The friend's last name.")
@click.option("--phone", help="The friend's telephone number.")
@click.option("--company", help="The friend's company.")
@click.option("--channel", help="How the friend came, such as whatsapp.")
@click.pass_context
def add(
    ctx: click.Context,
    campaign: str | None,
    code: str | None,
    advocate: str | None,
    advocate_name: str | None,
    friend: str,
    first_name: str | None,
    last_name: str | None,
    phone: str | None,
    company: str | None,
    channel: str | None,
) -> None:
    """Add a referral and print its id; the same friend of the same advocate again gives the same id.

    \b
    Examples:
      syncd referrals add --code ANNA-7 --friend mei@example.com --first-name Mei
      syncd referrals add --campaign spring-2026 --advocate anna@example.com --friend mei@example.com
    """
    from syncd.cli.installation import installation, operator
    from syncd.cli.people import checked, named
    from syncd.contract import Person
    from syncd.flow.capture import Invitation, capture

    if (code is None) == (advocate is None):
        raise click.UsageError("name who referred the friend: by --code, or by --advocate and --campaign")
    invitation = Invitation(
        friend=Person(email=friend, first_name=first_name, last_name=last_name, phone=phone, company=company),
        code=code,
        campaign=campaign,
        advocate=named(advocate, advocate_name) if advocate else None,
        channel=channel,
    )
    with installation(ctx.obj, books=True) as app:
        captured = capture(app, checked(invitation), cause=operator())
    referral = captured.referral
    click.echo(referral.id)
    told = f"rejected: {referral.reason}" if referral.standing == "rejected" else "captured"
    click.echo(told if captured.created else f"was there already, {referral.standing}", err=True)
    ctx.exit(FAILED if referral.standing == "rejected" else 0)


def _which(decide: Callable[..., None]) -> Callable[..., None]:
    """Add the ways to name a referral, and the question before it is changed."""
    for option in (
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--code", help="With --email: the referral code, where the friend has several referrals."),
        click.option("--email", help="The friend's e-mail address, instead of the ID."),
        click.argument("id", required=False),
    ):
        decide = option(decide)
    return decide


@command.command("qualify", short_help="Qualify a referral by hand.")
@_which
@click.pass_context
def qualify(ctx: click.Context, id: str | None, email: str | None, code: str | None, yes: bool) -> None:
    """Qualify a referral by hand, as when the friend bought where no CRM sees it.

    The decision stands until somebody decides otherwise by hand. Exits with 1 when the campaign's rules do not let
    it count as qualified.

    \b
    Examples:
      syncd referrals qualify ref_06d5k1v3q7m2x9p4r8t0
      syncd referrals qualify --email mei@example.com --code ANNA-7 --yes
    """
    _decide(ctx, "qualified", id, email, code, yes=yes)


@command.command("disqualify", short_help="Disqualify a referral by hand.")
@click.option("--reason", required=True, help="Why; it is kept with the decision.")
@_which
@click.pass_context
def disqualify(ctx: click.Context, id: str | None, email: str | None, code: str | None, yes: bool, reason: str) -> None:
    """Disqualify a referral by hand; rewards that it earned are taken back as the campaign says.

    \b
    Example:
      syncd referrals disqualify ref_06d5k1v3q7m2x9p4r8t0 --reason "made-up address"
    """
    _decide(ctx, "disqualified", id, email, code, yes=yes, reason=reason)


def _decide(
    ctx: click.Context,
    verdict: Literal["qualified", "disqualified"],
    id: str | None,
    email: str | None,
    code: str | None,
    *,
    yes: bool,
    reason: str | None = None,
) -> None:
    from syncd.cli.installation import installation, operator
    from syncd.flow.decisions import Decision, decide_now

    if (id is None) == (email is None):
        raise click.UsageError("name the referral: by its ID, or by --email")
    decision = Decision(verdict=verdict, via="manual", referral=id, email=email, code=code, reason=reason)
    with installation(ctx.obj, books=True) as app:
        if not yes and sys.stdin.isatty():
            click.confirm(_question(app, decision), abort=True)
        referral = decide_now(app, decision, id=f"cli:{uuid.uuid4().hex}", cause=operator())
    wanted = {"qualified": "qualified", "disqualified": "rejected"}[verdict]
    if referral.standing != wanted:
        told = f"the decision is noted, but by the campaign's rules {referral.id} is {referral.standing}"
        raise Failure(f"error: {told}; see: syncd referrals show {referral.id}", FAILED)
    click.echo(f"{referral.id} is {verdict}")


def _question(app: App, decision: Decision) -> str:
    """Ask in terms that the operator can check: whose friend, and where the referral stands now."""
    from syncd.cli.output import shown
    from syncd.cli.people import full_name
    from syncd.flow.decisions import resolve
    from syncd.store import people
    from syncd.store.engine import read

    with read(app.database) as tx:
        referral = resolve(tx, app, decision)
        persons = people.participants(tx, [referral.advocate, referral.friend])
    friend, advocate = (shown(full_name(persons.get(who))) or who for who in (referral.friend, referral.advocate))
    verb = {"qualified": "Qualify", "disqualified": "Disqualify"}[decision.verdict]
    return f"{verb} {friend}, referred by {advocate} in {referral.campaign}, now {referral.standing}?"
