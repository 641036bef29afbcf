"""A connector's grant: it gives access tokens, and renews them before they end, for all threads and processes at once.

Whoever renews first takes a lease on the credential; the others go on with the present token while it lasts, or wait
for the new one. A refresh token that a vendor takes only once is never lost: the new one is on disk, beside the old
one, before anything is done with what came with it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from syncd.contract import (
    AccessToken,
    ConnectorError,
    ConnectorSettings,
    Misconfigured,
    OAuth,
    Parked,
    Transient,
    Unauthorized,
    UsesOAuth,
)
from syncd.http import Session
from syncd.oauth.consent import Consent
from syncd.oauth.keepers import Keeper, MemoryKeeper
from syncd.oauth.tokens import Given, ask
from syncd.store.credentials import Credential
from syncd.vault import fingerprint

log = logging.getLogger("syncd")

LEASE = timedelta(seconds=90)  # longer than two calls may take; after it, whoever held the lease is taken for dead
_LOOKS, _PAUSE = 200, 0.2  # how often, and every how many seconds, one looks whether another has renewed

Step = Literal["ask", "wait"]


class Grant:
    """Gives the access tokens of one connector; fulfils `http.Grant`."""

    def __init__(
        self,
        oauth: OAuth,
        session: Session,
        keeper: Keeper,
        *,
        connector: str,
        now: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.oauth, self.keeper, self.connector = oauth, keeper, connector
        self._session, self._now, self._sleep = session, now, sleep
        self._unkept: tuple[Credential, str, Given] | None = None  # what the database would not take when it came

    def access_token(self, instead_of: AccessToken | None = None) -> AccessToken:
        """Give an access token, as `contract.Http.access_token` says."""
        refused = instead_of.text if instead_of else None
        for _ in range(_LOOKS):
            if unkept := self._unkept:  # read once: whoever came by it may be keeping it at this moment
                self._keep(*unkept)
            held = self.keeper.read()
            step = next_step(held, refused, self.oauth.most, self._now(), self._hint)
            if isinstance(step, AccessToken):
                return step
            if step == "wait":
                self._sleep(_PAUSE)
                continue
            assert held is not None
            if token := self._renew(held, refused):
                return token
        raise Transient("another process has asked for an access token and got none yet")

    def seed(self) -> None:
        """Take the refresh token from the configuration, unless what is kept has grown from that very one."""
        configured = self.oauth.app.refresh_token
        if configured is None:
            return
        text = configured.get_secret_value()
        while (held := self.keeper.read()) is None or held.origin != fingerprint(text):
            new = Credential(connector=self.connector, refresh=text, granted_at=self._now(), origin=fingerprint(text))
            if self.keeper.swap(held, new):
                return

    def trade(self, consent: Consent, code: str) -> Given:
        """Trade the code of an admin's consent for tokens, which are not kept yet. Raises as `Consent.trade` does."""
        return consent.trade(code, self._session, self._now())

    def renew_with(self, given: Given) -> None:
        """Keep what an admin's fresh consent gave, in place of all that there was."""
        configured = self.oauth.app.refresh_token
        now = self._now()
        new = Credential(
            connector=self.connector,
            refresh=given.refresh,
            access=given.access,
            access_until=given.until,
            api=given.api,
            renewals=(now,),
            granted_at=now,
            origin=fingerprint(configured.get_secret_value()) if configured else None,
        )
        while not self.keeper.swap(self.keeper.read(), new):
            pass

    @property
    def _hint(self) -> str:
        return f"run: syncd connectors auth {self.connector}"

    def _renew(self, held: Credential, refused: str | None) -> AccessToken | None:
        """Ask for a new access token; None if the right to do so, or what it was asked with, went to others."""
        now = self._now()
        claimed = replace(held, leased_until=now + LEASE, renewals=_lately(held.renewals, self.oauth.most, now))
        if not self.keeper.swap(held, claimed):
            return None
        claimed = replace(claimed, lease=held.lease + 1)
        try:
            return self._ask(claimed, now)
        except ConnectorError as error:
            self.keeper.swap(claimed, replace(claimed, leased_until=None))
            present = _present(claimed, refused, self._now())
            if present is None or isinstance(error, Misconfigured):
                raise
            log.warning("connector %s goes on with its present access token: %s", self.connector, error)
            return present

    def _ask(self, claimed: Credential, now: datetime) -> AccessToken | None:
        """Ask with the newest refresh token, and with the one before it where the vendor does not know the newest."""
        refusal: Unauthorized | None = None
        for refresh in filter(None, (claimed.refresh, claimed.spare)):
            form = {"grant_type": "refresh_token", "refresh_token": refresh}
            try:
                given = ask(self.oauth, self._session, form, now)
            except Unauthorized as error:
                refusal = error
                continue
            return self._keep(claimed, refresh, given)
        told = str(refusal or "there is no refresh token")
        if self.keeper.swap(claimed, replace(claimed, access=None, leased_until=None, refused=told)):
            raise Unauthorized(told, yaml_path="oauth", hint=self._hint)
        return None

    def _keep(self, claimed: Credential, used: str, given: Given) -> AccessToken | None:
        """Have what was given on disk, before anything is done with it; None if there is a newer consent by now."""
        self._unkept = claimed, used, given
        # Written before anything is read: what is there may be sealed by now with a key that we do not have.
        held: Credential | None = claimed
        while held and (held.lease == claimed.lease or held.refresh == used):
            new = renewed(held, used, given)
            if self.keeper.swap(held, new):
                self._unkept = None
                return _token(new)
            held = self.keeper.read()
        self._unkept = None
        return None


