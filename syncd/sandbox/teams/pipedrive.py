"""A sales team that works in Pipedrive: leads wait in an inbox until they become deals, or are archived."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from syncd.sandbox.courier import Courier
from syncd.sandbox.crm import Company, Fault, PipedriveSetup, Sandbox
from syncd.sandbox.crm.humans import Outcome
from syncd.sandbox.crm.lag import Lag
from syncd.sandbox.crm.pipedrive import Limits, Pipedrive
from syncd.sandbox.sales import Reach
from syncd.sandbox.team import QUICK, Team

_STAGES: Mapping[Reach, str] = {"meeting": "3", "contract": "5", "won": "won", "lost": "lost"}
_INBOX: Mapping[str, str] = {"open": "Leads Inbox", "archived": "Leads Inbox, archived"}
_FIRST = "2"  # where a deal begins that a lead has become

_SECTION = """\
  - name: {account}
    type: pipedrive
    api_token: ${{file:secrets/{account}}}
    base_url: {base_url}
    push:
      as: lead
      fields:
        Referral code: referral.code
        Referred by: advocate.name
        deal.title: "Referral: {{friend.name}}"
    stages:
      leads: {{archived: lost}}
      "1": {{"3": meeting, "5": meeting}}
    poll: {poll}
"""


class PipedriveTeam(Team):
    """A lead is seen, then archived, or made a deal as soon as a contract is in sight."""

    vendor = "Pipedrive"
    model = Company
    made = frozenset({"person", "lead"})
    falls_silent = True

    def __init__(self, crm: Sandbox, account: str) -> None:
        super().__init__(crm, account)
        self._company = crm.model(account, Company)
        self._account = crm.accounts[account]

    @staticmethod
    def setup(account: str, lag: Lag, courier: Courier | None = None) -> PipedriveSetup:
        return PipedriveSetup(
            name=account, limits=Limits(daily=300_000), lag=lag, post=courier.post if courier else None
        )

    @staticmethod
    def section(account: str, base_url: str, poll: str = QUICK) -> str:
        return _SECTION.format(account=account, base_url=base_url, poll=poll)

    @staticmethod
    def secret(crm: Sandbox, account: str) -> str:
        return crm.token(account)

    def webhook(self) -> str:
        return f'{{user: syncd, password: "${{file:secrets/{self.account}-webhook}}"}}'

    def move(self, deal: str, to: Reach, amount: str | None = None) -> str:
        with self._company.lock:
            if self._is_lead(deal):
                if to == "meeting":
                    self._company.edit("lead", deal, was_seen=True)
                    return deal
                if to == "lost":
                    self._company.shelve("lead", deal)
                    return deal
                deal = self._company.convert_lead(deal, stage=_FIRST)
            if amount:
                self._company.set_amount(deal, amount)
            self._company.move(deal, _STAGES[to])
            return deal

    def outcome(self, deal: str) -> Outcome | None:
        with self._company.lock:
            try:
                record = self._company.live("lead" if self._is_lead(deal) else "deal", deal)
            except KeyError:
                return None
            if record.kind == "lead":
                return "lost" if record.archived else "open"
            outcome: Outcome = record.values["status"]
            return outcome

    def label(self, stage: str) -> str:
        return _INBOX.get(stage) or super().label(stage)

    def delete(self, deal: str) -> None:
        self._company.archive("lead" if self._is_lead(deal) else "deal", deal)

    def restore(self, deal: str) -> None:
        self._company.restore("lead" if self._is_lead(deal) else "deal", deal)

    def meet(self, email: str) -> str:
        return self._company.meet("A Stranger", email)

    def merge(self, person: str, other: str, *, ours_wins: bool) -> str:
        first, second = (person, other) if ours_wins else (other, person)
        return self._company.merge("person", first, second)

    def rename_stage(self) -> str:
        label = "Paperwork" if self._company.label("5") != "Paperwork" else "Negotiations Started"
        self._company.rename_stage("5", label)
        return f"stage 5 is now called {label}"

    def too_many(self, *, daily: bool) -> Fault:
        return Fault(action="status", code=429, policy="daily" if daily else "")

    def expired(self) -> Fault:
        # The token of a user does not expire; the sandbox's works again once the fault is over.
        return Fault(action="status", code=401)

    def refuse_rows(self, company: str) -> Fault | None:
        return Fault(action="status", code=400, method="POST", path=r"/leads$", times=1)

    def silence(self, seconds: float) -> str:
        account = self._account
        assert isinstance(account, Pipedrive)
        until = self._company.now() + timedelta(seconds=seconds)
        for it in account.webhooks.listed():
            if subscription := account.webhooks.hooks.subscription(it.id):
                subscription.banned_until = until
        return "webhooks are banned, as after ten failures"

    def _is_lead(self, deal: str) -> bool:
        return deal in self._company.records["lead"]


team = PipedriveTeam
