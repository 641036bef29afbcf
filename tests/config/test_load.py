"""A whole configuration: what it becomes, and that everything wrong with it is told at once, in its place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd.config import Problem, format_problem
from syncd.vault import new_key

Text = Callable[..., str]

EIGHT = """\
databse: sqlite:///syncd.db
server: {listen: "8787"}
connectors:
  - name: crm/eu
    type: demo
    token: ${TOKEN}
    push: {as: dael, fields: {firstname: friend.first_name}}
    poll: {every: 0s}
  - name: other
    type: dmo
campaigns:
  - {files: [spring.yaml], connectors: [othr]}
log: {level: [info]}
"""


def told(problems: tuple[Problem, ...]) -> list[tuple[int, int, str]]:
    return [(problem.line, problem.col, problem.message) for problem in problems]


def messages(error: Any) -> list[str]:
    return [problem.message for problem in error.problems]


def test_eight_mistakes_are_found_in_one_pass_each_in_its_place(spring: Any) -> None:
    assert told(spring.refuse(EIGHT).problems) == [
        (1, 1, "unknown key 'databse'"),
        (2, 18, "'listen': write host:port, such as 127.0.0.1:8787 or [::1]:8787"),
        (4, 11, "'name' cannot be written like this"),
        (7, 16, "'as' must be contact or deal"),
        (8, 19, "'every' must be from 1s to 1d"),
        (10, 11, "unknown connector type 'dmo'"),
        (12, 41, "there is no connector 'othr'"),
        (13, 7, "'level' must be debug or info or warning or error"),
    ]


def test_a_problem_shows_its_line_a_caret_and_what_to_do(folder: Any) -> None:
    problem = folder.refuse("log:\n\tlevl: debug\n".replace("\t", "  ")).problems[0]
    path = folder.path / "syncd.yaml"
    assert format_problem(problem) == (
        f"{path}:2:3: error: unknown key 'levl'\n     2 |   levl: ***\n       |   ^  did you mean 'level'?"
    )


def test_an_empty_mapping_of_settings_is_a_configuration_of_defaults(folder: Any) -> None:
    config = folder.load("log: {}\n")
    assert config.path == folder.path / "syncd.yaml"
    assert config.database == f"sqlite:///{folder.path}/syncd.db"
    assert (config.engine, config.server.address) == ("embedded", ("127.0.0.1", 8787))
    assert (config.connectors, dict(config.campaigns), config.senders, config.warnings) == ((), {}, (), ())


def test_a_connector_and_its_campaign_come_out_typed(spring: Any, connector: Text) -> None:
    config = spring.load(connector("push: {as: contact}", "owner: '42'", "poll: {every: 90s}", "limits: {share: 50%}"))
    (crm,) = config.connectors
    assert (crm.name, crm.push.kind, crm.owner, crm.limits.share) == ("crm", "contact", 42, 0.5)
    assert crm.poll.every == timedelta(seconds=90)
    assert crm.token.get_secret_value() == "t0ken-of-the-account"
    assert config.campaigns["spring"].connectors == ("crm",)
    assert [program.version for program in config.campaigns["spring"].programs] == [1]


def test_a_number_or_a_choice_may_come_from_the_environment(spring: Any, connector: Text) -> None:
    env = {"OWNER": "7", "AS": "contact", "ADVOCATES": "no"}
    (crm,) = spring.load(connector("owner: ${OWNER}", "push: {as: '${AS}', advocates: '${ADVOCATES}'}"), env).connectors
    assert (crm.owner, crm.push.kind, crm.push.advocates) == (7, "contact", False)


@pytest.mark.parametrize("key", ["retention"])
def test_a_section_of_a_later_version_is_refused_as_such(folder: Any, key: str) -> None:
    (problem,) = folder.refuse(f"{key}: {{}}\n").problems
    assert problem.message == f"'{key}' is not available in this version yet"


def test_the_cluster_is_refused_as_not_there_yet(spring: Any, connector: Text) -> None:
    error = spring.refuse(connector(entry="engine: cluster\n"))
    assert messages(error) == ["engine 'cluster' is not available in this version yet"]


def test_a_path_secret_that_a_url_cannot_hold_is_refused_without_being_quoted(spring: Any, connector: Text) -> None:
    (problem,) = spring.refuse(connector("webhook: {path_secret: 'too/short'}")).problems
    assert "16 to 200" in problem.message
    assert "too/short" not in str(problem)


def test_one_key_or_several_decrypt(spring: Any, connector: Text) -> None:
    first, second = new_key(), new_key()
    one = spring.load(connector(entry='secrets: {key: "${FIRST}"}\n'), env={"FIRST": first})
    two = spring.load(connector(entry=f"secrets: {{key: [{first}, {second}]}}\n"))
    assert [key.get_secret_value() for key in one.secrets.key] == [first]
    assert [key.get_secret_value() for key in two.secrets.key] == [first, second]


def test_a_missing_key_is_told_at_its_section_with_its_meaning(folder: Any) -> None:
    error = folder.refuse("connectors:\n  - name: crm\n    type: demo\n")
    problem = next(problem for problem in error.problems if problem.severity == "error")
    assert (problem.line, problem.col, problem.message) == (2, 5, "'token' is missing")
    assert problem.hint == "A service key."


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("poll: {every: 0s}", "'every' must be from 1s to 1d"),
        ("poll: {every: -5}", "'every': write an interval as a number and s, m, h or d, such as 90s or 2m"),
        ("poll: {every: 5 minutes}", "'every': write an interval as a number and s, m, h or d, such as 90s or 2m"),
        ("poll: {every: 999999999s}", "'every' must be from 1s to 1d"),
        ("poll: {every: 1e9}", "'every': write an interval as a number and s, m, h or d, such as 90s or 2m"),
        ("poll: {overlap: 10s}", "'overlap' must be from 30s to 2d"),
        ("limits: {share: 101%}", "'share': write a share as a percentage from 1% to 100%"),
        ("owner: '01234x'", "'owner' must be a whole number"),
        ("owner: [1]", "'owner' must be a whole number"),
        ("push: deal", "'push' must be a mapping"),
        ("push: {advocates: perhaps}", "'advocates' must be true or false"),
        ("stages: [a]", "'stages' must be a mapping"),
        ("push: {fields: {a: [x]}}", "'a' must be a mapping"),
        ("renamed_from: crm", "renamed_from names a connector that is still there"),
    ],
)
def test_a_value_that_does_not_fit_says_what_would(spring: Any, connector: Text, lines: str, message: str) -> None:
    assert messages(spring.refuse(connector(lines))) == [message]


def test_a_constant_without_its_text_is_not_called_a_bad_text(spring: Any, connector: Text) -> None:
    error = spring.refuse(connector("push: {fields: {a: {txt: x}}}"))
    assert messages(error) == ["'text' is missing", "unknown key 'txt'"]
    assert error.problems[1].hint == "did you mean 'text'?"


def test_an_interval_too_long_to_count_is_a_problem_and_no_crash(spring: Any, connector: Text) -> None:
    assert messages(spring.refuse(connector("poll: {sweep: 999999999d}"))) == ["'sweep' must be from 1s to 7d"]


@pytest.mark.parametrize("connectors", ["demo", "{name: crm}", "[crm]", "[[crm]]"])
def test_connectors_of_the_wrong_shape_are_told_once(folder: Any, connectors: str) -> None:
    assert len(folder.refuse(f"connectors: {connectors}\n").problems) == 1


def test_the_words_of_a_reference_are_told_and_never_its_value(spring: Any, connector: Text) -> None:
    text = connector("stages: {default: {'1': '${S}'}}", "push: {fields: {a: '${S}'}}", entry="engine: ${S}\n")
    text = text.replace("connectors: [crm]", "connectors: [crm, '${S}']")
    error = spring.refuse(text, {"S": "hidden-word"})
    assert len(error.problems) == 4
    assert "hidden-word" not in str(error)


def test_fields_and_stages_are_looked_at_even_where_something_else_is_wrong(spring: Any, connector: Text) -> None:
    text = connector("ownr: 1", "push: {fields: {a: frend.name}}", "stages: {default: {'1': meting}}")
    assert told(spring.refuse(text).problems) == [
        (5, 5, "unknown key 'ownr'"),
        (6, 24, "'frend.name' is no value of a lead"),
        (7, 29, "no campaign of this connector has a stage 'meting'"),
    ]


def test_names_are_unique_over_connectors_and_senders(spring: Any, connector: Text) -> None:
    sender = "senders:\n  - {name: crm, secrets: ['${SECRET}']}\n"
    error = spring.refuse(connector(entry=sender), {"SECRET": "s" * 24})
    assert told(error.problems) == [(8, 12, "this name is taken")]
    assert error.problems[0].hint == "line 2 has it; connectors, senders and receivers share their names"


class TestDatabase:
    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("sqlite:///data/x.db", "sqlite:///{folder}/data/x.db"),
            ("sqlite:////var/lib/x.db", "sqlite:////var/lib/x.db"),
            ("postgresql://db.example.com/syncd", "postgresql://db.example.com/syncd"),
        ],
    )
    def test_a_relative_file_is_seen_from_the_yaml(self, folder: Any, written: str, meant: str) -> None:
        assert folder.load(f"database: {written}\n").database == meant.format(folder=folder.path)

    @pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://db/x", "syncd.db", "postgres://db/x"])
    def test_a_database_that_cannot_serve_is_refused(self, folder: Any, url: str) -> None:
        assert messages(folder.refuse(f"database: '{url}'\n"))[0].startswith("'database': ")

    def test_a_password_in_the_file_is_warned_of_and_masked(self, folder: Any) -> None:
        config = folder.load("database: postgresql://syncd:pa55word@db.example.com/x\n")
        (warning,) = config.warnings
        assert warning.message == "a password stands in this file"
        assert "pa55word" not in repr(warning)
        assert "pa55word" not in repr(config)


class TestServer:
    @pytest.mark.parametrize(
        ("listen", "address"),
        [("127.0.0.1:0", ("127.0.0.1", 0)), ("'[::1]:8787'", ("::1", 8787)), ("localhost:1", ("localhost", 1))],
    )
    def test_an_address_has_a_host_and_a_port(self, folder: Any, listen: str, address: tuple[str, int]) -> None:
        assert folder.load(f"server: {{listen: {listen}}}\n").server.address == address

    @pytest.mark.parametrize("listen", ["8787", ":8787", "host", "host:99999", "http://a:1", "a:1/x", "u@a:1"])
    def test_any_other_address_is_refused(self, folder: Any, listen: str) -> None:
        assert messages(folder.refuse(f"server: {{listen: '{listen}'}}\n"))[0].startswith("'listen': ")

    def test_a_public_url_loses_its_last_slash(self, folder: Any) -> None:
        config = folder.load("server: {public_url: 'https://refer.example.com/x/'}\n")
        assert config.server.public_url == "https://refer.example.com/x"

    @pytest.mark.parametrize(
        "url", ["refer.example.com", "ftp://a", "https://u:p@a.example.com", "https://a/?b", "http://["]
    )
    def test_any_other_url_is_refused(self, folder: Any, url: str) -> None:
        assert messages(folder.refuse(f"server: {{public_url: '{url}'}}\n"))[0].startswith("'public_url': ")

    def test_a_proxy_is_an_address_or_a_network(self, folder: Any) -> None:
        assert folder.load("server: {trusted_proxies: [10.0.0.0/8, '::1']}\n").server.trusted_proxies
        (problem,) = folder.refuse("server: {trusted_proxies: [10.0.0.1, '*']}\n").problems
        assert (problem.line, problem.col) == (1, 38)


class TestSenders:
    GOOD = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "plain-text-of-thirty-bytes-abc")

    @pytest.mark.parametrize("secret", GOOD)
    def test_a_sender_has_secrets_of_enough_bytes(self, folder: Any, secret: str) -> None:
        (sender,) = folder.load("senders: [{name: shop, secrets: ['${S}']}]\n", {"S": secret}).senders
        assert 24 <= len(sender.keys[0]) <= 64
        assert secret not in repr(sender)

    @pytest.mark.parametrize(
        ("secret", "message"),
        [
            ("abc", "'secrets': a secret has 24 to 64 bytes, this one has 3"),
            ("x" * 65, "'secrets': a secret has 24 to 64 bytes, this one has 65"),
            ("whsec_YWJj", "'secrets': a secret has 24 to 64 bytes, this one has 3"),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw!!!!", "'secrets': what follows whsec_ is not base64"),
            (
                "whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "'secrets': this is a public key (whpk_); only shared secrets (whsec_) are taken",
            ),
        ],
    )
    def test_any_other_secret_is_refused_at_its_place(self, folder: Any, secret: str, message: str) -> None:
        text = "senders:\n  - name: shop\n    secrets: ['${GOOD}', '${S}']\n"
        error = folder.refuse(text, {"S": secret, "GOOD": self.GOOD[0]})
        assert told(error.problems) == [(3, 26, message)]
        assert secret not in str(error)

    def test_a_secret_that_cannot_be_had_is_one_problem(self, folder: Any) -> None:
        error = folder.refuse("senders: [{name: shop, secrets: ['${file:gone}']}]\n")
        assert messages(error) == ["there is no file gone"]

    def test_a_sender_without_secrets_is_refused(self, folder: Any) -> None:
        assert messages(folder.refuse("senders: [{name: shop, secrets: []}]\n")) == ["'secrets' must not be empty"]


class TestCampaigns:
    def test_a_stage_that_no_campaign_knows_is_refused_with_the_nearest(self, spring: Any, connector: Text) -> None:
        error = spring.refuse(connector("stages:", "  default: {'1': meeting, '2': meting}", "won: wonn"))
        assert told(error.problems) == [
            (6, 36, "no campaign of this connector has a stage 'meting'"),
            (7, 10, "no campaign of this connector has a stage 'wonn'"),
        ]
        assert error.problems[0].hint == "did you mean 'meeting'?"

    def test_won_and_lost_by_default_need_not_be_known(self, folder: Any, connector: Text) -> None:
        folder.write("spring.yaml", "campaign: spring\nstages: {order: [in, out], lost: []}\n")
        assert folder.load(connector()).warnings == ()

    @pytest.mark.parametrize("nothing", ["null", "~"])
    def test_won_and_lost_can_be_switched_off(self, spring: Any, connector: Text, nothing: str) -> None:
        (settings,) = spring.load(connector(f"won: {nothing}", f"lost: {nothing}")).connectors
        assert (settings.won, settings.lost) == (None, None)

    def test_a_campaign_that_does_not_load_says_nothing_of_stages(self, folder: Any, connector: Text) -> None:
        folder.write("spring.yaml", "campaign: spring\nnonsense: 1\n")
        (problem,) = folder.refuse(connector("stages: {default: {'1': meting}}")).problems
        assert (Path(problem.file).name, problem.line) == ("spring.yaml", 2)

    def test_a_connector_of_a_campaign_that_does_not_load_is_not_called_unused(
        self, folder: Any, connector: Text
    ) -> None:
        folder.write("spring.yaml", "campaign: spring\nnonsense: 1\n")
        assert folder.refuse(connector()).warnings == ()

    def test_a_campaign_files_problems_stand_beside_those_of_the_yaml(self, folder: Any, connector: Text) -> None:
        folder.write("spring.yaml", "campaign: spring\nname: ${NAME}\nname: again\n")
        error = folder.refuse(connector("ownr: 1"))
        places = [(Path(problem.file).name, problem.line, problem.message) for problem in error.problems]
        assert places == [
            ("syncd.yaml", 5, "unknown key 'ownr'"),
            ("spring.yaml", 2, "a campaign file takes no ${...}"),
            ("spring.yaml", 3, "duplicate key 'name'"),
        ]

    def test_a_problem_of_a_campaign_stands_at_its_key_or_its_value_and_once(self, folder: Any) -> None:
        text = (
            "campaign: spring\nnam: x\nversion:\ntimezone: ${TZ}\nstages:\n  order: [lead, won, won]\n"
            "tax: {yearly_threshold: {XXX: 5, EUR: x}}\n"
            "milestones:\n  - {id: [a], target: 1}\n  - {id: m, target: 3, counting: referrals}\n"
        )
        folder.write("a.yaml", text)
        error = folder.refuse("campaigns: [{files: [a.yaml]}]\n")
        assert [(problem.line, problem.col, problem.message) for problem in error.problems] == [
            (2, 1, "unknown key 'nam'"),
            (3, 9, "a key or a dash without a value"),
            (4, 11, "a campaign file takes no ${...}"),
            (6, 22, "the stage won stands here twice"),
            (7, 26, "there is no currency 'XXX'"),
            (7, 39, "'x' is not an amount; write digits with a point, such as 100.00"),
            (9, 6, "expected a text"),
            (10, 24, "milestone m: all milestones follow the campaign's `counting`; none has one of its own"),
        ]

    def test_versions_may_be_documents_or_files_and_come_out_in_order(self, folder: Any) -> None:
        folder.write("spring-10.yaml", "campaign: spring\nversion: 10\neffective_from: 2026-05-01\n")
        later = "campaign: spring\nversion: 3\neffective_from: 2026-04-01\n"
        folder.write("spring-2.yaml", f"campaign: spring\nversion: 2\n---\n{later}")
        config = folder.load("campaigns: [{files: ['spring-*.yaml', spring-2.yaml]}]\n")
        assert [program.version for program in config.campaigns["spring"].programs] == [2, 3, 10]

    def test_versions_that_do_not_rise_are_refused(self, folder: Any) -> None:
        folder.write("a.yaml", "campaign: spring\nversion: 2\n---\ncampaign: spring\nversion: 2\n")
        folder.write("b.yaml", "campaign: spring\nversion: 2\n")
        error = folder.refuse("campaigns: [{files: ['*.yaml']}]\n".replace("*", "[ab]"))
        places = [(Path(problem.file).name, problem.line) for problem in error.problems]
        assert places == [("a.yaml", 5), ("b.yaml", 2)]

    def test_a_fault_of_one_version_hides_none_of_the_later_ones(self, folder: Any) -> None:
        versions = ["", "version: 1", "version: 3", "version: 4\neffective_from: 2026-06-01"]
        versions += ["version: 5\neffective_from: 2026-05-01", "version: x"]
        folder.write("a.yaml", "---\n".join(f"campaign: spring\n{version}\n" for version in versions))
        error = folder.refuse("campaigns: [{files: [a.yaml]}]\n")
        assert told(error.problems) == [
            (5, 10, "the versions of 'spring' must rise from document to document"),
            (7, 1, "version 3 of spring begins no later than the one before"),
            (16, 17, "version 5 of spring begins no later than the one before"),
            (19, 10, "'x' is not a whole number from 1 to 1000000000"),
        ]

    def test_versions_that_do_not_go_together_are_refused_where_they_stand(self, folder: Any) -> None:
        reward = "rewards: [{id: thanks, trigger: referral.qualified, to: advocate, kind: %s}]\n"
        first = "campaign: spring\neffective_from: 2026-04-01\n" + reward % "points, amount: 5"
        folder.write("a.yaml", first)
        second = "campaign: spring\nversion: 2\neffective_from: 2026-03-01\n"
        folder.write("b.yaml", second + reward % "free_shipping")
        error = folder.refuse("campaigns: [{files: [a.yaml, b.yaml]}]\n")
        assert [(Path(problem.file).name, problem.line) for problem in error.problems] == [("b.yaml", 3), ("b.yaml", 4)]
        assert messages(error)[1] == "version 2 gives free_shipping for thanks, and an earlier one points"

    def test_a_campaign_belongs_to_one_entry(self, folder: Any) -> None:
        folder.write("a.yaml", "campaign: spring\nversion: 1\n")
        folder.write("b.yaml", "campaign: spring\nversion: 2\n")
        error = folder.refuse("campaigns:\n  - {files: [a.yaml]}\n  - {files: [b.yaml]}\n")
        assert told(error.problems) == [(3, 5, "campaign 'spring' belongs to two entries")]

    def test_a_pattern_that_matches_nothing_is_refused(self, folder: Any) -> None:
        error = folder.refuse("campaigns:\n  - {files: ['*.yml']}\n")
        assert told(error.problems) == [(2, 14, "no file matches this")]

    def test_a_campaign_file_without_a_campaign_is_refused(self, folder: Any) -> None:
        folder.write("a.yaml", "# nothing yet\n")
        assert messages(folder.refuse("campaigns: [{files: [a.yaml]}]\n")) == ["holds no campaign"]

    def test_a_connector_that_no_campaign_uses_is_warned_of(self, folder: Any) -> None:
        config = folder.load("connectors:\n  - {name: crm, type: demo, token: '${TOKEN}'}\n")
        assert [warning.message for warning in config.warnings] == ["no campaign uses this connector"]
