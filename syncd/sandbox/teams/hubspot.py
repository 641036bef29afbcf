"""A sales team that works in HubSpot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from syncd.sandbox.courier import PROOF, Courier
from syncd.sandbox.crm import CrmModel, Fault, HubSpotSetup, Limits, OAuthApp, Required, Sandbox
from syncd.sandbox.crm.hubspot.webhooks import WebhookApp
from syncd.sandbox.crm.humans import Outcome
from syncd.sandbox.crm.lag import Lag
from syncd.sandbox.sales import Reach
from syncd.sandbox.team import QUICK, Item, Team

_STAGES: Mapping[Reach, str] = {
    "meeting": "qualifiedtobuy",
    "contract": "contractsent",
    "won": "closedwon",
    "lost": "closedlost",
}

_CLIENT, _REFRESH = "sandbox-client", "sandbox-refresh-token"

_SECTION = """\
  - name: {account}
    type: hubspot
    {credential}
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
    poll: {poll}
"""


class HubSpotTeam(Team):
    """Deals in the pipeline `default`."""

    vendor = "HubSpot"
    model = CrmModel
    made = frozenset({"contacts", "deals"})

    def __init__(self, crm: Sandbox, account: str) -> None:
        super().__init__(crm, account)
        self._model = crm.model(account, CrmModel)

    @staticmethod
    def setup(account: str, lag: Lag, courier: Courier | None = None) -> HubSpotSetup:
        return HubSpotSetup(
            name=account,
            app=OAuthApp(client_id=_CLIENT, client_secret=PROOF, refresh_token=_REFRESH, rotates=True),
            webhooks=WebhookApp(client_secret=PROOF),
            limits=Limits(burst=190),
            lag=lag,
            post=courier.post if courier else None,
        )

    @staticmethod
    def section(account: str, base_url: str, poll: str = QUICK) -> str:
        token = f"token: ${{file:secrets/{account}}}"
        return _SECTION.format(account=account, base_url=base_url, poll=poll, credential=token)

    def item(self, crm: Sandbox) -> Item:
        it, name = super().item(crm), self.account
        secret, refresh = (f'"${{file:secrets/{file}}}"' for file in (name, f"{name}-refresh"))
        # As an app, whose refresh token is another after each use.
        app = f"{{client_id: {_CLIENT}, client_secret: {secret}, refresh_token: {refresh}}}"
        section = it.section.replace(f"    token: ${{file:secrets/{name}}}\n", f"    oauth: {app}\n")
        return replace(it, section=section, secret=PROOF)

    @staticmethod
    def more_secrets() -> Mapping[str, str]:
        return {"refresh": _REFRESH}

    @staticmethod
    def secret(crm: Sandbox, account: str) -> str:
        return crm.token(account)

    def webhook(self) -> str:
        return f'{{secret: "${{file:secrets/{self.account}-webhook}}"}}'

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

    def too_many(self, *, daily: bool) -> Fault:
        return Fault(action="status", code=429, policy="DAILY" if daily else "TEN_SECONDLY_ROLLING")

    def expired(self) -> Fault:
        return Fault(action="token_expire", path="/crm/", times=2)

    def refuse_rows(self, company: str) -> Fault | None:
        rule = Required(type="contacts", property="jobtitle", when=("company", company))
        self._model.schema.required.append(rule)
        return None

    def relent(self) -> None:
        self._model.schema.required.clear()


def _other(now: str, one: str, another: str) -> str:
    return another if now == one else one


team = HubSpotTeam
