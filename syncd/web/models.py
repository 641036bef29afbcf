"""What the API takes and gives, field by field. What a model does not name is refused, not ignored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from syncd.contract import Person
from syncd.flow.capture import Invitation
from syncd.flow.codes import NewCode
from syncd.flow.happenings import Happening
from syncd.redaction import redact
from syncd.store.books import Booked
from syncd.store.referrals import Change, Referral, Standing
from syncd.web.fields import CodeText, Email, ExternalId, Id, Moment, Name, Phone, Reason, Record


class Taken(BaseModel):
    """What comes in. No text of it is turned into a number, nor the other way round."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Given(BaseModel):
    """What goes out."""

    model_config = ConfigDict(frozen=True)


class PersonTaken(Taken):
    """A person, known by their e-mail address."""

    email: Email
    first_name: Name | None = None
    last_name: Name | None = None
    phone: Phone | None = None
    company: Name | None = None

    def person(self) -> Person:
        """Give the person. An empty text says nothing, so it is none."""
        return Person(**{name: getattr(self, name) or None for name in PersonTaken.model_fields})


class ReferralTaken(Taken):
    """A friend whom an advocate refers; the advocate is named by referral code, or by campaign and e-mail address."""

    friend: PersonTaken
    code: Id | None = None
    campaign: Id | None = None
    advocate: PersonTaken | None = None
    channel: Id | None = None
    external_id: ExternalId | None = None

    def invitation(self) -> Invitation:
        """Give what is asked for."""
        return Invitation(
            friend=self.friend.person(),
            code=self.code,
            campaign=self.campaign,
            advocate=self.advocate.person() if self.advocate else None,
            channel=self.channel,
        )


class AdvocateTaken(PersonTaken):
    """Somebody who joins a campaign as an advocate, with a referral code of their own choosing or ours."""

    campaign: Id
    code: CodeText | None = None
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    redemption_limit: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None

    def new_code(self) -> NewCode:
        """Give what is wanted of a code that is made."""
        return NewCode(
            text=self.code,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            redemption_limit=self.redemption_limit,
        )


class DecisionTaken(Taken):
    """Why a referral is (dis)qualified."""

    reason: Reason | None = None


class HappeningTaken(Taken):
    """What happened to one person, named in one way: by participant, e-mail address, or as the friend of a referral.

    `data` is as rules/README.md describes events of this type, without the person. Without a campaign it goes into
    every one in which the person takes part.
    """

    id: ExternalId
    type: Annotated[str, Field(max_length=40)]
    at: Moment | None = None
    campaign: Id | None = None
    participant: Id | None = None
    email: Email | None = None
    referral: Id | None = None
    data: dict[str, Any] = Field(default_factory=dict)

    def happening(self) -> Happening:
        """Give what happened."""
        return Happening(**{name: getattr(self, name) for name in HappeningTaken.model_fields})


class RewardTaken(Taken):
    """Which reward is meant; who says so is whose token it is."""

    key: Annotated[str, Field(min_length=1, max_length=1500)]


class MergeTaken(Taken):
    """Whose other name a participant turned out to be."""

    model_config = ConfigDict(validate_by_alias=True, validate_by_name=False)

    from_: Annotated[Id, Field(alias="from")]


class ReferralFilter(BaseModel):
    """Which referrals to list."""

    model_config = ConfigDict(extra="forbid")

    campaign: Id | None = None
    standing: Standing | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=400)] | None = None


class RewardFilter(BaseModel):
    """Which rewards to list."""

    model_config = ConfigDict(extra="forbid")

    campaign: Id | None = None
    status: Id | None = None
    approval: Literal["awaiting"] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


class HistoryFilter(BaseModel):
    """Which part of the history to read."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class ReferralGiven(Given):
    """A referral: who is whom by opaque id, and where it stands."""

    id: str
    campaign: str
    code: str
    advocate: str
    friend: str
    channel: str | None
    captured_at: datetime
    standing: Standing
    reason: str | None
    counted: bool
    qualified_at: datetime | None
    qualified_via: str | None

    @classmethod
    def of(cls, referral: Referral) -> ReferralGiven:
        """Show a referral."""
        return ReferralGiven(**{name: getattr(referral, name) for name in ReferralGiven.model_fields})


class ChangeGiven(Given):
    """A line of history."""

    id: int
    at: datetime
    what: str
    referral: str | None
    participant: str | None
    connector: str | None
    cause: str
    detail: Mapping[str, Any]

    @classmethod
    def of(cls, change: Change) -> ChangeGiven:
        """Show a line. A CRM's own words may be in it, and with them what it was told; that is hidden."""
        shown = {name: redact(value) if isinstance(value, str) else value for name, value in change.detail.items()}
        return cls(**{name: getattr(change, name) for name in cls.model_fields if name != "detail"}, detail=shown)


