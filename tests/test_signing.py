from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from syncd.signing import BadSignature, sign, signing_key, verify

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
KEY = signing_key(SECRET)
BODY = b'{"type": "referral.qualified", "data": {"email": "bob@example.org"}}'
SIGNED = sign(KEY, "msg_1", NOW, BODY)
SIGNATURE = SIGNED["webhook-signature"]


def test_what_the_reference_library_signs_is_believed() -> None:
    signature = Webhook(SECRET).sign("msg_1", NOW, BODY.decode())
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": signature,
    }

    assert verify(headers, BODY, [KEY], NOW) == "msg_1"


def test_what_we_sign_is_what_the_reference_library_signs() -> None:
    assert Webhook(SECRET).sign("msg_1", NOW, BODY.decode()) == SIGNATURE


def test_a_plain_text_secret_signs_as_it_stands() -> None:
    key = signing_key("a sender's secret of 32 letters.")

    assert verify(sign(key, "m", NOW, b"{}"), b"{}", [key], NOW) == "m"


def test_any_of_several_secrets_and_signatures_may_fit() -> None:
    other = signing_key("another secret of more than 24")
    both = SIGNED | {"webhook-signature": f"v1,{'A' * 43}= {SIGNATURE} v1a,ed25519=="}

    assert verify(both, BODY, [other, KEY], NOW) == "msg_1"


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_five_minutes_between_the_clocks_are_let_pass(seconds: int) -> None:
    assert verify(SIGNED, BODY, [KEY], NOW + timedelta(seconds=seconds)) == "msg_1"


REFUSED = {
    "W1 no signature": ({"webhook-signature": ""}, "headers"),
    "W2 a version alone": ({"webhook-signature": "v1"}, "headers"),
    "W3 a comma too many": ({"webhook-signature": "v1,a,b"}, "headers"),
    "W4 not base64": ({"webhook-signature": "v1,$$$$"}, "headers"),
    "W4 not ASCII": ({"webhook-signature": "v1,é"}, "headers"),
    "W4 base64 of something else": ({"webhook-signature": "v1,AAAA"}, "signature"),
    "W5 two spaces": ({"webhook-signature": f"{SIGNATURE}  {SIGNATURE}"}, "headers"),
    "W5 a space at the end": ({"webhook-signature": f"{SIGNATURE} "}, "headers"),
    "W5 10,000 signatures": ({"webhook-signature": " ".join([SIGNATURE] * 10_000)}, "headers"),
    "only a scheme that we do not know": ({"webhook-signature": SIGNATURE.replace("v1,", "v1a,")}, "headers"),
    "W9 nan": ({"webhook-timestamp": "nan"}, "headers"),
    "W9 inf": ({"webhook-timestamp": "inf"}, "headers"),
    "W9 an exponent": ({"webhook-timestamp": "1e9"}, "headers"),
    "W9 spaces": ({"webhook-timestamp": " 1772442000 "}, "headers"),
    "W9 a line's end": ({"webhook-timestamp": "1772442000\n"}, "headers"),
    "W9 a fraction": ({"webhook-timestamp": "1772442000.9"}, "headers"),
    "W9 other digits": ({"webhook-timestamp": "\uff11" * 10}, "headers"),
    "W9 none": ({"webhook-timestamp": ""}, "headers"),
    "W9 the far future": ({"webhook-timestamp": "9" * 12}, "stale"),
    "no id": ({"webhook-id": ""}, "headers"),
    "a space in the id": ({"webhook-id": "msg 1"}, "headers"),
    "an id of 201 characters": ({"webhook-id": "m" * 201}, "headers"),
    "another id": ({"webhook-id": "msg_2"}, "signature"),
    "another second": ({"webhook-timestamp": str(int(NOW.timestamp()) + 1)}, "signature"),
}


@pytest.mark.parametrize(("headers", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_header_that_is_not_as_it_should_be_is_refused(headers: dict[str, str], reason: str) -> None:
    with pytest.raises(BadSignature) as refused:
        verify(SIGNED | headers, BODY, [KEY], NOW)

    assert refused.value.reason == reason


@pytest.mark.parametrize("seconds", [-301, 301], ids=["W8 ahead", "W8 old"])
def test_a_delivery_more_than_five_minutes_from_now_is_stale(seconds: int) -> None:
    with pytest.raises(BadSignature) as refused:
        verify(SIGNED, BODY, [KEY], NOW + timedelta(seconds=seconds))

    assert refused.value.reason == "stale"


@pytest.mark.parametrize("body", [BODY[:-1], BODY + b" ", BODY.replace(b": ", b":"), b"\xff" + BODY[1:]])
def test_a_changed_body_is_refused(body: bytes) -> None:
    """W13: also JSON that means the same, written differently."""
    with pytest.raises(BadSignature):
        verify(SIGNED, body, [KEY], NOW)


def test_without_secrets_nothing_is_believed() -> None:
    with pytest.raises(BadSignature):
        verify(SIGNED, BODY, [], NOW)


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(list(SIGNED)), st.text(alphabet=st.characters(codec="latin-1")) | st.text()),
    st.binary(),
)
def test_whatever_comes_in_is_refused_in_one_way(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(BadSignature):
        verify(headers, body, [KEY], NOW)