def equip(
    session: Session,
    connector: type[Any],
    settings: ConnectorSettings,
    keeper: Keeper | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Grant | None:
    """Give a session the grant of a connector, if its class is `UsesOAuth` and its settings say how; else do nothing.

    Without a `keeper` the tokens are kept in memory. A configured `refresh_token` is taken over. Calls nobody.
    """
    if (oauth := wanted(connector, settings)) is None:
        return None
    grant = Grant(oauth, session, keeper or MemoryKeeper(), connector=settings.name, now=now)
    grant.seed()
    session.grant = grant
    return grant


def wanted(connector: type[Any], settings: ConnectorSettings) -> OAuth | None:
    """Tell where the tokens of a connector are had; None where it needs none."""
    return connector.oauth(settings) if isinstance(connector, UsesOAuth) else None


# --- decisions -------------------------------------------------------------------------------------------------------


def next_step(
    held: Credential | None, refused: str | None, most: tuple[int, timedelta] | None, now: datetime, hint: str
) -> AccessToken | Step:
    """Decide what to do for someone who wants an access token other than `refused`; raise what keeps it from them."""
    if held is None:
        raise Unauthorized("no admin has consented yet", yaml_path="oauth", hint=hint)
    present = _present(held, refused, now)
    if present and not _is_due(held, now):
        return present
    if held.refused:
        raise Unauthorized(held.refused, yaml_path="oauth", hint=hint)
    if held.leased_until and now < held.leased_until <= now + LEASE:  # a longer one is from before a clock was set back
        return present or "wait"
    if until := _spent_until(held.renewals, most, now):
        if present:
            return present
        raise Parked("the vendor gives no more access tokens in so short a time", until=until)
    return "ask"


def renewed(held: Credential, used: str, given: Given) -> Credential:
    """Put what was given for the refresh token `used` into a credential; a new refresh token leaves a spare behind."""
    rotated = given.refresh is not None and given.refresh != used
    return replace(
        held,
        refresh=given.refresh or used,
        spare=used if rotated else None,
        access=given.access,
        access_until=given.until,
        api=given.api or held.api,
        leased_until=None,
        refused=None,
    )


def _present(held: Credential, refused: str | None, now: datetime) -> AccessToken | None:
    """Give the access token that is kept, while it lasts and is not the one that the CRM refused."""
    if held.access is None or held.access_until is None or now >= held.access_until or held.access == refused:
        return None
    return _token(held)


def _token(held: Credential) -> AccessToken:
    return AccessToken(text=held.access or "", api=held.api)


def _is_due(held: Credential, now: datetime) -> bool:
    """Tell whether less than a tenth is left of the time that was left when a token was last asked for.

    That is three minutes of HubSpot's half hour. If asking then fails, the next attempt has a tenth of what is left to
    wait for, and so on: a token endpoint that is down for a while is neither noticed nor pestered.
    """
    assert held.access_until is not None
    asked = held.renewals[-1] if held.renewals else held.granted_at
    return held.access_until - now < (held.access_until - asked) / 10


def _spent_until(renewals: Sequence[datetime], most: tuple[int, timedelta] | None, now: datetime) -> datetime | None:
    """Tell until when no access token may be asked for; None if one may be now."""
    if most is None or len(renewals) < most[0]:
        return None
    free = renewals[-most[0]] + most[1]
    return free if free > now else None


def _lately(renewals: Sequence[datetime], most: tuple[int, timedelta] | None, now: datetime) -> Sequence[datetime]:
    """Add a renewal, and forget those that no limit asks for."""
    return (*renewals, now)[-(most[0] if most else 1) :]
