"""How an org of Salesforce answers: versions, sessions, limits, and refusals in the vendor's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from syncd.sandbox.crm.dialect import Surroundings
from syncd.sandbox.crm.exchange import Reply, Request
from syncd.sandbox.crm.faults import Fault
from syncd.sandbox.crm.hooks import Exchange
from syncd.sandbox.crm.lag import Lag, no_lag
from syncd.sandbox.crm.routes import Match, Route, find
from syncd.sandbox.crm.salesforce.account import SalesforceAccount
from syncd.sandbox.crm.salesforce.call import Call
from syncd.sandbox.crm.salesforce.describe import NEWEST, OLDEST
from syncd.sandbox.crm.salesforce.duplicates import NO_RULE, DuplicateRule
from syncd.sandbox.crm.salesforce.limits import OrgLimits, Usage
from syncd.sandbox.crm.salesforce.locators import Locators
from syncd.sandbox.crm.salesforce.objects import ReferralField, standard
from syncd.sandbox.crm.salesforce.org import Org
from syncd.sandbox.crm.salesforce.outbound import Outbound, OutboundMessages
from syncd.sandbox.crm.salesforce.refusal import LoginRefusal, Refusal, Several, limit_exceeded, not_found
from syncd.sandbox.crm.salesforce.routes import ROUTES
from syncd.sandbox.crm.salesforce.sessions import ClientApp, Sessions
from syncd.sandbox.crm.salesforce.store import API_USER

MOST_URI = 16_384
"""Bytes of path and query; what is longer is refused with 414."""


@dataclass(frozen=True, kw_only=True)
class SalesforceSetup:
    """What an org is like. Its URL prefix is /<name>, its static session sandbox-<name> unless given."""

    name: str = "salesforce"
    token: str = field(default="", repr=False)
    app: ClientApp | None = field(default_factory=ClientApp)
    domain: str = "acme.my"
    lifetime: timedelta = timedelta(hours=2)  # of an idle session
    referral: ReferralField | None = field(default_factory=ReferralField)  # None: the admin has made no field
    rule: DuplicateRule = NO_RULE
    currencies: bool = False  # whether records have a CurrencyIsoCode
    limits: OrgLimits = field(default_factory=OrgLimits)
    page: int = 2_000  # rows of a query's page, whatever a client asks for
    lag: Lag = no_lag  # seconds for which what the sales team did stays uncommitted
    outbound: OutboundMessages = field(default_factory=OutboundMessages)
    background: bool = True  # whether messages are sent by a thread; else by `Salesforce.outbound.hooks.tick`
    post: Exchange | None = None  # sends messages; None sends them to loopback

    def open(self, around: Surroundings) -> Salesforce:
        """Make the org, empty."""
        schema = standard(self.referral, currencies=self.currencies)
        org = Org(now=around.now, schema=schema, seed=around.seed, lag=self.lag, referral=self.referral, rule=self.rule)
        outbound = Outbound(
            setup=self.outbound,
            org=org,
            seed=around.seed,
            background=self.background,
            post=self.post,
        )
        org.listeners.append(outbound.tell)
        token = self.token or f"sandbox-{self.name}"
        sessions = Sessions(
            now=around.now,
            static=token,
            app=self.app,
            lifetime=self.lifetime,
            instance_url=f"https://{self.domain}.salesforce.com",
            identity=f"https://login.salesforce.com/id/{org.id}/{API_USER}",
            rng=Random(f"{around.seed}:sessions"),
        )
        return Salesforce(
            name=self.name,
            token=token,
            org=org,
            sessions=sessions,
            usage=Usage(self.limits, around.clock),
            locators=Locators(),
            outbound=outbound,
            page=self.page,
            rng=Random(f"{around.seed}:answers"),
        )


@dataclass(frozen=True, kw_only=True)
class Salesforce(SalesforceAccount):
    """An org, answering as `dialect.Dialect` asks."""

    @property
    def routes(self) -> Sequence[Route[Call]]:
        """List all that is simulated."""
        return ROUTES

    @property
    def humans(self) -> Org:
        """Give the records."""
        return self.org

    def answer(self, match: Match, request: Request, fault: Fault | None) -> Reply:
        """Take a call through its URI, version, session and limits to its route."""
        try:
            if request.uri_bytes > MOST_URI:
                raise Refusal("URI_TOO_LONG", f"The URI exceeds {MOST_URI} bytes", status=414)
            _check_version(match)
            if match.names.get("version"):
                self.sessions.check(request.headers.get("authorization", ""))
                self.usage.admit()
        except Refusal as refusal:
            return Reply(code=refusal.status, body=refusal.body())
        row = fault.row if fault and fault.action == "row_locked" else None
        reply = self._run(match, request, row)
        headers = self.usage.headers() if reply.code < 400 and match.names.get("version") else {}
        return Reply(code=reply.code, body=reply.body, headers={**headers, **reply.headers})

    def fail(self, match: Match, fault: Fault) -> Reply:
        """Say what a fault asks for; a 403 is a limit, of which `policy` names another than TotalRequests."""
        headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
        if match.route.kind == "token":
            refused = LoginRefusal(fault.policy or "unknown_error", "retry your request", fault.code)
            return Reply(code=fault.code, body=refused.body(), headers=headers)
        known = {
            401: Refusal("INVALID_SESSION_ID", "Session expired or invalid"),
            403: limit_exceeded(fault.policy or "TotalRequests"),
            503: Refusal("SERVER_UNAVAILABLE", "Server is too busy"),
        }
        refusal = known.get(fault.code, Refusal("UNKNOWN_EXCEPTION", "An unexpected error occurred."))
        if fault.action == "scope_missing":
            refusal = Refusal("INSUFFICIENT_ACCESS", "You do not have the access that this operation needs.")
        code = 403 if fault.action == "scope_missing" else fault.code
        return Reply(code=code, body=refusal.body(), headers=headers)

    def expire(self, authorization: str) -> None:
        """Let the session of this header expire now."""
        self.sessions.expire(authorization)

    def revoke(self) -> None:
        """End every session, and with it the app."""
        self.sessions.revoke()

    def close(self) -> None:
        """End the sending of Outbound Messages."""
        self.outbound.hooks.stop()

    def unsimulated(self) -> Reply:
        """Say 501 with the list of routes."""
        message = "The sandbox does not simulate this operation. It knows those under `routes`."
        routes = {"routes": [str(route) for route in ROUTES]}
        return Reply(code=501, body=Refusal("NOT_SIMULATED", message, extra=routes).body())

    def _run(self, match: Match, request: Request, row: int | None) -> Reply:
        call = Call(account=self, names=match.names, request=request, inner=self._inner, locked_row=row)
        try:
            reply: Reply = match.route.answer(call)
        except Refusal as refusal:
            return Reply(code=refusal.status, body=refusal.body())
        except LoginRefusal as refusal:
            return Reply(code=refusal.status, body=refusal.body())
        except Several as several:
            base = f"{call.base}/sobjects/{call.kind.name}"
            return Reply(code=300, body=[f"{base}/{id_}" for id_ in several.ids])
        return reply

    def _inner(self, request: Request) -> Reply:
        match = find(ROUTES, request)
        return self._run(match, request, None) if match else self.unsimulated()


def _check_version(match: Match) -> None:
    version = match.names.get("version")
    if version is None:
        return
    if float(version) < OLDEST:
        raise Refusal("GONE", f"API version {version} is retired", status=410)
    if float(version) > NEWEST or not version.endswith(".0"):
        raise not_found()