class ReferralWithHistory(ReferralGiven):
    """A referral, and all that happened to it."""

    history: Sequence[ChangeGiven]

    @classmethod
    def with_history(cls, referral: Referral, lines: Sequence[Change]) -> ReferralWithHistory:
        """Show a referral with these lines."""
        return cls(**dict(ReferralGiven.of(referral)), history=[ChangeGiven.of(line) for line in lines])


class Referrals(Given):
    """A page of referrals, newest first; `next` is the cursor of the page after it."""

    referrals: Sequence[ReferralGiven]
    next: str | None


class AdvocateGiven(Given):
    """An advocate and their referral codes, oldest first."""

    id: str
    campaign: str
    codes: Sequence[str]


class RewardGiven(Given):
    """A reward in its present state, by its key; `amount` is a decimal number as text."""

    key: str
    campaign: str
    recipient: str
    rule: str
    reward: str
    subject: str
    kind: str
    amount: str
    currency: str | None
    product: str | None
    status: str
    approval: str | None  # awaiting: a person has to agree before it is given; rejected: one has refused it
    changed_at: datetime

    @classmethod
    def of(cls, reward: Booked) -> RewardGiven:
        """Show a reward."""
        return cls(**{name: getattr(reward, name) for name in cls.model_fields})


class Rewards(Given):
    """Rewards, the newest change first."""

    rewards: Sequence[RewardGiven]


class ParticipantGiven(Given):
    """A person by their opaque id, and what they have: unit -> {pending, available, fulfilled}."""

    id: str  # who they turned out to be, where they were merged
    erased: bool
    balances: Mapping[str, Mapping[str, int | str]]


class HappeningGiven(Given):
    """The campaigns into which a happening went; none where the person takes part in none."""

    campaigns: Sequence[str]


class History(Given):
    """A part of the history, oldest first; `next` is the `after` of the part behind it."""

    history: Sequence[ChangeGiven]
    next: int


class Queue(Given):
    """How much is still to be done, and how much was given up."""

    open: int
    dead: int


class QuotaGiven(Given):
    """What a CRM allows the whole account in a window of time, and how we keep to it. `text` says it in words.

    Of a quota of a minute or less calls are spaced out, `ours` in a window; of a longer one they are counted.
    """

    name: str
    limit: int
    ours: float
    window_seconds: float
    used: int | None  # by us in this window
    left: int | None  # to the whole account, as the CRM last said, or else by our own count
    resets_at: datetime | None
    text: str


class ConnectorGiven(Given):
    """How a connector fares: what is owed to it, and what it told that is not yet decided.

    One that is configured no longer has no type; its leads wait.
    """

    name: str
    type: str | None
    state: str
    account: str | None
    error: str | None
    held_until: datetime | None
    polled_at: datetime | None
    paused_at: datetime | None  # since when people want it to make no calls; None when they do not
    paused_until: datetime | None
    paused_by: str | None
    outbox: Queue
    inbox: Queue
    quotas: Sequence[QuotaGiven]  # those of which it has used something so far


class SenderGiven(Given):
    """How a sender fares: its deliveries that are not yet decided, and since the start those that were answered how."""

    name: str
    inbox: Queue
    answers: Mapping[str, int]


class ReceiverGiven(Given):
    """How a receiver fares: the messages that wait for it, and those that were given up.

    One that is configured no longer has no host; what it was owed waits.
    """

    name: str
    host: str | None
    state: str  # new, healthy, failing, gone
    error: str | None
    held_until: datetime | None  # it is left alone until then
    told_at: datetime | None  # when it last took a message
    outbox: Queue


class Ledger(Given):
    """Whether the amounts of every unit sum to nothing, as they must, and what the last audit of the books found."""

    balanced: bool
    audited_at: datetime | None
    differing: int  # books that say something else than the facts


class StatusGiven(Given):
    """How the installation fares."""

    connectors: Sequence[ConnectorGiven]
    senders: Sequence[SenderGiven]
    receivers: Sequence[ReceiverGiven]
    referrals: Mapping[Standing, int]
    out_of_date: Sequence[str]  # campaigns whose rules in effect this process does not have; it does not weigh them
    ledger: Ledger


class DeliveryData(Taken):
    """What a sender decided, and of whom: a referral's id, or connector and record, or e-mail, perhaps with a code."""

    referral: Id | None = None
    code: Id | None = None
    email: Email | None = None
    connector: Id | None = None
    record: Record | None = None
    via: Literal["webhook", "zapier", "javascript", "coupon", "api"] = "webhook"
    reason: Reason | None = None


class Delivery(Taken):
    """The body of a sender's webhook."""

    type: Annotated[str, Field(max_length=128)]
    timestamp: Any = None  # Standard Webhooks asks senders for it; our own clock is used
    data: dict[str, Any]
