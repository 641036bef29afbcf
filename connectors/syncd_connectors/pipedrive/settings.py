"""What syncd.yaml says of a Pipedrive company."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from syncd.contract import BaseUrl, ConnectorSettings, Interval, OAuthSettings, PollSettings, PushSettings
from syncd.contract import WebhookSettings as AnyWebhook

_Number = Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]


def _password(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < 16:
        raise ValueError("a password of 16 characters and more is needed; syncd webhooks keys makes one")
    return value


class PipedrivePush(PushSettings):
    """What a lead becomes in Pipedrive. Fields are the person's; those of deals and leads have `deal.` before them."""

    kind: Literal["lead", "deal"] = Field(default="lead", alias="as")
    """lead, or deal: what is created for the person of a friend."""
    referral_id: str = "Referral ID"
    """The name of the custom text field that carries our id, on persons and on deals; leads have the deals' fields."""
    owner: Annotated[int, Field(ge=1)] | None = None
    """The id of the user who owns what is created; without it the user of the token does."""
    pipeline: _Number | None = None
    """The id of the pipeline in which a new deal starts; without it the first one."""
    stage: _Number | None = None
    """The id of the stage in which a new deal starts; without it the pipeline's first. No deal is moved later."""

    @model_validator(mode="after")
    def _only_deals_have_stages(self) -> Self:
        if self.kind == "lead" and (self.pipeline or self.stage):
            raise ValueError("pipeline and stage are for `as: deal`; a lead of Pipedrive stands in no pipeline")
        return self


class PipedrivePoll(PollSettings):
    """When and how far back Pipedrive is read."""

    every: Annotated[Interval, Field(ge=timedelta(seconds=1), le=timedelta(days=1))] = timedelta(minutes=5)
    """How often to ask what changed; each time costs 10 tokens of the company's daily budget, 30 with leads."""


class PipedriveWebhook(AnyWebhook):
    """How Pipedrive's webhooks prove themselves: by a user and a password that they are ordered with."""

    user: Annotated[str, Field(pattern=r"^[\x21-\x39\x3b-\x7e]{1,100}$")]
    """Any name, of letters, digits and signs, but without a colon."""
    password: Annotated[SecretStr, AfterValidator(_password)]
    """A secret of 16 characters and more."""


class PipedriveSettings(ConnectorSettings):
    """How to reach a Pipedrive company: with the API token of a user, or as an app that it has installed."""

    company_domain: Annotated[str | None, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")] = None
    """The company's domain, such as acme of acme.pipedrive.com; an app is told it when it signs in."""
    api_token: SecretStr | None = None
    """The API token of a user who sees the records of the whole company."""
    oauth: OAuthSettings | None = None
    """As which app we come, instead of a user with a token; the user who installs it sees the whole company."""
    base_url: BaseUrl | None = None
    """Where Pipedrive is, if not at https://<company_domain>.pipedrive.com; plain http is for loopback only."""
    oauth_url: BaseUrl = "https://oauth.pipedrive.com"
    """Where an app signs in, if not at Pipedrive's own address; plain http is for loopback only."""
    push: PipedrivePush = PipedrivePush()
    """What is written to Pipedrive."""
    poll: PipedrivePoll = PipedrivePoll()
    """How Pipedrive is read."""
    webhook: PipedriveWebhook | None = None
    """How Pipedrive's own webhooks prove themselves; without it none are taken."""

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if (self.api_token is None) == (self.oauth is None):
            raise ValueError("give either api_token or oauth")
        return self

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.api_token and not (self.company_domain or self.base_url):
            raise ValueError("give company_domain, such as acme of acme.pipedrive.com")
        return self

    @property
    def credential(self) -> str:
        """Name the setting that holds the credential, as errors do."""
        return "api_token" if self.api_token else "oauth.refresh_token"
