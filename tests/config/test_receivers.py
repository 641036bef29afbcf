"""Receivers as syncd.yaml names them: every mistake at its place, no URL that leads astray, nothing secret shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest

from syncd.config.reach import address_fault, url_fault

Text = Callable[..., str]
SECRET = "a receiver's own secret of 36 letters"
GOOD = "https://hooks.example.com/services/T0/B1?key=k-4711"


def notify(*receivers: dict[str, Any]) -> str:
    """Write the section; JSON is YAML."""
    full = [{"name": "shop", "url": GOOD, "secrets": ["${SECRET}"], **receiver} for receiver in receivers]
    return "notify:\n  webhooks:\n" + "".join(f"    - {json.dumps(each)}\n" for each in full)


@pytest.fixture(autouse=True)
def _secret(folder: Any) -> None:
    folder.env["SECRET"] = SECRET


def test_a_receiver_comes_out_typed(folder: Any) -> None:
    (shop,) = folder.load(notify({"effects": ["trigger.reward_released"]})).receivers

    assert (shop.name, shop.url, shop.host, shop.private) == ("shop", GOOD, "hooks.example.com", False)
    assert shop.keys == (SECRET.encode(),)
    assert shop.wants("trigger.reward_released")
    assert not shop.wants("email.milestone")
    assert "k-4711" not in repr(shop)
    assert SECRET not in repr(shop)


def test_without_the_section_there_is_nobody_to_tell_and_without_effects_one_is_told_all(folder: Any) -> None:
    assert folder.load("log: {}\n").receivers == ()
    (shop,) = folder.load(notify({})).receivers
    assert shop.wants("trigger.participation")


def test_all_that_is_wrong_is_told_at_once_each_at_its_place(spring: Any, connector: Text) -> None:
    text = (
        "notify:\n"
        "  webhooks:\n"
        "    - name: crm\n"
        "      url: http://hooks.example.com\n"
        "      secrets: [too short]\n"
        "      effects: [trigger.participation, trigger.reward_release, email.hooray]\n"
        "    - name: Loud\n"
        "      url: https://hooks.example.com\n"
        "      secrets: []\n"
        "      retries: 5\n"
    )
    error = spring.refuse(connector(entry=text))

    lines = (spring.path / "syncd.yaml").read_text().splitlines()
    found = {(lines[it.line - 1].strip().partition(":")[0].lstrip("- "), it.message) for it in error.problems}
    assert found == {
        ("name", "this name is taken"),
        ("url", "'url': the URL must begin with https://; http:// is for loopback addresses only"),
        ("secrets", "'secrets': a secret has 24 to 64 bytes, this one has 9"),
        ("effects", "there is no effect 'trigger.reward_release'"),
        ("effects", "there is no effect 'email.hooray'"),
        ("name", "'name' cannot be written like this"),
        ("secrets", "'secrets' must not be empty"),
        ("retries", "unknown key 'retries'"),
    }
    hints = {it.message: it.hint for it in error.problems}
    assert "trigger.reward_released" in hints["there is no effect 'trigger.reward_release'"]
    assert "too short" not in str(error)


def test_a_milestones_own_message_is_an_effect_that_can_be_asked_for(spring: Any, connector: Text) -> None:
    campaign = (
        "campaign: spring\nstages: {order: [lead, meeting, won], lost: [lost]}\nmilestones:\n"
        "  - {id: one, metric: referrals, target: 1, messages: [hooray], rewards: [{kind: points, amount: 5}]}\n"
    )
    spring.write("spring.yaml", campaign)

    assert spring.load(connector(entry=notify({"effects": ["email.hooray"]}))).receivers


def test_where_a_campaign_cannot_be_read_nobody_is_blamed_for_naming_its_messages(spring: Any, connector: Text) -> None:
    spring.write("spring.yaml", "campaign: 5 5\n")
    error = spring.refuse(connector(entry=notify({"effects": ["email.hooray", "email"]})))

    assert [it.message for it in error.problems if "effect" in it.message] == ["there is no effect 'email'"]


def test_connectors_senders_and_receivers_share_their_names(folder: Any) -> None:
    senders = 'senders:\n  - {name: shop, secrets: ["${SECRET}"]}\n'
    (problem,) = folder.refuse(senders + notify({})).problems
    assert (problem.message, problem.line) == ("this name is taken", 5)

    (problem,) = folder.refuse(notify({}, {})).problems
    assert problem.message == "this name is taken"


def test_no_part_of_a_url_is_shown_when_something_else_on_its_line_is_wrong(folder: Any) -> None:
    error = folder.refuse(notify({"privat": "true", "url": f"{GOOD}#frag"}))

    assert len(error.problems) == 2
    assert all("4711" not in part for it in error.problems for part in (it.excerpt, it.message, it.hint))


REFUSED = [
    "http://hooks.example.com/",
    "file:///etc/passwd",
    "ftp://hooks.example.com/",
    "//hooks.example.com/",
    "hooks.example.com",
    "https://user:pass@hooks.example.com/",
    "https://user@hooks.example.com/",
    "https://hooks.example.com:22/",
    "https://hooks.example.com:8443/",
    "https://hooks.example.com:99999/",
    "https://127.1/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://127.0.0.1/",
    "https://localhost/",
    "https://[::1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::8.8.8.8]/",
    "https://[2002:7f00:1::]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1]/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://10.0.0.1/",
    "https://224.0.0.1/",
    "https://192.0.0.8/",
    "https://①②⑦.0.0.1/",
    "https://hööks.example.com/",
    "https://hooks.example.com./",
    "https://hooks..example.com/",
    "https://-hooks.example.com/",
    "https://%6cocalhost/",
    "https://hooks.example.com\\@127.0.0.1/",
    "https://hooks.example.com/a b",
    "https://hooks.exa\nmple.com/",
    "https://hooks.example.com/\t",
    " https://hooks.example.com/",
    "https://hooks.example.com/#part",
    "https:///path",
    "https://[::1/",
    "https://hooks.example.com/" + "a" * 2000,
]


@pytest.mark.parametrize("url", REFUSED)
def test_a_url_that_leads_astray_is_refused_when_the_file_is_read(url: str) -> None:
    assert url_fault(url, private=False)


@pytest.mark.parametrize(
    "url",
    ["https://hooks.example.com", GOOD, "https://hooks.example.com:443/x", "https://93.184.215.14/", "https://n8n/"],
)
def test_a_public_https_url_is_taken(url: str) -> None:
    assert url_fault(url, private=False) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:5678/webhook/x",
        "http://localhost:5678/",
        "http://[::1]:5678/",
        "https://10.1.2.3:8443/",
        "https://n8n.lan:5678/",
        "https://100.101.102.103/",
        "https://[fd12:3456::1]/",
    ],
)
def test_a_receiver_of_ones_own_has_to_be_called_private(url: str) -> None:
    assert url_fault(url, private=True) is None
    assert "private: true" in (url_fault(url, private=False) or "")


STRANGE = [
    "http://10.1.2.3/",
    "http://n8n.lan/",
    "https://169.254.169.254/",
    "https://[fe80::1]/",
    "https://[fd00:ec2::254]/",
    "https://100.100.100.200/",
    "https://[::ffff:10.0.0.1]/",
    "https://[64:ff9b::a00:1]/",
    "https://127.1/",
    "https://0.0.0.0/",
    "https://hooks.example.com:0/",
]


@pytest.mark.parametrize("url", STRANGE)
def test_private_lifts_no_other_ban(url: str) -> None:
    assert url_fault(url, private=True)


@pytest.mark.parametrize(
    "address",
    [
        *("0.1.2.3", "127.8.8.8", "10.1.1.1", "172.31.0.1", "192.168.0.1", "100.64.0.1", "169.254.1.1", "192.0.0.170"),
        *("192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "255.255.255.255"),
        *("::", "::1", "::ffff:8.8.8.8", "::8.8.8.8", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1"),
        *("2001:db8::1", "2002:808:808::", "3fff::1", "5f00::1", "fc00::1", "fd00::1", "fe80::1", "fec0::1", "ff02::1"),
        "168.63.129.16",
    ],
)
def test_an_address_that_belongs_to_nobody_outside_is_never_called(address: str) -> None:
    assert address_fault(ip_address(address), private=False)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"])
def test_a_public_address_is_called(address: str) -> None:
    assert address_fault(ip_address(address), private=False) is None
    assert address_fault(ip_address(address), private=True) is None
