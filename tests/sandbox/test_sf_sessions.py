"""Who may call the sandbox's Salesforce, and what goes wrong on demand, in the vendor's form."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
import requests

from syncd.sandbox.crm import Fault, Org, SalesforceSetup, Sandbox
from syncd.sandbox.crm.salesforce import ClientApp
from tests.sandbox.crm_client import BEGINNING, Clock
from tests.sandbox.sf_client import SfClient, code, person

TOKEN = "/services/oauth2/token"
JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
KEYS = {"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}


def login(sf: SfClient, **form: str) -> requests.Response:
    return sf.session.post(sf.base + TOKEN, data=form, headers={"Authorization": ""}, timeout=5)


def use(sf: SfClient, answer: requests.Response) -> SfClient:
    sf.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return sf


def test_client_credentials_open_a_session(sf: SfClient) -> None:
    answer = login(sf, **KEYS)

    body = answer.json()
    assert answer.status_code == 200
    assert set(body) >= {"access_token", "instance_url", "id", "token_type", "issued_at", "signature"}
    assert (body["instance_url"], body["token_type"]) == ("https://acme.my.salesforce.com", "Bearer")
    assert body["issued_at"] == str(int(BEGINNING.timestamp() * 1000))
    assert "Sforce-Limit-Info" not in answer.headers, "a login does not count"
    assert use(sf, answer).call("GET", "/limits").status_code == 200


def test_the_client_may_also_prove_itself_by_http_basic(sf: SfClient) -> None:
    form, pair = {"grant_type": "client_credentials"}, ("sandbox-client", "sandbox-secret")

    assert sf.session.post(sf.base + TOKEN, data=form, auth=pair, timeout=5).status_code == 200
    assert sf.session.post(sf.base + TOKEN, data=form, auth=("sandbox-client", "no"), timeout=5).status_code == 400


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_id": "nobody"}, "invalid_client_id"),
        ({"client_secret": "wrong"}, "invalid_client"),
    ],
)
def test_a_login_that_fails_says_why_in_two_words(sf: SfClient, form: dict[str, str], error: str) -> None:
    answer = login(sf, **{**KEYS, **form})

    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert set(answer.json()) == {"error", "error_description"}


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _assertion(signature: str = "c2lnbmVk", head: Any = None, **claims: Any) -> str:
    known = {
        "iss": "sandbox-client",
        "sub": "integration@example.com",
        "aud": "https://login.salesforce.com",
        "exp": str(int(BEGINNING.timestamp()) + 180),
    }
    return f"{_part(head or {'alg': 'RS256'})}.{_part({**known, **claims})}.{signature}"


def test_a_signed_assertion_opens_a_session(sf: SfClient) -> None:
    for audience in ("https://login.salesforce.com", "https://acme.my.salesforce.com"):
        answer = login(sf, grant_type=JWT, assertion=_assertion(aud=audience))

        assert answer.status_code == 200
        assert use(sf, answer).call("GET", "/limits").status_code == 200


@pytest.mark.parametrize(
    ("assertion", "error", "description"),
    [
        ("", "invalid_grant", "invalid assertion"),
        ("a.b", "invalid_grant", "invalid assertion"),
        (_assertion(signature=""), "invalid_grant", "invalid assertion"),
        (_assertion() + ".x", "invalid_grant", "invalid assertion"),
        (_assertion(head={"alg": "none"}), "invalid_grant", "invalid assertion"),
        (_assertion(iss="nobody"), "invalid_client_id", "client identifier invalid"),
        (_assertion(sub="stranger@example.com"), "invalid_grant", "user hasn't approved this consumer"),
        (_assertion(aud="https://example.com"), "invalid_grant", "audience is invalid"),
        (_assertion(exp=str(int(BEGINNING.timestamp()))), "invalid_grant", "expired authorization code"),
        (_assertion(exp=int(BEGINNING.timestamp()) + 301), "invalid_grant", "expired authorization code"),
        (_assertion(exp="soon"), "invalid_grant", "expired authorization code"),
    ],
)
def test_an_assertion_with_a_wrong_claim_is_refused(sf: SfClient, assertion: str, error: str, description: str) -> None:
    answer = login(sf, grant_type=JWT, assertion=assertion)

    assert (answer.status_code, answer.json()) == (400, {"error": error, "error_description": description})


def test_a_signature_is_verified_where_that_is_possible(clock: Clock) -> None:
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    text = _assertion().rpartition(".")[0]
    signature = base64.urlsafe_b64encode(key.sign(text.encode(), padding.PKCS1v15(), SHA256())).rstrip(b"=").decode()

    with Sandbox(now=clock.now, accounts=[SalesforceSetup(app=ClientApp(public_key=public))]) as crm:
        sf = SfClient(crm)

        assert login(sf, grant_type=JWT, assertion=f"{text}.{signature}").status_code == 200
        assert login(sf, grant_type=JWT, assertion=f"{text}.c2lnbmVk").status_code == 400


def test_a_session_ends_when_it_lies_idle(clock: Clock) -> None:
    with Sandbox(now=clock.now, accounts=[SalesforceSetup(lifetime=timedelta(minutes=15))]) as crm:
        sf = SfClient(crm)
        use(sf, login(sf, **KEYS))
        answers = []
        for seconds in (899, 899, 901):
            clock.move(seconds)
            answers.append(sf.call("GET", "/limits"))

    assert [answer.status_code for answer in answers] == [200, 200, 401]
    assert answers[-1].json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic sandbox-salesforce"])
def test_a_call_needs_a_session(sf: SfClient, authorization: str) -> None:
    sf.session.headers["Authorization"] = authorization

    assert code(sf.call("GET", "/limits")) == (401, "INVALID_SESSION_ID")


def test_a_session_may_expire_under_a_call_and_a_new_one_be_opened(salesforce: Sandbox, sf: SfClient) -> None:
    use(sf, login(sf, **KEYS))
    salesforce.faults.add(Fault(action="token_expire", path="/composite/", times=1))

    assert code(sf.upsert("Lead", person("r1"))) == (401, "INVALID_SESSION_ID")
    assert use(sf, login(sf, **KEYS)).upsert("Lead", person("r1")).json()[0]["created"] is True


def test_an_app_may_be_revoked(salesforce: Sandbox, sf: SfClient) -> None:
    salesforce.faults.add(Fault(action="token_revoke", times=1))

    assert code(sf.call("GET", "/limits")) == (401, "INVALID_SESSION_ID")
    assert login(sf, **KEYS).json()["error"] == "invalid_client_id"


@pytest.mark.parametrize(
    ("fault", "answer", "words"),
    [
        (Fault(action="status", code=403), (403, "REQUEST_LIMIT_EXCEEDED"), "TotalRequests"),
        (
            Fault(action="status", code=403, policy="ConcurrentRequests"),
            (403, "REQUEST_LIMIT_EXCEEDED"),
            "ConcurrentRequests",
        ),
        (Fault(action="status", code=401), (401, "INVALID_SESSION_ID"), "Session"),
        (Fault(action="status", code=503), (503, "SERVER_UNAVAILABLE"), "busy"),
        (Fault(action="status", code=500), (500, "UNKNOWN_EXCEPTION"), "unexpected"),
        (Fault(action="scope_missing"), (403, "INSUFFICIENT_ACCESS"), "access"),
    ],
)
def test_a_fault_speaks_the_vendors_language(
    salesforce: Sandbox, sf: SfClient, org: Org, fault: Fault, answer: tuple[int, str], words: str
) -> None:
    salesforce.faults.add(fault)

    failed = sf.upsert("Lead", person("r1"))

    assert code(failed) == answer
    assert words in failed.json()[0]["message"]
    assert org.rows["Lead"] == {}


def test_a_login_may_fail_for_a_time_and_in_the_logins_own_form(salesforce: Sandbox, sf: SfClient) -> None:
    salesforce.faults.add(Fault(action="html", code=503, path="/oauth2/", times=1))
    salesforce.faults.add(Fault(action="status", code=400, policy="invalid_grant", path="/oauth2/", times=1))

    down, refused = login(sf, **KEYS), login(sf, **KEYS)

    assert (down.status_code, down.headers["Content-Type"]) == (503, "text/html;charset=utf-8")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(("action", "leads"), [("drop_before", 0), ("drop_after", 1), ("truncate", 1)])
def test_an_answer_may_be_lost_before_or_after_the_work(
    salesforce: Sandbox, sf: SfClient, org: Org, action: Any, leads: int
) -> None:
    salesforce.faults.add(Fault(action=action, times=1))

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        sf.lead("r1")

    assert len(org.rows["Lead"]) == leads
    assert sf.upsert("Lead", person("r1")).json()[0]["created"] is (leads == 0)


def test_the_call_log_knows_what_was_read_and_written_and_no_names(salesforce: Sandbox, sf: SfClient) -> None:
    login(sf, **KEYS)
    sf.lead("r1", Email="mei@example.com")
    sf.rows("SELECT Id FROM Lead WHERE Email = 'mei@example.com'")
    sf.call("GET", "/sobjects/Lead/Referral_Id__c/mei@example.com")

    calls = salesforce.log.listed()

    assert [call.kind for call in calls] == ["token", "write", "search", "read"]
    assert calls[1].route == "/services/data/v{version}/composite/sobjects/{sobject}/{field}"
    assert "mei" not in repr(calls)
