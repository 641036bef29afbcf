"""A sales team that works in Salesforce: it works with leads, and converts those that are worth an opportunity."""

from __future__ import annotations

from collections.abc import Mapping

from syncd.sandbox.courier import PROOF, Courier
from syncd.sandbox.crm import Fault, Org, SalesforceSetup, Sandbox
from syncd.sandbox.crm.humans import Outcome
from syncd.sandbox.crm.lag import Lag
from syncd.sandbox.crm.salesforce import ClientApp
from syncd.sandbox.sales import Reach
from syncd.sandbox.team import QUICK, Team

_STATUSES: Mapping[Reach, str] = {"meeting": "Working - Contacted", "lost": "Closed - Not Converted"}
_STAGES: Mapping[Reach, str] = {
    "meeting": "Needs Analysis",
    "contract": "Negotiation/Review",
    "won": "Closed Won",
    "lost": "Closed Lost",
}

_SECTION = """\
  - name: {account}
    type: salesforce
    domain: acme.my
    client_id: sandbox-client
    client_secret: ${{file:secrets/{account}}}
    base_url: {base_url}
    currency: EUR
    push:
      as: lead
      fields:
        Description: "Referred by {{advocate.name}}"
        Referral_Code__c: referral.code
    stages:
      Lead: {{Working - Contacted: meeting, Closed - Not Converted: lost}}
      Opportunity: {{Needs Analysis: meeting, Negotiation/Review: meeting}}
    poll: {poll}
"""


class SalesforceTeam(Team):
    """A lead is contacted, then dismissed or converted; its opportunity is won or lost."""

    vendor = "Salesforce"
    model = Org
    is_deal = True
    made = frozenset({"Lead"})

    def __init__(self, crm: Sandbox, account: str) -> None:
        super().__init__(crm, account)
        self._org = crm.model(account, Org)

    @staticmethod
    def setup(account: str, lag: Lag, courier: Courier | None = None) -> SalesforceSetup:
        return SalesforceSetup(name=account, lag=lag, post=courier.exchange if courier else None)

    @staticmethod
    def section(account: str, base_url: str, poll: str = QUICK) -> str:
        return _SECTION.format(account=account, base_url=base_url, poll=poll)

    @staticmethod
    def secret(crm: Sandbox, account: str) -> str:
        return ClientApp().client_secret

    def webhook(self) -> str:
        return f'{{path_secret: "${{file:secrets/{self.account}-webhook}}", organization_id: {self._org.id}}}'

    @property
    def webhook_path(self) -> str:
        return f"{self.account}/{PROOF}"

    def move(self, deal: str, to: Reach, amount: str | None = None) -> str:
        with self._org.lock:
            row = self._org.live(deal)
            if row.kind == "Lead" and to in _STATUSES:
                self._org.move(deal, _STATUSES[to])
                return deal
            if row.kind == "Lead":
                deal = self._org.convert_lead(deal).opportunity or deal
            if amount:
                self._org.set_amount(deal, amount)
            self._org.move(deal, _STAGES[to])
            return deal

    def outcome(self, deal: str) -> Outcome | None:
        with self._org.lock:
            try:
                row = self._org.live(deal)
            except KeyError:
                return None
            if row.get("IsWon") is True:
                return "won"
            return "lost" if row.get("IsClosed") is True else "open"

    def delete(self, deal: str) -> None:
        self._org.archive(self._org.live(deal).kind, deal)

    def restore(self, deal: str) -> None:
        for kind in ("Lead", "Opportunity"):
            if self._org.find(kind, deal):
                self._org.restore(kind, deal)

    def meet(self, email: str) -> str:
        with self._org.lock:
            values = {"LastName": "Stranger", "Company": "Somewhere Ltd", "Email": email}
            return self._org.save("Lead", None, values, self._org.commit_by_hand()).id

    def merge(self, person: str, other: str, *, ours_wins: bool) -> str:
        if self._org.live(person).get("IsConverted"):
            raise KeyError("a converted lead cannot be merged")
        first, second = (person, other) if ours_wins else (other, person)
        return self._org.merge("Lead", first, second)

    def rename_stage(self) -> str:
        stage = "Negotiation/Review"
        label = "Paperwork" if self._org.label(stage) == stage else stage
        self._org.rename_stage(stage, label)
        return f"{stage} is now called {label}"

    def too_many(self, *, daily: bool) -> Fault:
        return Fault(action="status", code=403, policy="TotalRequests" if daily else "ConcurrentRequests")

    def expired(self) -> Fault:
        return Fault(action="token_expire", path="/services/data/v", times=2)

    def refuse_rows(self, company: str) -> Fault | None:
        return Fault(action="row_locked", method="PATCH")


team = SalesforceTeam
