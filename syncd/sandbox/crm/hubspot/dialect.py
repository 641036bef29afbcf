"""How an account of HubSpot answers: credentials, limits, scopes, and refusals in the vendor's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

from syncd.sandbox.crm.dialect import Surroundings
from syncd.sandbox.crm.exchange import Reply, Request
from syncd.sandbox.crm.faults import Fault
from syncd.sandbox.crm.hooks import Post
from syncd.sandbox.crm.hubspot.call import Call, CrmAccount
from syncd.sandbox.crm.hubspot.limits import Limits, Meter, rate_limit
from syncd.sandbox.crm.hubspot.model import CrmModel
from syncd.sandbox.crm.hubspot.refusal import Refusal
from syncd.sandbox.crm.hubspot.routes import ROUTES
from syncd.sandbox.crm.hubspot.schema import ALIASES, standard
from syncd.sandbox.crm.hubspot.tokens import OAuthApp, Tokens, expired, missing_scope, unauthorized
from syncd.sandbox.crm.hubspot.webhooks import WebhookApp, Webhooks
from syncd.sandbox.crm.lag import Lag, no_lag
from syncd.sandbox.crm.routes import Match, Route


@dataclass(frozen=True, kw_only=True)
class HubSpotSetup:
    """What an account is like. Its URL prefix is /<name>, its static token sandbox-<name> unless given."""

    name: str = "hubspot"
    token: str = field(default="", repr=False)
    app: OAuthApp | None = None
    referral_property: bool = True  # whether the admin has made `referral_id` and its companions
    unique: bool = True  # whether `referral_id` has unique values
    limits: Limits = field(default_factory=Limits)
    lag: Lag = no_lag
    partial_status: int = 207  # of a batch in which some rows failed; the vendor has answered 200 too
    webhooks: WebhookApp = field(default_factory=WebhookApp)
    background: bool = True  # whether webhooks are sent by a thread; else by `HubSpot.webhooks.hooks.tick`
    post: Post | None = None  # sends webhooks; None sends them to loopback

    def open(self, around: Surroundings) -> HubSpot:
        """Make the account, empty."""
        portal = 9_000_001 + around.number
        token = self.token or f"sandbox-{self.name}"
        schema = standard(referral_property=self.referral_property, unique=self.unique)
        model = CrmModel(now=around.now, seed=around.seed, schema=schema, lag=self.lag)
        webhooks = Webhooks(
            app=self.webhooks,
            portal=portal,
            now=around.now,
            seed=around.seed,
            background=self.background,
            post=self.post,
        )
        model.listeners.append(webhooks.tell)
        return HubSpot(
            name=self.name,
            portal=portal,
            token=token,
            model=model,
            tokens=Tokens(now=around.now, static=token, app=self.app, rng=Random(f"{around.seed}:tokens")),
            meter=Meter(self.limits, around.clock, portal),
            webhooks=webhooks,
            rng=Random(f"{around.seed}:answers"),
            partial_status=self.partial_status,
        )


@dataclass(frozen=True, kw_only=True)
class HubSpot(CrmAccount):
    """A portal, answering as `dialect.Dialect` asks."""

    @property
    def routes(self) -> Sequence[Route[Call]]:
        """List all that is simulated."""
        return ROUTES

    @property
    def humans(self) -> CrmModel:
        """Give the records."""
        return self.model

    def answer(self, match: Match, request: Request, fault: Fault | None) -> Reply:
        """Take a call through credentials, limits and scopes to its route."""
        route, names = match.route, match.names
        headers: dict[str, str] = {}
        try:
            if route.kind != "token":
                oauth = self.tokens.check(request.headers.get("authorization", ""))
                self.meter.admit(search=route.kind == "search")
                headers = {} if route.kind == "search" else dict(self.meter.headers(oauth=oauth))
                kind = ALIASES.get(names.get("type", names.get("from", "")), "")
                self.tokens.need(route.scope.format(type=kind))
            reply = route.answer(Call(account=self, names=names, request=request))
        except Refusal as refusal:
            reply = self._refuse(refusal)
        return Reply(code=reply.code, body=reply.body, headers={**headers, **reply.headers})

    def fail(self, match: Match, fault: Fault) -> Reply:
        """Say what a fault asks for; a 429 names the ten-secondly limit unless the fault names another."""
        if fault.action == "scope_missing":
            return self._refuse(missing_scope(fault.scope))
        refusal = Refusal(fault.code, "INTERNAL_ERROR", "internal error")
        if fault.code == 401:
            refusal = expired(self.model.now()) if self.tokens.has_app else unauthorized()
        if fault.code == 429:
            refusal = rate_limit(fault.policy or "TEN_SECONDLY_ROLLING", self.portal)
        headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
        return self._refuse(replace(refusal, headers=headers))

    def expire(self, authorization: str) -> None:
        """Let the token of this header expire now."""
        self.tokens.expire(authorization)

    def revoke(self) -> None:
        """End every credential of the portal."""
        self.tokens.revoke()

    def close(self) -> None:
        """End the sending of webhooks."""
        self.webhooks.hooks.stop()

    def unsimulated(self) -> Reply:
        """Say 501 with the list of routes."""
        body = {
            "status": "error",
            "category": "NOT_SIMULATED",
            "message": "The sandbox does not simulate this operation. It knows those under `routes`.",
            "correlationId": "00000000-0000-0000-0000-000000000000",
            "routes": [str(route) for route in ROUTES],
        }
        return Reply(code=501, body=body)

    def _refuse(self, refusal: Refusal) -> Reply:
        """Make a refusal an answer with a correlation id."""
        return Reply(code=refusal.status, body=refusal.body(_correlation(self.rng)), headers=refusal.headers)


def _correlation(rng: Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
