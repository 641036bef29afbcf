"""The first schema, and the triggers that keep the books and the history append-only, and the ledger balanced."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = ("ledger_txn", "ledger_posting", "history")
OF_THE_SAME = "FROM ledger_posting WHERE txn = NEW.txn"
NOT_WHOLE = f"""
    EXISTS (
        SELECT 1 FROM ledger_txn WHERE key = NEW.txn AND (
            postings < (SELECT count(*) {OF_THE_SAME})
            OR postings = (SELECT count(*) {OF_THE_SAME})
            AND EXISTS (SELECT 1 {OF_THE_SAME} GROUP BY unit HAVING sum(amount) <> 0)
        )
    )
"""  # a transaction has more postings than it came with, or all of them and they do not balance
NOT_WHOLE_SAYS = "a transaction of the ledger comes with all its postings, and they balance"


def upgrade() -> None:
    _create_tables()
    if op.get_bind().dialect.name == "postgresql":
        _refuse_changes_on_postgresql()
    else:
        _refuse_changes_on_sqlite()


def _refuse_changes_on_postgresql() -> None:
    op.execute("""
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
        END $$
    """)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute(f"""
        CREATE FUNCTION refuse_unbalanced() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF {NOT_WHOLE} THEN
                RAISE EXCEPTION '{NOT_WHOLE_SAYS}' USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NULL;
        END $$
    """)
    op.execute(
        "CREATE TRIGGER ledger_posting_whole AFTER INSERT ON ledger_posting"
        " FOR EACH ROW EXECUTE FUNCTION refuse_unbalanced()"
    )


def _refuse_changes_on_sqlite() -> None:
    for table in APPEND_ONLY:
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_append_only_{change.lower()} BEFORE {change} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    op.execute(
        f"CREATE TRIGGER ledger_posting_whole AFTER INSERT ON ledger_posting WHEN {NOT_WHOLE}"
        f" BEGIN SELECT RAISE(ABORT, '{NOT_WHOLE_SAYS}'); END"
    )


def _create_tables() -> None:
    op.create_table(
        "credential",
        sa.Column("connector", sa.String(length=40), nullable=False),
        sa.Column("refresh", sa.Text(), nullable=True),
        sa.Column("spare", sa.Text(), nullable=True),
        sa.Column("access", sa.Text(), nullable=True),
        sa.Column("access_until", sa.BigInteger(), nullable=True),
        sa.Column("api", sa.Text(), nullable=True),
        sa.Column("renewals", sa.JSON(), nullable=False),
        sa.Column("lease", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=True),
        sa.Column("granted_at", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.String(length=64), nullable=True),
        sa.Column("refused", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("connector", name=op.f("pk_credential")),
    )
    op.create_table(
        "quota",
        sa.Column("connector", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("limit", sa.BigInteger(), nullable=False),
        sa.Column("limit_at", sa.BigInteger(), nullable=True),
        sa.Column("window_ms", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("spent", sa.JSON(), nullable=False),
        sa.Column("left", sa.BigInteger(), nullable=True),
        sa.Column("left_at", sa.BigInteger(), nullable=True),
        sa.Column("resets_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("connector", "name", name=op.f("pk_quota")),
    )
    op.create_table(
        "deal",
        sa.Column("connector", sa.String(length=40), nullable=False),
        sa.Column("deal_type", sa.String(length=40), nullable=False),
        sa.Column("deal_id", sa.String(length=120), nullable=False),
        sa.Column("lead", sa.String(length=40), nullable=False),
        sa.Column("pipeline", sa.String(length=120), nullable=False),
        sa.Column("stage", sa.String(length=120), nullable=False),
        sa.Column("outcome", sa.String(length=8), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("gone", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("connector", "deal_type", "deal_id", "lead", name=op.f("pk_deal")),
    )
    op.create_index(op.f("ix_deal_lead"), "deal", ["lead"], unique=False)
    op.create_table(
        "event",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("campaign", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=640), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("about", sa.String(length=40), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("cause", sa.String(length=120), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_event")),
        sa.UniqueConstraint("campaign", "id", name=op.f("uq_event_campaign_id")),
    )
    op.create_index(op.f("ix_event_about_campaign"), "event", ["about", "campaign"], unique=False)
    op.create_table(
        "campaign",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign")),
    )
    op.create_table(
        "program",
        sa.Column("campaign", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("campaign", "version", name=op.f("pk_program")),
    )
    op.create_table(
        "history",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("referral", sa.String(length=40), nullable=True),
        sa.Column("participant", sa.String(length=40), nullable=True),
        sa.Column("connector", sa.String(length=40), nullable=True),
        sa.Column("cause", sa.String(length=120), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_history")),
    )
    op.create_index(op.f("ix_history_referral"), "history", ["referral"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=640), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("lease", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("dead", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("key", name=op.f("uq_inbox_key")),
    )
    op.create_index(op.f("ix_inbox_due_at"), "inbox", ["due_at"], unique=False)
    op.create_index(op.f("ix_inbox_source_due_at"), "inbox", ["source", "due_at"], unique=False)
    op.create_table(
        "ledger_txn",
        sa.Column("key", sa.String(length=1500), nullable=False),
        sa.Column("entitlement", sa.String(length=1500), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("campaign", sa.String(length=64), nullable=False),
        sa.Column("advocate", sa.String(length=40), nullable=False),
        sa.Column("program_version", sa.Integer(), nullable=False),
        sa.Column("cause_event", sa.String(length=640), nullable=False),
        sa.Column("effective_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("postings", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_ledger_txn")),
    )
    op.create_index(op.f("ix_ledger_txn_campaign_advocate"), "ledger_txn", ["campaign", "advocate"], unique=False)
    op.create_index(op.f("ix_ledger_txn_entitlement"), "ledger_txn", ["entitlement"], unique=False)
    op.create_table(
        "milestone",
        sa.Column("campaign", sa.String(length=64), nullable=False),
        sa.Column("participant", sa.String(length=40), nullable=False),
        sa.Column("milestone", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("reached_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("campaign", "participant", "milestone", "number", name=op.f("pk_milestone")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=1700), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("connector", sa.String(length=40), nullable=True),
        sa.Column("lead", sa.String(length=40), nullable=True),
        sa.Column("campaign", sa.String(length=64), nullable=True),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("lease", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("dead", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_outbox_key")),
    )
    op.create_index(op.f("ix_outbox_connector_due_at"), "outbox", ["connector", "due_at"], unique=False)
    op.create_index(op.f("ix_outbox_due_at"), "outbox", ["due_at"], unique=False)
    op.create_index(op.f("ix_outbox_campaign"), "outbox", ["campaign"], unique=False)
    op.create_index(op.f("ix_outbox_lead"), "outbox", ["lead"], unique=False)
    op.create_table(
        "participant",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("first_name", sa.Text(), nullable=True),
        sa.Column("last_name", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("company", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=True),
        sa.Column("merged_into", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(["merged_into"], ["participant.id"], name=op.f("fk_participant_merged_into")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_participant")),
        sa.UniqueConstraint("identity", name=op.f("uq_participant_identity")),
    )
    op.create_index(op.f("ix_participant_merged_into"), "participant", ["merged_into"], unique=False)
    op.create_table(
        "receiver",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("held_until", sa.BigInteger(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("ill_since", sa.BigInteger(), nullable=True),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_receiver")),
    )
    op.create_table(
        "record",
        sa.Column("connector", sa.String(length=40), nullable=False),
        sa.Column("lead", sa.String(length=40), nullable=False),
        sa.Column("person_type", sa.String(length=40), nullable=True),
        sa.Column("person_id", sa.String(length=120), nullable=True),
        sa.Column("deal_type", sa.String(length=40), nullable=True),
        sa.Column("deal_id", sa.String(length=120), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("pushed_at", sa.BigInteger(), nullable=True),
        sa.Column("gone", sa.String(length=16), nullable=True),
        sa.Column("swept_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("connector", "lead", name=op.f("pk_record")),
    )
    op.create_index(op.f("ix_record_connector_deal_id"), "record", ["connector", "deal_id"], unique=False)
    op.create_index(op.f("ix_record_connector_person_id"), "record", ["connector", "person_id"], unique=False)
    op.create_index(op.f("ix_record_lead"), "record", ["lead"], unique=False)
    op.create_table(
        "request",
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_request")),
    )
    op.create_table(
        "reward",
        sa.Column("key", sa.String(length=1500), nullable=False),
        sa.Column("campaign", sa.String(length=64), nullable=False),
        sa.Column("advocate", sa.String(length=40), nullable=False),
        sa.Column("recipient", sa.String(length=40), nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column("reward", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("amount", sa.String(length=40), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("product", sa.String(length=120), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("approval", sa.String(length=16), nullable=True),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_reward")),
    )
    op.create_index(op.f("ix_reward_campaign_advocate"), "reward", ["campaign", "advocate"], unique=False)
    op.create_table(
        "setting",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_setting")),
    )
    op.create_table(
        "source",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("lease", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sweep_at", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("held_until", sa.BigInteger(), nullable=True),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("stages", sa.JSON(), nullable=True),
        sa.Column("polled_at", sa.BigInteger(), nullable=True),
        sa.Column("ill_since", sa.BigInteger(), nullable=True),
        sa.Column("origin", sa.String(length=48), nullable=False),
        sa.Column("skew_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.Column("paused_until", sa.BigInteger(), nullable=True),
        sa.Column("paused_by", sa.String(length=120), nullable=True),
        sa.Column("subscribe_at", sa.BigInteger(), nullable=True),
        sa.Column("subscribed_until", sa.BigInteger(), nullable=True),
        sa.Column("subscribed_url", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_source")),
        sa.UniqueConstraint("origin", name=op.f("uq_source_origin")),
    )
    op.create_index(op.f("ix_source_due_at"), "source", ["due_at"], unique=False)
    op.create_table(
        "token",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_token_digest")),
    )
    op.create_table(
        "advocate",
        sa.Column("campaign", sa.String(length=64), nullable=False),
        sa.Column("participant", sa.String(length=40), nullable=False),
        sa.Column("joined_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["participant"], ["participant.id"], name=op.f("fk_advocate_participant")),
        sa.PrimaryKeyConstraint("campaign", "participant", name=op.f("pk_advocate")),
    )
    op.create_table(
        "code",
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("folded", sa.String(length=64), nullable=False),
        sa.Column("campaign", sa.String(length=64), nullable=False),
        sa.Column("advocate", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["advocate"], ["participant.id"], name=op.f("fk_code_advocate")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_code")),
        sa.UniqueConstraint("folded", name=op.f("uq_code_folded")),
    )
    op.create_index(op.f("ix_code_campaign_advocate"), "code", ["campaign", "advocate"], unique=False)
    op.create_table(
        "ledger_posting",
        sa.Column("txn", sa.String(length=1500), nullable=False),
        sa.Column("account", sa.String(length=200), nullable=False),
        sa.Column("unit", sa.String(length=40), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["txn"], ["ledger_txn.key"], name=op.f("fk_ledger_posting_txn")),
        sa.PrimaryKeyConstraint("txn", "account", "unit", name=op.f("pk_ledger_posting")),
    )
    op.create_index(op.f("ix_ledger_posting_account"), "ledger_posting", ["account"], unique=False)
    op.create_table(
        "referral",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("campaign", sa.String(length=64), nullable=False),
        sa.Column("advocate", sa.String(length=40), nullable=False),
        sa.Column("friend", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=True),
        sa.Column("captured_at", sa.BigInteger(), nullable=False),
        sa.Column("standing", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.Column("qualified_at", sa.BigInteger(), nullable=True),
        sa.Column("qualified_via", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["advocate"], ["participant.id"], name=op.f("fk_referral_advocate")),
        sa.ForeignKeyConstraint(["friend"], ["participant.id"], name=op.f("fk_referral_friend")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_referral")),
        sa.UniqueConstraint("campaign", "friend", name=op.f("uq_referral_campaign_friend")),
    )
    op.create_index(op.f("ix_referral_campaign_advocate"), "referral", ["campaign", "advocate"], unique=False)
    op.create_index(op.f("ix_referral_captured_at_id"), "referral", ["captured_at", "id"], unique=False)
    op.create_index(op.f("ix_referral_standing"), "referral", ["standing"], unique=False)
