"""`syncd rules`: on paper without a database, and on the installation's own history."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from syncd.cli import cli
from tests.cli.conftest import Place
from tests.cli.test_commands import add

ROOT = Path(__file__).parents[2]
LOYALTY = str(ROOT / "config" / "campaigns" / "loyalty-2026.yaml")
EXAMPLES = ROOT / "rules" / "examples"
AS_OF = ("--as-of", "2026-04-15T00:00:00+02:00")


def rules(*args: str) -> Result:
    """Run a command with no configuration anywhere."""
    return CliRunner().invoke(cli, ["rules", *args], env={"SYNCD_CONFIG": "/nowhere"}, prog_name="syncd")


def test_eval_prints_the_result_of_the_worked_example() -> None:
    result = rules("eval", LOYALTY, str(EXAMPLES / "loyalty-2026.events.json"), *AS_OF, "--format", "json")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == json.loads((EXAMPLES / "loyalty-2026.result.json").read_text())


def test_eval_prints_for_people_what_the_manual_shows() -> None:
    result = rules("eval", LOYALTY, str(EXAMPLES / "loyalty-2026.events.json"), *AS_OF)

    assert result.stdout.rstrip() in (ROOT / "rules" / "README.md").read_text()


def test_versions_may_be_several_files(tmp_path: Path) -> None:
    (tmp_path / "1.yaml").write_text("campaign: c\n")
    (tmp_path / "2.yaml").write_text("campaign: c\nversion: 2\neffective_from: 2026-03-01\ncounting: conversions\n")
    events = [
        {"id": "c", "type": "code.created", "at": "2026-01-01T00:00:00Z", "code": "A", "advocate": "ada"},
        {"id": "s", "type": "friend.signed_up", "at": "2026-02-01T00:00:00Z", "code": "A", "friend": "bob"},
        {"id": "t", "type": "friend.signed_up", "at": "2026-04-01T00:00:00Z", "code": "A", "friend": "cem"},
    ]
    (tmp_path / "e.json").write_text(json.dumps(events))
    files = [str(tmp_path / name) for name in ("1.yaml", "2.yaml", "e.json")]

    told = json.loads(rules("eval", *files, "--as-of", "2026-05-01T00:00:00Z", "--format", "json").stdout)

    assert {friend: state["counted"] for friend, state in told["referrals"].items()} == {"bob": True, "cem": False}


def test_a_program_that_cannot_be_used_is_told_with_every_place_and_every_id(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("campaign: c\nmilestones:\n  - {id: three, target: 0}\n  - id: four\n    counting: referrals\n")
    (tmp_path / "e.json").write_text("[]")

    plain = rules("eval", str(path), str(tmp_path / "e.json"))
    form = rules("eval", str(path), str(tmp_path / "e.json"), "--format", "json")

    assert plain.exit_code == form.exit_code == 78
    assert f"{path}:3:25: error: milestone three: '0' is not a whole number" in plain.stderr
    assert f"{path}:5:5: error: milestone four: all milestones follow the campaign's `counting`" in plain.stderr
    assert (plain.stdout, form.stderr) == ("", plain.stderr)
    told = json.loads(form.stdout)
    assert told["error"] == "config"
    assert [(problem["line"], problem["col"]) for problem in told["problems"]] == [(3, 25), (4, 5), (5, 5)]


def test_programs_of_two_campaigns_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(f"campaign: {name}\n")
    (tmp_path / "e.json").write_text("[]")
    result = rules("eval", *(str(tmp_path / name) for name in ("a.yaml", "b.yaml", "e.json")))

    assert result.exit_code == 78
    assert "b.yaml:1:11: error: a second campaign, b" in result.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[\n  1,\n]", "e.json:3:1: error: this file is not JSON\n"),
        ("{}", "events are a JSON array"),
        ('[{"id": "1", "type": "x.y", "at": "2026-01-01T00:00:00Z"}, 7]', "e.json#/0/type: error: event '1': 'x.y'"),
        ("\xff", "e.json:1:1: error: this file is not UTF-8"),
        ("[" * 100_000, "this file nests deeper than 32"),
        ('[{"id": "a", "id": "a"}]', "e.json#/0/id: error: an object has the same name twice"),
        ('[{"id": "\\ud800x"}]', "e.json#/0/id: error: a text holds half of a surrogate pair"),
        (f'[{{"id": "a", "points": {"9" * 5000}}}]', "e.json#/0/points: error: a whole number is beyond 64 bits"),
        (f'[{{"id": "{"x" * 5000}"}}]', "(5000 characters): `type` is missing"),
    ],
)
def test_events_that_cannot_be_used_are_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "e.json").write_text(text, encoding="latin-1")

    result = rules("eval", LOYALTY, str(tmp_path / "e.json"), "--format", "json")

    assert result.exit_code == 65
    assert told in result.stderr
    assert json.loads(result.stdout)["error"] == "data"


def test_what_is_wrong_with_a_program_hides_nothing_that_is_wrong_with_the_events(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("campaign: c\ncolour: red\n")
    event = '{"id": "e", "type": "link.shared", "type": "link.shared", "at": "x", "advocate": 7}'
    (tmp_path / "e.json").write_text(f"[{event}, 7]")

    plain, form = (
        rules("eval", *(str(tmp_path / name) for name in ("p.yaml", "e.json")), "--format", name)
        for name in ("text", "json")
    )

    assert plain.exit_code == form.exit_code == 78
    assert "p.yaml:2:1: error: unknown key 'colour'" in plain.stderr
    assert plain.stderr.endswith("5 errors\n")
    told = json.loads(form.stdout)["problems"]
    assert [problem.get("pointer") for problem in told] == [None, "/0/type", "/0/at", "/0/advocate", "/1"]


def test_a_time_that_nothing_can_be_counted_to_is_a_mistake_in_the_command(tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text("[]")
    for at in ("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"):
        result = rules("eval", LOYALTY, str(tmp_path / "e.json"), "--as-of", at)
        assert result.exit_code == 2
        assert "between the years 1900 and 8999" in result.stderr


def test_an_id_that_was_told_with_two_contents_is_named(tmp_path: Path) -> None:
    shared = {"id": "twice", "type": "link.shared", "at": "2026-03-01T00:00:00Z", "advocate": "a"}
    (tmp_path / "e.json").write_text(json.dumps([shared, {**shared, "advocate": "b"}]))

    plain, form = (rules("eval", LOYALTY, str(tmp_path / "e.json"), *AS_OF, "--format", f) for f in ("text", "json"))

    assert "conflicts, of which the earlier is used\nEVENT\ntwice\n" in plain.stdout
    assert json.loads(form.stdout)["conflicts"] == ["twice"]


def test_a_file_of_events_alone_is_a_mistake_in_the_command() -> None:
    assert rules("eval", LOYALTY).exit_code == 2


def test_the_cases_of_the_example_pass_and_one_that_fails_says_what_differs(tmp_path: Path) -> None:
    cases = EXAMPLES / "loyalty-2026.cases.json"
    assert rules("test", LOYALTY, str(cases)).stdout.endswith("2 cases, 0 failed\n")

    wrong = json.loads(cases.read_text())
    wrong[0]["expect"]["referrals"]["omar"]["via"] = "api"
    (tmp_path / "c.json").write_text(json.dumps(wrong))
    plain, form = (rules("test", LOYALTY, str(tmp_path / "c.json"), "--format", name) for name in ("text", "json"))

    assert plain.exit_code == form.exit_code == 1
    assert "FAILED  A deal" in plain.stdout
    assert "referrals.omar.via: expected 'api', and it is 'crm'" in plain.stdout
    assert [case["passed"] for case in json.loads(form.stdout)] == [False, True]


# --- on the installation's history ------------------------------------------------------------------------------------


def test_explain_says_why_with_the_facts_and_their_sources(place: Place) -> None:
    id = add(place, "mei@example.com", "--first-name", "Mei")
    place.did("referrals", "qualify", id)

    told = place.did("rules", "explain", id)
    form = json.loads(place.did("rules", "explain", id, "--format", "json"))

    assert "is qualified since" in told
    assert "through manual" in told
    assert "Mei (" in told
    assert "Reward welcome: 50 points to Mei" in told
    assert [fact["fact"].split(" ", 1)[1] for fact in form["facts"]][1].startswith("signed up with the code")
    assert all(fact["source"].startswith("cli:") for fact in form["facts"])
    assert form["referral"] == id


def test_explain_of_an_unknown_referral_is_refused(place: Place) -> None:
    assert "there is no referral 'ref_x'" in place.call("rules", "explain", "ref_x").stderr


def dump(place: Place) -> Any:
    return place.did("rewards", "list", "--format", "json"), place.did("referrals", "list", "--format", "json")


def test_replay_says_who_would_gain_and_touches_nothing(place: Place) -> None:
    id = add(place, "mei@example.com", "--first-name", "Mei")
    place.did("referrals", "qualify", id)
    new = place.folder / "new.yaml"
    new.write_text((place.folder / "spring.yaml").read_text().replace("amount: 50", "amount: 80"))
    before = dump(place)

    told = place.did("rules", "replay", "--against", str(new))
    form = json.loads(place.did("rules", "replay", "--against", str(new), "--format", "json"))

    assert "gain" in told
    assert "Mei (" in told
    assert [(change["before"], change["after"]) for change in form["balances"]] == [(50, 80)]
    assert [(change["before"], change["after"]) for change in form["rewards"]] == [
        ("50 points, available", "80 points, available")
    ]
    assert dump(place) == before
    same = place.did("rules", "replay", "--against", str(place.folder / "spring.yaml"))
    assert "nobody would gain or lose anything" in same


def test_replay_of_a_campaign_that_is_not_configured_is_refused(place: Place) -> None:
    other = place.folder / "other.yaml"
    other.write_text("campaign: other\n")

    assert (
        "campaign other is not configured; known: spring"
        in place.call("rules", "replay", "--against", str(other)).stderr
    )
