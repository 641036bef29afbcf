"""The route that searches a module, and its criteria.

https://www.zoho.com/crm/developer/docs/api/v8/search-records.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.zoho.call import Call, read_fields, whole
from syncd.sandbox.crm.zoho.lists import MOST_PER_PAGE, wanted
from syncd.sandbox.crm.zoho.record import State
from syncd.sandbox.crm.zoho.refusal import Refusal, invalid_param
from syncd.sandbox.crm.zoho.schema import TEXTS, Module
from syncd.sandbox.crm.zoho.views import shown

_ONE_OF = ("criteria", "email", "phone", "word")
_MOST_CRITERIA = 15
_MOST_PAGES = 10
_TOKEN = re.compile(r"\s*(\(|\)|and\b|or\b|(?:\\.|[^()\\])+)")

Test = Callable[[State], bool]


def search(call: Call) -> Reply:
    """Answer GET of the records that criteria, an e-mail address, a telephone number or a word find: 204 for none."""
    query = call.query(*_ONE_OF, "fields", "converted", "page", "per_page")
    module = call.module
    given = [name for name in _ONE_OF if name in query]
    if len(given) != 1:
        message = "one of the expected parameter is missing"
        raise Refusal("EXPECTED_PARAM_MISSING", message, details={"param_names": list(_ONE_OF)})
    test, keep = _test(module, given[0], query[given[0]]), wanted(query)
    names = read_fields(module, query["fields"]) if "fields" in query else list(module.fields)
    size, number = whole(query, "per_page", MOST_PER_PAGE, MOST_PER_PAGE), whole(query, "page", 1, _MOST_PAGES)
    call.spend()
    now = call.org.now()
    seen = [record.seen(now) for record in reversed(call.org.records[module.name].values())]
    live = [it for it in seen if it and not it.gone and keep(it.values.get("Converted__s") is True)]
    found = [state for state in live if test(state)]
    page = found[(number - 1) * size : number * size]
    if not page:
        return Reply(code=204)
    info = {"per_page": size, "count": len(page), "page": number, "more_records": len(found) > number * size}
    return Reply(code=200, body={"data": [shown(call.org, module, it.values, names) for it in page], "info": info})


def _test(module: Module, kind: str, text: str) -> Test:
    if kind == "criteria":
        return _Criteria(module, text).read()
    kinds = {"email": {"email"}, "phone": {"phone"}}.get(kind, TEXTS)
    names = [it.name for it in module.fields.values() if it.type in kinds]
    wanted_text = text.lower()
    if len(wanted_text) < 2:
        raise invalid_param(kind)
    if kind == "word":
        return lambda state: any(wanted_text in str(state.values[name] or "").lower() for name in names)
    return lambda state: any(str(state.values[name] or "").lower() == wanted_text for name in names)


class _Criteria:
    """Reads `((Field:operator:value)and(...))`; brackets, commas and backslashes of a value have a backslash before."""

    def __init__(self, module: Module, text: str) -> None:
        self._module = module
        self._tokens = [found[1] for found in _TOKEN.finditer(text)]
        self._place = 0
        self._number = 0
        self._whole = "".join(self._tokens).replace(" ", "") == text.replace(" ", "")

    def read(self) -> Test:
        test = self._group()
        if self._place < len(self._tokens) or not self._whole or self._number > _MOST_CRITERIA:
            raise _malformed()
        return test

    def _group(self) -> Test:
        """Read what is in brackets: one criterion, or groups that are joined by one and the same word."""
        self._expect("(")
        if self._peek() != "(":
            test = self._criterion(self._next())
            self._expect(")")
            return test
        tests, joint = [self._group()], None
        while self._peek() in {"and", "or"}:
            word = self._next()
            if joint not in {None, word}:
                raise _malformed()
            joint = word
            tests.append(self._group())
        self._expect(")")
        if joint == "or":
            return lambda state: any(test(state) for test in tests)
        return lambda state: all(test(state) for test in tests)

    def _criterion(self, text: str) -> Test:
        self._number += 1
        name, operator, raw = [*text.split(":", 2), "", ""][:3]
        field = self._module.fields.get(name)
        if field is None or field.type not in TEXTS or not raw:
            raise _malformed()
        values = [re.sub(r"\\(.)", r"\1", part).strip().lower() for part in re.split(r"(?<!\\),", raw)]
        first = re.sub(r"\\(.)", r"\1", raw).lower()
        holds: dict[str, Callable[[str], bool]] = {
            "equals": lambda value: value == first,
            "not_equal": lambda value: value != first,
            "starts_with": lambda value: value.startswith(first),
            "in": lambda value: value in values,
        }
        if operator not in holds:
            raise _malformed()
        test = holds[operator]
        return lambda state: state.values[name] is not None and test(str(state.values[name]).lower())

    def _peek(self) -> Any:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _next(self) -> str:
        if self._place >= len(self._tokens):
            raise _malformed()
        self._place += 1
        return self._tokens[self._place - 1]

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise _malformed()


def _malformed() -> Refusal:
    return Refusal("INVALID_QUERY", "invalid query formed", details={"param_name": "criteria"})
