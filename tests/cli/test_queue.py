"""`syncd queue`: letters are listed, shown, tried again and given up; only the dead are touched."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import true, update

from syncd import registry
from syncd.cli.installation import operator
from syncd.config import load
from syncd.contract import Gone, RemoteId, RemoteRef, Stage, StageFact
from syncd.flow import facts
from syncd.flow.app import App
from syncd.flow.opening import open_app
from syncd.store import letters, sources, work
from syncd.store.engine import read, write
from syncd.store.tables import inbox, outbox
from tests.cli.conftest import Place

ANNA = ("--campaign", "spring", "--advocate", "anna@example.com", "--advocate-name", "Anna Berg")
DEAL = RemoteRef(deal=RemoteId(type="deal", id="77"))


@contextmanager
def opened(place: Place) -> Iterator[App]:
    app = open_app(load(place.config, env=place.env, connector_types=registry.find))
    yield app
    app.database.dispose()


def refer(place: Place, *friends: str) -> list[str]:
    return [
        place.did("referrals", "add", *ANNA, "--friend", f"{name}@example.com", "--first-name", name.title()).strip()
        for name in friends
    ]


def refuse(place: Place, leads: list[str], error: str = "phone is no number") -> list[str]:
    """Make dead letters of what is owed of these leads, as a CRM's refusal does; give their names."""
    with opened(place) as app, write(app.database) as tx:
        duties = work.claim(tx, outbox, outbox.c.lead.in_(leads), limit=100, now=app.clock())
        for duty in duties:
            work.settle(tx, outbox, duty, error=error, dead=True)
    return [f"o{next(duty.id for duty in duties if duty.lead == lead)}" for lead in leads]


def told(place: Place, payload: dict[str, Any], *, source: str = "crm", kind: str = "fact", dead: str | None) -> str:
    """Put what we were told into the inbox; give its name."""
    with opened(place) as app, write(app.database) as tx:
        work.told(tx, key=f"{kind}:{payload}", kind=kind, source=source, payload=payload, now=app.clock(), dead=dead)
        (letter,) = letters.find(tx, dead=dead is not None, party=source)[-1:]
    return letter.name


