from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.web.strict_json import BadJson, parse, survey

REFUSED = {
    "W6 not UTF-8": b'{"a": "\xff"}',
    "W7 not JSON": b"a=1",
    "nothing": b"",
    "something behind it": b"{} {}",
    "W17 a name twice": b'{"stage": "won", "stage": "lost"}',
    "W17 a name twice, deep inside": b'[{"a": {"b": 1, "\\u0062": 2}}]',
    "W18 NaN": b"[NaN]",
    "W18 Infinity": b"[-Infinity]",
    "W18 1e400": b"[1e400]",
    "W19 5,000 digits": b"[" + b"1" * 5000 + b"]",
    "W19 beyond 64 bits": str([2**63]).encode(),
    "W19 below 64 bits": str([-(2**63) - 1]).encode(),
    "W20 33 lists": b"[" * 33 + b"]" * 33,
    "W20 33 objects": b'{"a":' * 33 + b"1" + b"}" * 33,
    "W20 100,000 lists": b"[" * 100_000,
    "W20 100,000 whole lists": b"[" * 100_000 + b"]" * 100_000,
    "W21 NUL in a name": b'{"a\\u0000": 1}',
    "W22 half a pair": b'["\\ud800"]',
    "W22 half a pair in a name": b'{"\\udc00": 1}',
    "W23 UTF-16": '{"a": 1}'.encode("utf-16"),
    "W23 UTF-16 without a mark": '{"a": 1}'.encode("utf-16-le"),
    "W23 UTF-32": '{"a": 1}'.encode("utf-32"),
    "a control character in a text": b'["a\x01b"]',
}
TAKEN = {
    "W23 a byte order mark": (b"\xef\xbb\xbf[1]", [1]),
    "W21 NUL in a text is dropped": (b'{"a": "x\\u0000y"}', {"a": "xy"}),
    "a whole pair": (b'["\\ud83d\\ude00"]', ["\U0001f600"]),
    "the largest numbers": (str([2**63 - 1, -(2**63)]).encode(), [2**63 - 1, -(2**63)]),
    "32 lists": (b"[" * 32 + b"]" * 32, json.loads("[" * 32 + "]" * 32)),
    "a scalar": (b" null ", None),
}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="ascii", min_codepoint=32)), inner),
    max_leaves=10,
)


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_what_can_be_read_in_two_ways_or_not_at_all_is_refused(raw: bytes) -> None:
    with pytest.raises(BadJson):
        parse(raw)


@pytest.mark.parametrize(("raw", "value"), TAKEN.values(), ids=TAKEN)
def test_what_is_plain_is_taken(raw: bytes, value: object) -> None:
    assert parse(raw) == value


@settings(deadline=None)
@given(json_values)
def test_json_comes_back_as_it_went(value: Any) -> None:
    assert parse(json.dumps(value).encode()) == value


@settings(deadline=None)
@given(st.binary() | st.text(alphabet='[]{}":,\\u0d8e1-.NaIfty ').map(str.encode))
def test_nothing_but_bad_json_is_raised(raw: bytes) -> None:
    with suppress(BadJson):
        parse(raw)


def test_all_that_is_refused_can_be_told_at_once_with_its_place() -> None:
    value, faults = survey(b'[{"a": 1, "a": 2, "b": NaN}, "\\ud800", {"c": [1e400, 99999999999999999999]}, 3]')

    assert value == [{"a": 2, "b": None}, None, {"c": [None, None]}, 3]
    assert [fault.path for fault in faults] == [(0, "a"), (0, "b"), (1,), (2, "c", 0), (2, "c", 1)]


@pytest.mark.parametrize(("raw", "place"), [(b"[1,\n 2,]", (2, 4)), (b'["a",\n"\xff"]', (2, 2))])
def test_where_a_text_is_no_json_is_told(raw: bytes, place: tuple[int, int]) -> None:
    with pytest.raises(BadJson) as refused:
        survey(raw)

    assert (refused.value.line, refused.value.column) == place


def test_the_reason_quotes_nothing_of_the_body() -> None:
    for raw in (
        b'{"ann@example.com": 1, "ann@example.com": 2}',
        b'["ann@example.com',
        b'{"ann@example.com\\u0000": 1}',
    ):
        with pytest.raises(BadJson) as refused:
            parse(raw)
        assert "ann" not in str(refused.value)
