"""How a company of Pipedrive answers: credentials, limits, scopes, and refusals in the vendor's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from syncd.sandbox.crm.dialect import Surroundings
from syncd.sandbox.crm.exchange import Reply, Request
from syncd.sandbox.crm.faults import Fault
from syncd.sandbox.crm.hooks import Hooks, Post
from syncd.sandbox.crm.lag import Lag, no_lag
from syncd.sandbox.crm.pipedrive.call import Call, PipedriveAccount
from syncd.sandbox.crm.pipedrive.company import Company
from syncd.sandbox.crm.pipedrive.conversions import Conversions
from syncd.sandbox.crm.pipedrive.limits import Limits, Meter, ShutOut
from syncd.sandbox.crm.pipedrive.refusal import Refusal, no_scope, too_many, unauthorized
from syncd.sandbox.crm.pipedrive.routes import ROUTES, Priced
from syncd.sandbox.crm.pipedrive.schema import CustomField, referral_fields, standard
from syncd.sandbox.crm.pipedrive.tokens import GrantRefusal, OAuthApp, Tokens
from syncd.sandbox.crm.pipedrive.webhooks import MANNERS, Webhooks
from syncd.sandbox.crm.routes import Match, Route

FIRST_COMPANY = 13_000_001


@dataclass(frozen=True, kw_only=True)
class PipedriveSetup:
    """What a company is like. Its URL prefix is /<name>, its API token sandbox-<name> unless given."""

    name: str = "pipedrive"
    token: str = field(default="", repr=False)
    app: OAuthApp | None = None
    domain: str = "acme"
    referral_fields: bool = True  # whether the admin has made "Referral ID" and its companions
    custom: tuple[CustomField, ...] = ()  # further custom fields
    limits: Limits = field(default_factory=Limits)
    lag: Lag = no_lag  # of the search index
    open_deals: int | None = None  # how many the plan has room for
    custom_fields: int | None = None  # the same of custom fields
    conversion_seconds: float = 0.0  # how long a lead's conversion by API takes
    nested_pages: bool = False  # whether v1's list of leads tells its paging under `pagination`
    background: bool = True  # whether webhooks are sent by a thread; else by `Pipedrive.webhooks.hooks.tick`
    post: Post | None = None  # sends webhooks; None sends them to loopback

    def open(self, around: Surroundings) -> Pipedrive:
        """Make the company, empty."""
        token, number = self.token or f"sandbox-{self.name}", FIRST_COMPANY + around.number
        custom = [*(referral_fields() if self.referral_fields else ()), *self.custom]
        company = Company(
            now=around.now,
            schema=standard(around.seed, custom),
            seed=around.seed,
            lag=self.lag,
            open_deals=self.open_deals,
        )
        host = f"{self.domain}.pipedrive.com"
        rng = Random(f"{around.seed}:tokens")
        webhooks = Webhooks(
            company=number,
            host=host,
            hooks=Hooks(MANNERS, now=around.now, rng=Random(f"{around.seed}:hooks"), post=self.post),
            now=around.now,
            rng=Random(f"{around.seed}:events"),
            background=self.background,
        )
        company.listeners.append(webhooks.tell)
        seconds, conversions = self.conversion_seconds, Random(f"{around.seed}:conversions")
        return Pipedrive(
            name=self.name,
            number=number,
            domain=self.domain,
            token=token,
            company=company,
            tokens=Tokens(now=around.now, static=token, app=self.app, rng=rng, api_domain=f"https://{host}"),
            meter=Meter(self.limits, clock=around.clock, now=around.now),
            conversions=Conversions(company, seconds=seconds, now=around.now, rng=conversions),
            webhooks=webhooks,
            custom_fields=self.custom_fields,
            nested_pages=self.nested_pages,
        )


@dataclass(frozen=True, kw_only=True)
class Pipedrive(PipedriveAccount):
    """A company, answering as `dialect.Dialect` asks."""

    @property
    def routes(self) -> Sequence[Route[Call]]:
        """List all that is simulated."""
        return ROUTES

    @property
    def humans(self) -> Company:
        """Give the records."""
        return self.company

    def answer(self, match: Match, request: Request, fault: Fault | None) -> Reply:
        """Take a call through credentials, limits and scopes to its route."""
        headers: Mapping[str, str] = {}
        try:
            self.conversions.settle()
            route: Priced = match.route  # type: ignore[assignment]
            if route.kind != "token":
                headers, request = self._admit(route, request)
            reply = route.answer(Call(account=self, kind=route.record, names=match.names, request=request))
        except Refusal as refusal:
            reply = Reply(code=refusal.status, body=refusal.body(), headers=refusal.headers)
        except GrantRefusal as refusal:
            reply = Reply(code=refusal.status, body=refusal.body())
        except ShutOut:
            return _cloudflare()
        return replace(reply, headers={**headers, **reply.headers})

    def fail(self, match: Match, fault: Fault) -> Reply:
        """Say what a fault asks for; a 429 is of the burst unless the fault's policy is "daily"."""
        headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
        known = {
            401: unauthorized(),
            402: Refusal(402, "Company account is not open"),
            403: Refusal(403, "Forbidden"),
            404: Refusal(404, "Not found"),
            429: too_many(daily=fault.policy == "daily"),
            503: Refusal(503, "Scheduled maintenance"),
        }
        refusal = known.get(fault.code, Refusal(fault.code, "Internal server error"))
        if fault.action == "scope_missing":
            refusal = no_scope()
        if refusal.status == 429 and fault.policy != "daily":
            headers = {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "2", **headers}
        return Reply(code=refusal.status, body=refusal.body(), headers=headers)

    def expire(self, authorization: str) -> None:
        """Let the OAuth token of this header expire now; without one the API token is withdrawn."""
        self.tokens.expire(authorization)

    def revoke(self) -> None:
        """End every credential of the company."""
        self.tokens.revoke()

    def unsimulated(self) -> Reply:
        """Say 501 with the list of routes."""
        refusal = Refusal(501, "The sandbox does not simulate this operation. It knows those under `routes`.")
        return Reply(code=501, body={**refusal.body(), "routes": [str(route) for route in ROUTES]})

    def close(self) -> None:
        """End the sending of webhooks."""
        self.webhooks.hooks.stop()

    def _admit(self, route: Priced, request: Request) -> tuple[Mapping[str, str], Request]:
        """Let a call in or refuse it; give the headers of its answer, and the call without a token in its query."""
        query = dict(request.query)
        given = query.pop("api_token", None)
        oauth = self.tokens.check(request.headers, given[0] if given else None, str(route))
        search = route.kind == "search"
        self.meter.admit(route.cost, search=search, oauth=oauth)
        if oauth:
            self.tokens.need(route.scope)
        return self.meter.headers(search=search, oauth=oauth), replace(request, query=query)


def _cloudflare() -> Reply:
    """Refuse as Cloudflare does: with a web page."""
    page = "<!doctype html><title>Access denied</title><p>You have been blocked."
    return Reply(code=403, body=page, media="text/html; charset=UTF-8", headers={"Server": "cloudflare"})