def listed(place: Place, *args: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(place.did("queue", "list", "--format", "json", *args))
    return rows


def shown(place: Place, name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(place.did("queue", "show", name, "--format", "json"))
    return data


def history(place: Place, lead: str) -> list[tuple[str, str]]:
    data = json.loads(place.did("referrals", "show", lead, "--format", "json"))
    return [(line["what"], line["cause"]) for line in data["history"]]


# --- list ---


def test_what_waits_and_what_is_dead_stand_in_one_list_the_oldest_first(place: Place) -> None:
    ben, cid = refer(place, "ben", "cid")
    (dead,) = refuse(place, [cid])

    rows = listed(place)

    assert [(row["lead"], row["state"]) for row in rows if row["lead"] in {ben, cid}] == [
        (ben, "waiting"),
        (cid, "dead"),
    ]
    assert listed(place, "--limit", "1") == rows[:1]
    (row,) = listed(place, "--dead")
    assert (row["name"], row["kind"], row["connector"], row["attempts"]) == (dead, "push", "crm", 1)
    assert (row["error"], row["next_try"]) == ("phone is no number", None)
    assert {row["state"] for row in listed(place, "--waiting")} == {"waiting"}


def test_the_list_is_narrowed_and_cut(place: Place) -> None:
    ben, cid = refer(place, "ben", "cid")
    refuse(place, [ben])
    refuse(place, [cid], "50% off")

    assert [row["lead"] for row in listed(place, "--error", "phone")] == [ben]
    assert [row["lead"] for row in listed(place, "--error", "%")] == [cid]
    assert [row["lead"] for row in listed(place, "--dead", "--limit", "1")] == [ben]
    assert listed(place, "--connector", "other") == []
    assert len(listed(place, "--connector", "crm")) == 3


def test_an_address_that_a_crm_repeats_is_not_in_the_list(place: Place) -> None:
    (ben,) = refer(place, "ben")
    (name,) = refuse(place, [ben], "ben@example.com is taken")

    assert listed(place, "--dead")[0]["error"] == "[e-mail] is taken"
    assert "reason       [e-mail] is taken" in place.did("queue", "show", name)


# --- show ---


def test_a_push_is_shown_with_its_lead_and_the_fields_as_they_would_be_sent_now(place: Place) -> None:
    fields = "    push: {fields: {firstname: friend.first_name, referred_by: advocate.name}}\ncampaigns:\n"
    (ben,) = refer(place, "ben")
    (name,) = refuse(place, [ben])
    place.config.write_text(place.config.read_text().replace("campaigns:\n", fields))

    data = shown(place, name)

    assert (data["name"], data["kind"], data["connector"], data["lead"]) == (name, "push", "crm", ben)
    assert (data["campaign"], data["standing"], data["attempts"]) == ("spring", "captured", 1)
    assert (data["dead"], data["next_try"], data["reason"]) == (True, None, "phone is no number")
    assert data["fields"] == {
        "referral_id": ben,
        "email": "ben@example.com",
        "firstname": "Ben",
        "referred_by": "Anna Berg",
    }
    assert "referred_by  Anna Berg\n" in place.did("queue", "show", name)


def test_a_letter_that_waits_is_shown_with_its_next_try(place: Place) -> None:
    (ben,) = refer(place, "ben")
    (row,) = [row for row in listed(place) if row["lead"] == ben]

    data = shown(place, row["name"])

    assert (data["dead"], data["next_try"]) == (False, row["next_try"])
    assert data["next_try"] is not None


def test_a_push_to_a_connector_that_is_gone_says_what_it_waits_for(place: Place) -> None:
    (ben,) = refer(place, "ben")
    (name,) = refuse(place, [ben])
    place.config.write_text(place.config.read_text().replace("name: crm", "name: new").replace("[crm]", "[new]"))

    assert shown(place, name)["told"] == ["connector crm is not configured any more; the lead waits for it"]


def test_a_crms_fact_is_shown_as_sentences(place: Place) -> None:
    at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    won = StageFact(ref=DEAL, pipeline="p", stage="w", outcome="won", at=at, version=2)
    trail = [facts.dump(replace(won, stage="t", outcome="open", version=1)), facts.dump(won)]
    with opened(place) as app, write(app.database) as tx:
        sources.mark(tx, "crm", stages=[Stage(pipeline="p", id="w", label="Closed Won", outcome="won")])

    name = told(place, {"fact": facts.dump(won), "trail": trail, "cause": "poll:crm"}, dead="KeyError")

    assert shown(place, name)["told"] == [
        "crm says: deal 77 stands in t (open) since 2026-03-02 09:00:00Z",
        "crm says: deal 77 stands in Closed Won (won) since 2026-03-02 09:00:00Z",
    ]


@pytest.mark.parametrize(
    ("gone", "sentence"),
    [
        (Gone(ref=DEAL, why="deleted"), "crm says: deal 77 was deleted"),
        (Gone(ref=DEAL, why="invisible"), "crm says: deal 77 cannot be seen any more"),
        (
            Gone(ref=DEAL, why="merged", into=RemoteRef(deal=RemoteId(type="deal", id="78"))),
            "crm says: deal 77 was merged into deal 78",
        ),
    ],
)
def test_a_record_that_is_gone_is_told_in_a_sentence(place: Place, gone: Gone, sentence: str) -> None:
    name = told(place, {"fact": facts.dump(gone), "cause": "poll:crm"}, dead="KeyError")

    assert shown(place, name)["told"] == [sentence]


def test_a_senders_decision_is_shown_as_a_sentence(place: Place) -> None:
    payload = {"verdict": "qualified", "via": "webhook", "email": "ben@example.com", "code": "ANNA-1", "reason": "paid"}
    name = told(place, payload, source="shop", kind="delivery", dead="no referral matches")

    data = shown(place, name)

    assert data["told"] == ["ben@example.com of code ANNA-1 is qualified, through webhook: paid"]
    assert (data["sender"], data["lead"]) == ("shop", None)


def test_a_delivery_that_was_not_understood_is_shown_as_it_came_and_steers_no_terminal(place: Place) -> None:
    name = told(place, {"raw": '{"type": 1}\n\x1b[2Jgone'}, source="shop", kind="delivery", dead="type is no text")

    text = place.did("queue", "show", name)

    assert text.endswith('\n\n{"type": 1}\n\ufffd[2Jgone\n')


def test_a_letter_that_is_closed_or_never_was_is_refused(place: Place) -> None:
    result = place.call("queue", "show", "o99")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "no letter o99 waits or is dead; see: syncd queue list" in result.stderr


@pytest.mark.parametrize("name", ["12", "x12", "o", "o1x", "o" + "9" * 30])
def test_what_is_no_letters_name_is_a_wrong_command_line(place: Place, name: str) -> None:
    assert place.call("queue", "show", name).exit_code == 2
    assert place.call("queue", "retry", name).exit_code == 2


# --- retry ---


def test_dead_letters_are_retried_by_name_and_the_history_says_by_whom(place: Place) -> None:
    ben, cid = refer(place, "ben", "cid")
    first, _ = refuse(place, [ben, cid])

    assert place.did("queue", "retry", first) == "1 letter will be tried again\n"

    assert [row["lead"] for row in listed(place, "--dead")] == [cid]
    assert history(place, ben)[-1][1] == operator()


def test_dead_letters_are_retried_by_connector_and_error(place: Place) -> None:
    ben, cid, dan = refer(place, "ben", "cid", "dan")
    refuse(place, [ben, cid])
    refuse(place, [dan], "no such owner")

    assert place.did("queue", "retry", "--connector", "other") == "0 letters will be tried again\n"
    assert place.did("queue", "retry", "--connector", "crm", "--error", "phone") == "2 letters will be tried again\n"
    assert [row["lead"] for row in listed(place, "--dead")] == [dan]


def test_only_letters_of_the_last_hours_are_retried_where_that_is_asked(place: Place) -> None:
    ben, cid = refer(place, "ben", "cid")
    refuse(place, [ben, cid])
    with opened(place) as app, write(app.database) as tx:
        old = app.clock() - timedelta(hours=3)
        tx.execute(update(outbox).where(outbox.c.lead == ben).values(created_at=old))

    assert place.did("queue", "retry", "--connector", "crm", "--since", "2h") == "1 letter will be tried again\n"
    assert [row["lead"] for row in listed(place, "--dead")] == [ben]
    assert (
        place.did("queue", "retry", "--connector", "crm", "--since", "2020-01-01") == "1 letter will be tried again\n"
    )


def test_a_letter_that_is_not_dead_is_told_and_the_others_are_retried(place: Place) -> None:
    ben, cid = refer(place, "ben", "cid")
    (dead,) = refuse(place, [ben])
    (waiting,) = [row["name"] for row in listed(place) if row["lead"] == cid]

    result = place.call("queue", "retry", waiting, dead)

    assert (result.exit_code, result.stdout) == (1, "1 letter will be tried again\n")
    assert f"error: not dead: {waiting}; see: syncd queue list" in result.stderr


@pytest.mark.parametrize(
    "args", [[], ["o1", "--connector", "crm"], ["o1", "--error", "x"], ["o1", "--since", "2h"], ["--error", "x"]]
)
def test_which_letters_to_retry_is_said_in_one_way(place: Place, args: list[str]) -> None:
    assert place.call("queue", "retry", *args).exit_code == 2


# --- discard ---


def test_a_discarded_letter_is_gone_and_its_reason_is_in_the_history(place: Place) -> None:
    (ben,) = refer(place, "ben")
    (name,) = refuse(place, [ben])

    assert place.did("queue", "discard", name, "--reason", "a test entry") == "1 letter discarded\n"

    assert listed(place, "--dead") == []
    what, cause = history(place, ben)[-1]
    assert "a test entry" in what
    assert cause == operator()
    assert place.call("queue", "discard", name, "--reason", "again").exit_code == 1


def test_what_waits_cannot_be_discarded(place: Place) -> None:
    refer(place, "ben")
    names = [row["name"] for row in listed(place)]

    result = place.call("queue", "discard", *names, "--reason", "x", "--yes")

    assert (result.exit_code, result.stdout) == (1, "0 letters discarded\n")
    assert [row["name"] for row in listed(place)] == names


def test_a_letter_is_not_discarded_without_a_reason(place: Place) -> None:
    assert place.call("queue", "discard", "o1").exit_code == 2
    assert place.call("queue", "discard", "o1", "--reason", " ").exit_code == 2


def test_a_message_of_the_inbox_is_discarded_with_what_it_held(place: Place) -> None:
    name = told(place, {"raw": "ben@example.com"}, source="shop", kind="delivery", dead="not understood")

    place.did("queue", "discard", name, "--reason", "noise", "--yes")

    with opened(place) as app, read(app.database) as tx:
        assert [row._mapping["payload"] for row in tx.execute(inbox.select().where(true()))] == [{}]


def test_a_person_at_a_terminal_is_asked_which_letters_go(place: Place) -> None:
    (ben,) = refer(place, "ben")
    (name,) = refuse(place, [ben])
    ours, theirs = pty.openpty()
    os.write(ours, b"n\n")

    asked = subprocess.run(
        [sys.executable, "-m", "syncd", "-c", place.config, "queue", "discard", name, "--reason", "x"],
        env=place.env,
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(ours)
    os.close(theirs)

    assert f"{name}: push of {ben}, crm\nDiscard 1 letter for good? [y/N]" in asked.stdout
    assert asked.returncode == 1
    assert [row["name"] for row in listed(place, "--dead")] == [name]
