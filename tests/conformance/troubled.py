"""A sandbox with the suite's troubles: what a double of any vendor's CRM is built on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from syncd.conformance import Trouble
from syncd.sandbox.crm import Fault, Sandbox
from syncd.sandbox.crm.dialect import Setup
from syncd.sandbox.crm.exchange import Reply, Request

FAULTS = {
    Trouble.DROP_BEFORE: Fault(action="drop_before"),
    Trouble.DROP_AFTER: Fault(action="drop_after"),
    Trouble.ERROR: Fault(action="status", code=503),
    Trouble.ERROR_AFTER: Fault(action="status", code=500, applied=True),
    Trouble.TRUNCATED: Fault(action="truncate"),
    Trouble.GARBAGE: Fault(action="garbage"),
    Trouble.HTML: Fault(action="html_200"),
    Trouble.BARRED: Fault(action="html", code=400),
    Trouble.EMPTY: Fault(action="empty"),
    Trouble.DRIP: Fault(action="drip"),
    Trouble.THROTTLE: Fault(action="status", code=429),
    Trouble.DAILY_LIMIT: Fault(action="status", code=429, policy="DAILY"),
    Trouble.EXPIRED: Fault(action="token_expire"),
    Trouble.REVOKED: Fault(action="token_revoke"),
    Trouble.SCOPE_MISSING: Fault(action="scope_missing"),
}


class TroubledSandbox(Sandbox):
    """One account, with trouble that begins at a certain call.

    Two troubles are no fault of the wire and differ by vendor: `echo` makes a refusal that repeats the body that was
    sent, and `is_page` tells which requests ask for a page of a list.
    """

    def __init__(
        self,
        account: Setup,
        now: Callable[[], datetime],
        *,
        echo: Callable[[str], Reply],
        is_page: Callable[[Request], bool],
    ) -> None:
        super().__init__(now=now, accounts=[account])
        self._echo, self._is_page = echo, is_page
        self._trouble: Trouble | None = None
        self._left = 0
        self._fault: Fault | None = None
        self._page: Reply | None = None

    def begin(self, trouble: Trouble, *, after: int, retry_after: int | None) -> None:
        """Let every call but the next `after` ones go wrong."""
        self._trouble, self._left, self._page = trouble, after, None
        fault = FAULTS.get(trouble)
        self._fault = replace(fault, retry_after=None if retry_after is None else str(retry_after)) if fault else None

    def mend(self) -> None:
        """Let all be well again."""
        self._trouble, self._fault = None, None
        self.faults.clear()

    def answer(self, request: Request) -> tuple[Reply, Fault | None]:
        """Answer as the account does, or as the trouble has it."""
        is_troubled, self._left = self._left == 0, max(self._left - 1, 0)
        if is_troubled and self._fault:
            self.faults.add(self._fault)
            self._fault = None
        reply, fault = super().answer(request)
        if is_troubled and self._trouble is Trouble.ECHO:
            return replace(self._echo(request.body.decode(errors="replace")), headers=reply.headers), None
        if is_troubled and self._trouble is Trouble.SAME_PAGE and self._is_page(request):
            self._page = self._page or reply
            return self._page, None
        return reply, fault
