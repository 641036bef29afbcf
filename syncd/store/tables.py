"""The schema: what is kept, and the constraints that keep it true.

Three work tables (outbox, inbox, source) have one shape: a row is due at `due_at`, and closed when that is NULL.
Taking a row moves `due_at` behind the lease and raises `lease`, the fencing number: a dead worker's row falls due
again by itself, and a late worker's write, which names an older number, changes nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)  # two instants differ by that at the least


def micros(at: datetime) -> int:
    """Give an instant as whole microseconds since 1970."""
    return (at - EPOCH) // TICK


def instant(micros: int) -> datetime:
    """Give the instant so many microseconds after the beginning of 1970, in UTC."""
    return EPOCH + micros * TICK


class Instant(TypeDecorator[datetime]):
    """An aware time, stored as whole microseconds of UTC: SQLite would drop the zone of any other form."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone reached the database")
        return micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else instant(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

NAMES = 640  # characters of what is put together of a connector, a record, a lead, a pipeline, a stage and a version

# BIGINT does not number itself on SQLite; INTEGER does.
Serial = BigInteger().with_variant(Integer, "sqlite")


def _work_columns() -> list[Column[object]]:
    return [
        Column("due_at", Instant, index=True),  # when it wants attention; NULL = closed
        Column("lease", BigInteger, nullable=False, server_default="0"),  # the fencing number
        Column("attempt", Integer, nullable=False, server_default="0"),  # calls begun that may have had an effect
        Column("failures", Integer, nullable=False, server_default="0"),  # of them, those that this row is to blame for
        Column("error", Text),  # what the last attempt ended with
        Column("created_at", Instant, nullable=False),
    ]


setting = Table(  # what the installation remembers about itself
    "setting",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

token = Table(  # who may use the API
    "token",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of the token; the token itself is not kept
    Column("role", String(16), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

participant = Table(  # a person; beside it only deliveries that are not decided, and dead letters, hold an address
    "participant",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("identity", String(64), unique=True),  # HMAC of the normalised e-mail; NULL once erased or merged
    Column("email", Text),
    Column("first_name", Text),
    Column("last_name", Text),
    Column("phone", Text),
    Column("company", Text),
    Column("created_at", Instant, nullable=False),
    Column("erased_at", Instant),
    Column("merged_into", String(40), ForeignKey("participant.id"), index=True),
)

campaign = Table(  # this row is locked before the books of a campaign with a budget are touched
    "campaign",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("version", BigInteger, nullable=False, server_default="0"),  # raised whenever its books are written
)

program = Table(  # the versions that have taken effect: what was promised is not changed afterwards
    "program",
    metadata,
    Column("campaign", String(64), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("seen_at", Instant, nullable=False),
)

advocate = Table(  # the books of a participant in a campaign; this row is locked before anything of theirs is counted
    "advocate",
    metadata,
    Column("campaign", String(64), primary_key=True),
    Column("participant", String(40), ForeignKey("participant.id"), primary_key=True),
    Column("joined_at", Instant, nullable=False),
    Column("version", BigInteger, nullable=False, server_default="0"),  # raised whenever these books are written
)

code = Table(
    "code",
    metadata,
    Column("code", String(64), primary_key=True),  # as written on links; unique over all campaigns
    Column("folded", String(64), nullable=False, unique=True),  # as looked up
    Column("campaign", String(64), nullable=False),
    Column("advocate", String(40), ForeignKey("participant.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Index(None, "campaign", "advocate"),
)

referral = Table(  # one friend of one advocate in one campaign
    "referral",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("campaign", String(64), nullable=False),
    Column("advocate", String(40), ForeignKey("participant.id"), nullable=False),
    Column("friend", String(40), ForeignKey("participant.id"), nullable=False),
    Column("code", String(64), nullable=False),
    Column("channel", String(64)),
    Column("captured_at", Instant, nullable=False),
    Column("standing", String(16), nullable=False),  # captured | pushed | in_pipeline | qualified | lost | rejected
    Column("reason", String(64)),  # why rejected
    Column("counted", Boolean, nullable=False, default=False),
    Column("qualified_at", Instant),
    Column("qualified_via", String(32)),
    UniqueConstraint("campaign", "friend"),
    Index(None, "campaign", "advocate"),
    Index(None, "standing"),
    Index(None, "captured_at", "id"),
)

record = Table(  # where a lead lives in a CRM
    "record",
    metadata,
    Column("connector", String(40), primary_key=True),
    Column("lead", String(40), primary_key=True),  # a referral's id, or a participant's for an advocate
    Column("person_type", String(40)),
    Column("person_id", String(120)),
    Column("deal_type", String(40)),
    Column("deal_id", String(120)),
    Column("url", Text),
    Column("pushed_at", Instant),
    Column("gone", String(16)),  # deleted | invisible, as the CRM last said
    Column("swept_at", Instant),
    Index(None, "connector", "person_id"),
    Index(None, "connector", "deal_id"),
    Index(None, "lead"),
)

deal = Table(  # the newest that a CRM said of each deal of a lead
    "deal",
    metadata,
    Column("connector", String(40), primary_key=True),
    Column("deal_type", String(40), primary_key=True),
    Column("deal_id", String(120), primary_key=True),
    Column("lead", String(40), primary_key=True),
    Column("pipeline", String(120), nullable=False),
    Column("stage", String(120), nullable=False),
    Column("outcome", String(8)),
    Column("amount", BigInteger),
    Column("currency", String(3)),
    Column("at", Instant, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("names", JSON, nullable=False),  # what the rules know it as: its own id, and those merged into it
    Column("gone", String(16)),
    Index(None, "lead"),
)

outbox = Table(  # what we owe
    "outbox",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("key", String(1700), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),  # push | effect | tell; noted, heard: of effects
    Column("connector", String(40)),  # the receiver, where it is to be told
    Column("lead", String(40)),
    Column("campaign", String(64)),  # of an effect
    Column("payload", JSON, nullable=False, default=dict),
    *_work_columns(),
    Column("dead", Boolean, nullable=False, default=False),  # closed without having succeeded
    Index(None, "connector", "due_at"),
    Index(None, "lead"),
    Index(None, "campaign"),
)

inbox = Table(  # what we were told
    "inbox",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("key", String(NAMES), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),  # fact | delivery | timer | poke
    Column("source", String(64), nullable=False),  # the connector, sender or campaign that it is from
    Column("payload", JSON, nullable=False, default=dict),
    *_work_columns(),
    Column("dead", Boolean, nullable=False, default=False),
    Index(None, "source", "due_at"),
)

source = Table(  # a configured connector as something to poll
    "source",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("cursor", Text),
    *_work_columns(),
    Column("sweep_at", Instant),  # when the next sweep of the open referrals begins
    Column("state", String(16), nullable=False),  # new | healthy | failing | parked | misconfigured
    Column("held_until", Instant),  # no call is made before
    Column("account", Text),
    Column("stages", JSON),  # [pipeline, id, label, outcome] as last read, to show names
    Column("polled_at", Instant),
    Column("ill_since", Instant),
    Column("origin", String(48), nullable=False, unique=True),  # its first name, by which events know it for ever
    Column("skew_ms", BigInteger, nullable=False, server_default="0"),  # the CRM's clock less ours
    Column("paused_at", Instant),  # since when people want it to make no calls
    Column("paused_until", Instant),  # until when; NULL = until they say so
    Column("paused_by", String(120)),
    Column("subscribe_at", Instant),  # when to see to the CRM's webhooks; NULL = there is nothing to see to
    Column("subscribed_until", Instant),  # when they end by themselves, where they do
    Column("subscribed_url", Text),  # to which they go; its secret part is left out
)

receiver = Table(  # how those who are told what happens fare
    "receiver",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("state", String(16), nullable=False),  # healthy | failing | gone
    Column("held_until", Instant),  # nothing is posted before
    Column("failures", Integer, nullable=False, server_default="0"),  # since it was last well
    Column("error", Text),
    Column("ill_since", Instant),
    Column("told_at", Instant),  # when it last took a message
)

credential = Table(  # what OAuth gave a connector; every token is encrypted
    "credential",
    metadata,
    Column("connector", String(40), primary_key=True),
    Column("refresh", Text),  # the newest refresh token
    Column("spare", Text),  # the one before it, until the newest has worked
    Column("access", Text),
    Column("access_until", Instant),
    Column("api", Text),  # where the API is, as the vendor said
    Column(
        "renewals", JSON, nullable=False, default=list
    ),  # when the last access tokens were asked for, in microseconds
    Column("lease", BigInteger, nullable=False, server_default="0"),  # the fencing number of whoever asks for one now
    Column("leased_until", Instant),
    Column("granted_at", Instant, nullable=False),  # when an admin consented, or the configuration brought it in
    Column("origin", String(64)),  # the fingerprint of the configured refresh token that this one grew from
    Column("refused", Text),  # why the vendor gives no token any more; NULL while it does
)

quota = Table(  # what a CRM allows, and how much of it is used; shared by all processes
    "quota",
    metadata,
    Column("connector", String(40), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("limit", BigInteger, nullable=False),  # units of the whole account in a window
    Column("limit_at", Instant),  # when the CRM itself last told that limit
    Column("window_ms", BigInteger, nullable=False),
    Column("next_at", Instant),  # of a short window: when the next call may go
    Column("spent", JSON, nullable=False),  # of a long window: [[microseconds, units]], a pair for each hour of a day
    Column("left", BigInteger),  # what the account has left, as the CRM last said
    Column("left_at", Instant),
    Column("resets_at", Instant),
)

event = Table(  # a fact for the rules
    "event",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),  # in the order of their coming
    Column("campaign", String(64), nullable=False),
    Column("id", String(NAMES), nullable=False),
    Column("type", String(40), nullable=False),
    Column("at", Instant, nullable=False),
    Column("about", String(40), nullable=False),  # the participant: it is in their books, and in their advocate's
    Column("data", JSON, nullable=False),
    Column("cause", String(120), nullable=False),  # who or what told us
    Column("received_at", Instant, nullable=False),
    UniqueConstraint("campaign", "id"),
    Index(None, "about", "campaign"),
)

ledger_txn = Table(  # append-only: triggers refuse any other change, and postings beyond those it came with
    "ledger_txn",
    metadata,
    Column("key", String(1500), primary_key=True),
    Column("entitlement", String(1500), nullable=False),
    Column("seq", BigInteger, nullable=False),  # the order within the advocate's books
    Column("campaign", String(64), nullable=False),
    Column("advocate", String(40), nullable=False),
    Column("program_version", Integer, nullable=False),
    Column("cause_event", String(NAMES), nullable=False),
    Column("effective_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("postings", Integer, nullable=False),  # how many it has
    Index(None, "campaign", "advocate"),
    Index(None, "entitlement"),
)

ledger_posting = Table(  # append-only; the amounts of a transaction sum to 0 per unit
    "ledger_posting",
    metadata,
    Column("txn", String(1500), ForeignKey("ledger_txn.key"), primary_key=True),
    Column("account", String(200), primary_key=True),
    Column("unit", String(40), primary_key=True),
    Column("amount", BigInteger, nullable=False),
    Index(None, "account"),
)

reward = Table(  # the present state of each entitlement; a view of the ledger kept for lists
    "reward",
    metadata,
    Column("key", String(1500), primary_key=True),
    Column("campaign", String(64), nullable=False),
    Column("advocate", String(40), nullable=False),  # whose books it is in; `recipient` may be the friend
    Column("recipient", String(40), nullable=False),
    Column("rule", String(64), nullable=False),
    Column("reward", String(64), nullable=False),
    Column("subject", String(120), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("amount", String(40), nullable=False),
    Column("currency", String(3)),
    Column("product", String(120)),
    Column("status", String(16), nullable=False),
    Column("approval", String(16)),  # awaiting: a person has to agree before it is given
    Column("changed_at", Instant, nullable=False),
    Index(None, "campaign", "advocate"),
)

milestone = Table(  # the milestones that stand
    "milestone",
    metadata,
    Column("campaign", String(64), primary_key=True),
    Column("participant", String(40), primary_key=True),
    Column("milestone", String(64), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("reached_at", Instant, nullable=False),
)

history = Table(  # every change of state: what, when, and who or what caused it
    "history",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("what", String(32), nullable=False),
    Column("referral", String(40)),
    Column("participant", String(40)),
    Column("connector", String(40)),
    Column("cause", String(120), nullable=False),
    Column("detail", JSON, nullable=False, default=dict),
    Index(None, "referral"),
)

request = Table(  # answers given, by idempotency key
    "request",
    metadata,
    Column("key", String(300), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
)
