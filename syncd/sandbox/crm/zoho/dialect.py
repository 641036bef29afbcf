"""How an account of Zoho CRM answers: credentials, credits, and refusals in the vendor's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from random import Random

from syncd.sandbox.crm.dialect import Surroundings
from syncd.sandbox.crm.exchange import Reply, Request
from syncd.sandbox.crm.faults import Fault
from syncd.sandbox.crm.hooks import Hooks, Post
from syncd.sandbox.crm.lag import Lag, no_lag
from syncd.sandbox.crm.routes import Match, Route
from syncd.sandbox.crm.zoho.account import ZohoAccount
from syncd.sandbox.crm.zoho.call import Call
from syncd.sandbox.crm.zoho.channels import MANNERS, Channels
from syncd.sandbox.crm.zoho.limits import Credits
from syncd.sandbox.crm.zoho.modules import STANDARD, ReferralField, standard
from syncd.sandbox.crm.zoho.org import ZohoOrg
from syncd.sandbox.crm.zoho.pages import Pages
from syncd.sandbox.crm.zoho.refusal import LoginRefusal, Refusal, invalid_token, scope_mismatch, too_many
from syncd.sandbox.crm.zoho.routes import ROUTES
from syncd.sandbox.crm.zoho.schema import Pipeline
from syncd.sandbox.crm.zoho.store import Duplicates
from syncd.sandbox.crm.zoho.tokens import Tokens, ZohoApp


@dataclass(frozen=True, kw_only=True)
class ZohoSetup:
    """What an account is like. Its URL prefix is /<name>, its static token sandbox-<name> unless given."""

    name: str = "zoho"
    token: str = field(default="", repr=False)
    app: ZohoApp | None = field(default_factory=ZohoApp)
    api_domain: str = "https://www.zohoapis.eu"  # what a token's answer says; empty: this sandbox
    offset: timedelta = timedelta(hours=2)  # of the account's time zone
    referral: ReferralField | None = field(default_factory=ReferralField)  # None: the admin has made no field
    pipelines: tuple[Pipeline, ...] = (STANDARD,)
    duplicates: Duplicates = "module"
    currencies: bool = False  # whether records have a Currency
    credits: int | None = 100_000  # of a rolling day
    mixed_code: int = 207  # no page says when it is 200 or 202 instead
    failed_code: int = 400
    lag: Lag = no_lag  # seconds by which lists, searches and queries are behind
    background: bool = True  # whether notifications are sent by a thread; else by `Zoho.channels.hooks.tick`
    post: Post | None = None  # sends notifications; None sends them to loopback

    def open(self, around: Surroundings) -> Zoho:
        """Make the account, empty."""
        token, prefix = self.token or f"sandbox-{self.name}", f"{410_888 + around.number}000000"
        org = ZohoOrg(
            now=around.now,
            schema=standard(prefix, self.referral, self.pipelines, currencies=self.currencies),
            prefix=prefix,
            seed=around.seed,
            zone=timezone(self.offset),
            lag=self.lag,
            referral=self.referral,
            duplicates=self.duplicates,
        )
        hooks = Hooks(MANNERS, now=around.now, rng=Random(f"{around.seed}:hooks"), post=self.post)
        channels = Channels(org=org, hooks=hooks, background=self.background)
        org.watchers.append(channels.tell)
        rng = Random(f"{around.seed}:tokens")
        return Zoho(
            name=self.name,
            token=token,
            api_domain=self.api_domain,
            org=org,
            tokens=Tokens(now=around.now, clock=around.clock, static=token, app=self.app, rng=rng),
            credits=Credits(self.credits, around.clock),
            pages=Pages(Random(f"{around.seed}:pages")),
            channels=channels,
            mixed_code=self.mixed_code,
            failed_code=self.failed_code,
        )


@dataclass(frozen=True, kw_only=True)
class Zoho(ZohoAccount):
    """An account, answering as `dialect.Dialect` asks."""

    @property
    def routes(self) -> Sequence[Route[Call]]:
        """List all that is simulated."""
        return ROUTES

    @property
    def humans(self) -> ZohoOrg:
        """Give the records."""
        return self.org

    def answer(self, match: Match, request: Request, fault: Fault | None) -> Reply:
        """Take a call through its token and scope to its route."""
        row = fault.row if fault and fault.action == "row_locked" else None
        call = Call(account=self, names=match.names, request=request, locked_row=row)
        try:
            if match.route.kind != "token":
                self.tokens.check(request.headers.get("authorization", ""))
                self.tokens.need(match.route.scope.format(module=match.names.get("module", "").lower()))
            reply: Reply = match.route.answer(call)
        except Refusal as refusal:
            return Reply(code=refusal.status, body=refusal.body())
        except LoginRefusal as refusal:
            return Reply(code=200, body=refusal.body())
        headers = self.credits.headers() if match.route.kind != "token" else {}
        return Reply(code=reply.code, body=reply.body, headers={**headers, **reply.headers})

    def fail(self, match: Match, fault: Fault) -> Reply:
        """Say what a fault asks for; a login says the word in `policy`, with the status of the fault."""
        headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
        if match.route.kind == "token":
            refused = LoginRefusal(fault.policy or "general_error")
            return Reply(code=fault.code, body=refused.body(), headers=headers)
        known = {
            401: invalid_token(),
            403: Refusal("NO_PERMISSION", "Permission denied"),
            429: too_many(),
            503: Refusal("SERVICE_UNAVAILABLE", "Service temporarily unavailable for maintenance"),
        }
        refusal = known.get(fault.code, Refusal("INTERNAL_ERROR", "Internal Server Error"))
        if fault.action == "scope_missing":
            refusal = scope_mismatch()
        code = 401 if fault.action == "scope_missing" else fault.code
        return Reply(code=code, body=refusal.body(), headers=headers)

    def expire(self, authorization: str) -> None:
        """Let the token of this header expire now."""
        self.tokens.expire(authorization)

    def revoke(self) -> None:
        """End every credential, as a revoked refresh token does."""
        self.tokens.revoke()

    def close(self) -> None:
        """End the sending of notifications."""
        self.channels.hooks.stop()

    def unsimulated(self) -> Reply:
        """Say 501 with the list of routes."""
        message = "The sandbox does not simulate this operation. It knows those under `routes`."
        details = {"routes": [str(route) for route in ROUTES]}
        return Reply(code=501, body=Refusal("NOT_SIMULATED", message, details=details).body())
