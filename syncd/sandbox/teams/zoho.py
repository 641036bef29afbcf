"""A sales team that works in Zoho CRM: it works with leads, and converts those that are worth a deal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from syncd.sandbox.courier import Courier
from syncd.sandbox.crm import Fault, Sandbox, ZohoOrg, ZohoSetup
from syncd.sandbox.crm.humans import Outcome
from syncd.sandbox.crm.lag import Lag
from syncd.sandbox.crm.zoho import Zoho, ZohoApp
from syncd.sandbox.sales import Reach
from syncd.sandbox.team import QUICK, Team

_STATUSES: Mapping[Reach, str] = {"meeting": "Contacted", "lost": "Lost Lead"}
_STAGES: Mapping[Reach, str] = {
    "meeting": "Needs Analysis",
    "contract": "Negotiation/Review",
    "won": "Closed Won",
    "lost": "Closed-Lost to Competition",
}

_TO_CLOSE = timedelta(days=90)

_SECTION = """\
  - name: {account}
    type: zoho
    oauth:
      client_id: {client}
      client_secret: ${{file:secrets/{account}}}
      refresh_token: ${{file:secrets/{account}-refresh}}
    accounts_url: {base_url}
    base_url: {base_url}
    push:
      as: lead
      fields:
        Company: friend.company
        Description: "Referred by {{advocate.name}}"
        Referral_Code: referral.code
    stages:
      Leads: {{Contacted: meeting, Lost Lead: lost}}
      Standard (Standard): {{Needs Analysis: meeting, Negotiation/Review: meeting}}
    poll: {poll}
"""


class ZohoTeam(Team):
    """A lead is contacted, then dismissed or converted; its deal is won or lost."""

    vendor = "Zoho CRM"
    model = ZohoOrg
    is_deal = True
    made = frozenset({"Leads"})
    falls_silent = True
    renews = True

    def __init__(self, crm: Sandbox, account: str) -> None:
        super().__init__(crm, account)
        self._org = crm.model(account, ZohoOrg)
        self._account = crm.accounts[account]

    @staticmethod
    def setup(account: str, lag: Lag, courier: Courier | None = None) -> ZohoSetup:
        return ZohoSetup(name=account, lag=lag, post=courier.post if courier else None)

    @staticmethod
    def section(account: str, base_url: str, poll: str = QUICK) -> str:
        return _SECTION.format(account=account, base_url=base_url, client=ZohoApp().client_id, poll=poll)

    @staticmethod
    def secret(crm: Sandbox, account: str) -> str:
        return ZohoApp().client_secret

    @staticmethod
    def more_secrets() -> Mapping[str, str]:
        return {"refresh": ZohoApp().refresh_token}

    def webhook(self) -> str:
        return f'{{token: "${{file:secrets/{self.account}-webhook}}"}}'

    def move(self, deal: str, to: Reach, amount: str | None = None) -> str:
        with self._org.lock:
            record = self._org.live(deal)
            if record.module == "Leads":
                if became := record.text("Converted_Deal"):
                    return self.move(became, to, amount)
                if to in _STATUSES:
                    self._org.move(deal, _STATUSES[to])
                    return deal
                deal = self._convert(deal)
            if amount:
                self._org.set_amount(deal, amount)
            self._org.move(deal, _STAGES[to])
            return deal

    def _convert(self, lead: str) -> str:
        record = self._org.live(lead)
        if record.converted:  # without a deal, when somebody opened one by hand
            return self._org.open_deal(record.text("Converted_Contact"), stage=_STAGES["meeting"])
        name = f"{record.text('Company')} {record.text('Last_Name')}".strip()
        closing = (self._org.now().date() + _TO_CLOSE).isoformat()
        opened = {"Deal_Name": name, "Stage": _STAGES["meeting"], "Closing_Date": closing}
        return self._org.convert_lead(lead, deal=opened).deal or lead

    def outcome(self, deal: str) -> Outcome | None:
        with self._org.lock:
            try:
                record = self._org.live(deal)
            except KeyError:
                return None
            if record.module == "Leads":
                return "lost" if record.text("Lead_Status") == _STATUSES["lost"] else "open"
            return self._org.schema.stages[record.text("Stage")].outcome

    def delete(self, deal: str) -> None:
        self._org.archive(self._org.live(deal).module, deal)

    def restore(self, deal: str) -> None:
        for module in ("Leads", "Deals"):
            if self._org.find(module, deal):
                self._org.restore(module, deal)

    def meet(self, email: str) -> str:
        return self._org.create("Leads", Last_Name="Stranger", Company="Somewhere Ltd", Email=email)

    def merge(self, person: str, other: str, *, ours_wins: bool) -> str:
        first, second = (person, other) if ours_wins else (other, person)
        return self._org.merge("Leads", first, second)

    def rename_stage(self) -> str:
        stage = "Negotiation/Review"
        label = "Paperwork" if self._org.label(stage) == stage else stage
        self._org.rename_stage(stage, label)
        return f"{stage} is now called {label}"

    def too_many(self, *, daily: bool) -> Fault:
        return Fault(action="status", code=429)

    def expired(self) -> Fault:
        return Fault(action="token_expire", path="/crm/v8/", times=2)

    def refuse_renewal(self) -> Sequence[Fault]:
        refused = Fault(action="status", code=200, path="/oauth/v2/token", policy="invalid_code")
        return (Fault(action="token_expire", path="/crm/v8/", times=1), refused)

    def refuse_rows(self, company: str) -> Fault | None:
        return Fault(action="row_locked", method="POST", path=r"/crm/v8/Leads$")

    def silence(self, seconds: float) -> str:
        account = self._account
        assert isinstance(account, Zoho)
        with self._org.lock:
            for it in account.channels.listed():
                account.channels.put(replace(it, expiry=self._org.now()))
        return "the notification channels have run out"


team = ZohoTeam
