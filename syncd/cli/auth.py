"""`syncd connectors auth`: an admin consents in the browser, and the connector has its tokens."""

from __future__ import annotations

import os
import queue
import re
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import click

from syncd.cli.errors import AGAIN, DENIED, FAILED, Failure

if TYPE_CHECKING:
    from syncd.cli.callback import Page
    from syncd.oauth import Consent, Given, Grant

PORT = 8788


def _redirect(_: click.Context, __: click.Parameter, url: str | None) -> str | None:
    """Take an address that a browser can come back to; otherwise the command would wait for nobody."""
    if url is not None and not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", url):
        raise click.BadParameter("write the whole address, such as http://localhost:8788/callback")
    return url


@click.command("auth", short_help="Let an admin consent in the browser.")
@click.argument("name")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Where the browser comes back to: http://127.0.0.1:PORT/callback.",
)
@click.option(
    "--redirect",
    metavar="URL",
    callback=_redirect,
    help="The redirect URL that the app has, if it is another one that leads to this port.",
)
@click.option("--no-browser", is_flag=True, help="Only print the address to open.")
@click.option(
    "--timeout",
    type=click.IntRange(1, 3600),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait.",
)
@click.pass_context
def command(ctx: click.Context, name: str, port: int, redirect: str | None, no_browser: bool, timeout: int) -> None:
    """Open the CRM's page on which an admin lets syncd in, wait for the answer, and keep the tokens it brings.

    Register http://127.0.0.1:8788/callback with the app first. For a browser on another machine:
    ssh -L 8788:127.0.0.1:8788 HOST. HubSpot takes `localhost` alone: --redirect http://localhost:8788/callback.
    A running daemon goes on with the new tokens at once.

    Exits with 77 when the consent or its code is refused, 75 when nobody answered in time, 78 when something must be
    configured first, 69 when the CRM does not answer.

    \b
    Examples:
      syncd connectors auth zoho
      syncd connectors auth zoho --port 9000 --no-browser
      syncd connectors auth hubspot-eu --redirect http://localhost:8788/callback
    """
    from syncd.cli.connected import failures, proved, settings_of
    from syncd.cli.installation import installation, operator
    from syncd.flow import consent
    from syncd.oauth import Grant

    with installation(ctx.obj) as app:
        settings = settings_of(app.config, name)
        connection = app.connections[name]
        grant = connection.session.grant
        if not isinstance(grant, Grant):
            raise Failure(f"error: {name} needs no consent: its settings have no section 'oauth'", FAILED)
        with failures(app.config, settings):
            given = _consented(grant, port, redirect, timeout, browse=not no_browser)
            consent.accept(app, name, grant, given, by=operator())
            click.echo(f"{name} has its tokens")
            click.echo(proved(settings, connection.plug_in().check()))


def _consented(grant: Grant, port: int, redirect: str | None, timeout: int, *, browse: bool) -> Given:
    """Have an admin consent; raise what came instead."""
    from syncd.cli.callback import listening
    from syncd.oauth import Consent

    came: queue.Queue[Given | Exception] = queue.Queue()
    with listening(port, redirect) as callback:
        consent = Consent(oauth=grant.oauth, redirect_url=callback.url)
        callback.answer = _answering(consent, grant)
        callback.ended = came.put
        click.echo(f"open this page and consent:\n\n  {consent.url}\n")
        if browse:
            _browse(consent.url)
        try:
            outcome = came.get(timeout=timeout)
        except queue.Empty:
            raise Failure(f"error: nobody consented within {timeout} s; run the command again", AGAIN) from None
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _answering(consent: Consent, grant: Grant) -> Callable[[Mapping[str, str]], tuple[Page, Given | Exception]]:
    """Judge what the browser brings back: the page to show, and what the command ends with."""
    from syncd.cli.callback import CODE_REFUSED, DENIED_PAGE, DONE, FAULT, STRANGER
    from syncd.contract import ConnectorError, Unauthorized

    def answer(parameters: Mapping[str, str]) -> tuple[Page, Given | Exception]:
        if not consent.is_mine(parameters):
            told = "error: what the browser brought back belongs to no attempt of this command (wrong state)"
            return STRANGER, Failure(f"{told}; run it again, and use the page that it prints", FAILED)
        if (code := parameters.get("code")) is None:
            return DENIED_PAGE, Failure(f"error: {_refusal(parameters)}; nothing was changed", DENIED)
        try:
            return DONE, grant.trade(consent, code)
        except Unauthorized:
            told = "error: the vendor does not take the code, which is good once and for some minutes"
            return CODE_REFUSED, Failure(f"{told}; run the command again", DENIED)
        except ConnectorError as error:
            return FAULT, error

    return answer


def _refusal(parameters: Mapping[str, str]) -> str:
    reason = parameters.get("error", "")
    # Anybody can write into an address, so only a word of the standard's form is shown.
    return f"the consent was refused ({reason})" if re.fullmatch(r"[a-z_]{1,40}", reason) else "there was no consent"


def _browse(url: str) -> None:
    """Open a window where there is a desktop; in a terminal a text browser would take the screen."""
    import webbrowser

    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(url)
