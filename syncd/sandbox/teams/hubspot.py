"""A sales team that works in HubSpot."""

from __future__ import annotations

from collections.abc import Mapping

from syncd.sandbox.crm import CrmModel, Fault, HubSpotSetup, Limits, Required, Sandbox
from syncd.sandbox.crm.humans import Outcome
from syncd.sandbox.crm.lag import Lag
from syncd.sandbox.sales import Reach
from syncd.sandbox.team import Team

_STAGES: Mapping[Reach, str] = {
    "meeting": "qualifiedtobuy",
    "contract": "contractsent",
    "won": "closedwon",
    "lost": "closedlost",
}

_SECTION = """\
  - name: {account}
    type: hubspot
    token: ${{file:secrets/{account}}}
    base_url: {base_url}
    currency: EUR
    push:
      as: deal
      fields:
        firstname: friend.first_name
        lastname: friend.last_name
        company: friend.company
        referred_by: advocate.name
        referral_code: referral.code
        deal.dealname: "Referral: {{friend.name}}"
    stages: {{default: {{qualifiedtobuy: meeting, contractsent: meeting}}}}
    poll: {{every: 1s, overlap: 30s, sweep: 5s}}
"""


class HubSpotTeam(Team):
    """Deals in the pipeline `default`."""

    vendor = "HubSpot"
    made = frozenset({"contacts", "deals"})

    def __init__(self, crm: Sandbox, account: str) -> None:
        super().__init__(crm, account)
        self._model = crm.model(account, CrmModel)
        self._lag = self._model.lag

    @staticmethod
    def setup(account: str, lag: Lag) -> HubSpotSetup:
        return HubSpotSetup(name=account, limits=Limits(burst=190), lag=lag)

    @staticmethod
    def section(account: str, base_url: str) -> str:
        return _SECTION.format(account=account, base_url=base_url)

    @staticmethod
    def secret(crm: Sandbox, account: str) -> str:
        return crm.token(account)

    def move(self, deal: str, to: Reach, amount: str | None = None) -> str:
        values = {"amount": amount, "deal_currency_code": "EUR"} if amount else {}
        self._model.edit("deals", deal, dealstage=_STAGES[to], **values)
        return deal

    def outcome(self, deal: str) -> Outcome | None:
        if (record := self._model.find("deals", deal)) is None:
            return None
        stage = self._model.schema.pipelines["default"].stage(record.values["dealstage"])
        return stage.outcome if stage else None

    def delete(self, deal: str) -> None:
        self._model.archive("deals", deal)

    def restore(self, deal: str) -> None:
        self._model.restore("deals", deal)

    def meet(self, email: str) -> str:
        if known := self._model.find_by("contacts", "email", email):
            return known.id  # the vendor keeps an address once
        values = {"email": email, "lifecyclestage": "subscriber"}
        return self._model.write("contacts", None, values, origin="CRM_UI").id

    def merge(self, person: str, other: str, *, ours_wins: bool) -> str:
        first, second = (person, other) if ours_wins else (other, person)
        return self._model.merge("contacts", first, second)

    def rename_stage(self) -> str:
        label = _other(self._model.label("contractsent"), "Contract Sent", "Paperwork")
        self._model.rename_stage("default", "contractsent", label)
        return f"contractsent is now called {label}"

    def set_lag(self, lag: Lag | None) -> None:
        self._model.lag = lag or self._lag

    def too_many(self, *, daily: bool) -> Fault:
        return Fault(action="status", code=429, policy="DAILY" if daily else "TEN_SECONDLY_ROLLING")

    def expired(self) -> Fault:
        # The static token is one that an admin makes; the sandbox's works again once the fault is over.
        return Fault(action="status", code=401)

    def refuse_rows(self, company: str) -> Fault | None:
        rule = Required(type="contacts", property="jobtitle", when=("company", company))
        self._model.schema.required.append(rule)
        return None

    def relent(self) -> None:
        self._model.schema.required.clear()


def _other(now: str, one: str, another: str) -> str:
    return another if now == one else one


team = HubSpotTeam
