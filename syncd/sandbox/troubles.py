"""What can go wrong around the daemon, by name: one table for the command, for `--scenario chaos`, and for help.

A trouble befalls one account. It is over after a while, unless its sentence says otherwise; then the daemon recovers by
itself, or an admin has to act, or nothing helps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from syncd.sandbox.crm import Fault, lag_between
from syncd.sandbox.scene import Scene
from syncd.sandbox.team import Team

Cure = Literal["itself", "admin", "nothing"]

COMPANY = "Grumble & Sons"  # whose rows an admin's rule refuses
SKEW = 45.0  # seconds that the CRMs' clock jumps
LAG = 8.0  # seconds that a search index is behind at the most


class Impossible(Exception):
    """There is nothing at this moment that this trouble could befall."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """One thing that goes wrong. `begin` says in a few words what it did, or raises `Impossible`."""

    says: str
    begin: Callable[[Scene], str]
    cure: Cure = "itself"
    moment: bool = False  # it happens once, and lasts no time
    fits: Callable[[type[Team]], bool] = lambda _: True  # whose account it can befall


# --- calls that go wrong ---------------------------------------------------------------------------------------------


def _calls(says: str, told: str, *, cure: Cure = "itself", **fields: Any) -> Trouble:
    """Let every call to the account go wrong, as these fields of `Fault` say."""

    def begin(it: Scene) -> str:
        it.fault(Fault(**fields))
        return told

    return Trouble(says=says, begin=begin, cure=cure)


def _hang(it: Scene) -> str:
    it.fault(Fault(action="hang", seconds=min(it.seconds, 60.0)))
    return "calls are taken and not answered"


def _throttle(it: Scene) -> str:
    it.fault(it.team.too_many(daily=False))
    return "there are too many calls for a moment"


def _daily_limit(it: Scene) -> str:
    it.fault(it.team.too_many(daily=True))
    return "the day's calls are spent"


def _token_expired(it: Scene) -> str:
    it.fault(it.team.expired())
    return "the credential has expired"


def _token_revoked(it: Scene) -> str:
    it.fault(Fault(action="token_revoke", times=1))
    return "with the next call every credential is dead"


def _refresh_refused(it: Scene) -> str:
    for fault in it.team.refuse_renewal():
        it.fault(fault)
    return "the access token has ended and the refresh token is refused"


def _bad_row(it: Scene) -> str:
    it.world.market.send_next_from(COMPANY)
    if fault := it.team.refuse_rows(COMPANY):
        it.fault(fault)
    it.undo.append(it.team.relent)
    return "some rows are refused, their neighbours taken"


def _index_lag(it: Scene) -> str:
    it.team.set_lag(lag_between(0.0, LAG))
    it.undo.append(lambda: it.team.set_lag(None))
    return f"reading is up to {LAG:g} s behind writing"


# --- the CRM's own messages ------------------------------------------------------------------------------------------


def _astray(says: str, told: str, **fields: float) -> Trouble:
    """Let the account's webhooks go astray, as these fields of `Mischief` say."""

    def begin(it: Scene) -> str:
        it.mischief(**fields)
        return told

    return Trouble(says=says, begin=begin)


def _forged(it: Scene) -> str:
    if (sent := it.world.courier.latest(it.account)) is None:
        raise Impossible("the CRM has told nothing yet, so that there is nothing to forge")
    code = it.world.courier.forge(sent)
    if code < 400:
        it.world.wrong.append(f"a forged webhook of {it.account} was answered with {code}")
    return f"somebody sends a webhook in its name, and is answered {code}"


def _stopped(it: Scene) -> str:
    return it.team.silence(it.seconds)


# --- what people do --------------------------------------------------------------------------------------------------


def _merge(it: Scene) -> str:
    for case in it.cases():
        other = it.team.meet(f"stranger.{it.world.rng.getrandbits(48):012x}@example.org")
        try:
            survivor = it.team.merge(case.person, other, ours_wins=it.world.rng.random() < 0.5)
        except KeyError:
            continue
        if it.team.is_deal:
            case.deals = [survivor if deal == case.person else deal for deal in case.deals]
        case.person = survivor
        return f"the person of {case.referral} was merged with another"
    raise Impossible("nobody is there who can be merged")


def _delete(it: Scene) -> str:
    for case in it.cases():
        if it.team.outcome(case.deals[-1]) is not None:
            it.team.delete(case.deals[-1])
            it.world.bin.append(case)
            return f"the deal of {case.referral} was deleted"
    raise Impossible("no deal is there")


def _restore(it: Scene) -> str:
    for case in it.world.bin:
        if case.account == it.account:
            it.team.restore(case.deals[-1])
            it.world.bin.remove(case)
            return f"the deal of {case.referral} is back"
    raise Impossible("nothing was deleted")


def _reopen(it: Scene) -> str:
    for case in it.cases():
        if it.team.outcome(case.deals[-1]) == "won":
            it.team.move(case.deals[-1], "contract")
            it.world.market.win_again(case, it.world.people_time())
            return f"the deal of {case.referral} is open again, and will be won once more"
    raise Impossible("no deal is won")


def _skip_stage(it: Scene) -> str:
    for case in it.cases():
        if it.team.outcome(case.deals[-1]) == "open":
            case.deals[-1] = it.team.move(case.deals[-1], "won")
            return f"the deal of {case.referral} was won straight away"
    raise Impossible("no deal is open")


def _rename_stage(it: Scene) -> str:
    return it.team.rename_stage()


def _clock_skew(it: Scene) -> str:
    it.world.clock.advance(SKEW)
    return f"the CRMs' clock is {SKEW:g} s further ahead"


def _duplicate_email(it: Scene) -> str:
    it.team.meet(it.world.market.email_to_come())
    return "the friend who comes next is known to the CRM already"


# --- the table -------------------------------------------------------------------------------------------------------

TROUBLES: Mapping[str, Trouble] = {
    "drop-before": _calls(
        "Connections close before anything is done.", "connections close, nothing is done", action="drop_before"
    ),
    "drop-after": _calls(
        "Connections close after the work is done.", "connections close, the work is done", action="drop_after"
    ),
    "truncate": _calls("Answers break off after a few bytes.", "answers break off", action="truncate"),
    "garbage": _calls("Answers are 200 with bytes that are no JSON.", "answers are garbage", action="garbage"),
    "html": _calls("Answers are 200 with a web page.", "answers are a web page", action="html_200"),
    "drip": _calls("Answers come at 200 bytes a second.", "answers come byte by byte", action="drip", rate=200.0),
    "hang": Trouble(says="Calls are taken and never answered.", begin=_hang),
    "throttle": Trouble(says="Calls are too many, in the vendor's words, for now.", begin=_throttle),
    "throttle-with-retry-after": _calls(
        "Calls are refused with 503 and a Retry-After of two seconds.",
        "calls are asked to come back in two seconds",
        action="status",
        code=503,
        retry_after="2",
    ),
    "daily-limit": Trouble(
        says="The day's calls are spent; afterwards resume the connector.", begin=_daily_limit, cure="admin"
    ),
    "server-errors": _calls(
        "Seven calls of ten are answered with 500.", "calls fail", action="status", code=500, probability=0.7
    ),
    "error-after-apply": _calls(
        "Calls are answered with 500 though the work is done.",
        "calls fail that took effect",
        action="status",
        code=500,
        applied=True,
    ),
    "token-expired": Trouble(
        says="The credential is refused as expired; afterwards resume the connector.",
        begin=_token_expired,
        cure="admin",
    ),
    "token-revoked": Trouble(
        says="Every credential of the account is dead, for good.", begin=_token_revoked, cure="nothing", moment=True
    ),
    "refresh-refused": Trouble(
        says="The refresh token is refused when the access token ends; afterwards resume the connector.",
        begin=_refresh_refused,
        cure="admin",
        fits=lambda team: team.renews,
    ),
    "scope-missing": _calls(
        "The credential lacks a permission; afterwards resume the connector.",
        "a permission is missing",
        cure="admin",
        action="scope_missing",
    ),
    "bad-row": Trouble(
        says="Rows are refused beside others that are taken; afterwards retry dead letters.",
        begin=_bad_row,
        cure="admin",
    ),
    "index-lag": Trouble(says="Reading is up to 8 s behind writing.", begin=_index_lag),
    "webhooks-lost": _astray("The CRM's own webhooks get lost.", "webhooks get lost", losses=1.0),
    "webhooks-doubled": _astray("The CRM's own webhooks come twice.", "webhooks come twice", doubles=1.0),
    "webhooks-late": _astray(
        "Half of the CRM's own webhooks come three seconds late.",
        "webhooks overtake each other",
        disorder=0.5,
        seconds=3.0,
    ),
    "webhook-forged": Trouble(
        says="Somebody who knows everything but the secret sends a webhook.", begin=_forged, moment=True
    ),
    "webhooks-stop": Trouble(
        says="The vendor stops its webhooks: Pipedrive bans ours, Zoho's channel runs out.",
        begin=_stopped,
        fits=lambda team: team.falls_silent,
    ),
    "merge": Trouble(says="Sales merges a friend's record with a stranger's.", begin=_merge, moment=True),
    "delete": Trouble(says="Sales deletes a friend's deal.", begin=_delete, moment=True),
    "restore": Trouble(says="Sales restores the deal that was deleted first.", begin=_restore, moment=True),
    "reopen": Trouble(says="Sales opens a won deal again, and wins it later.", begin=_reopen, moment=True),
    "skip-stage": Trouble(says="Sales wins an open deal at once.", begin=_skip_stage, moment=True),
    "rename-stage": Trouble(says="An admin gives a stage another label.", begin=_rename_stage, moment=True),
    "clock-skew": Trouble(says="The clock of all CRMs jumps 45 s ahead, for good.", begin=_clock_skew, moment=True),
    "duplicate-email": Trouble(
        says="The CRM knows the next friend's address already.", begin=_duplicate_email, moment=True
    ),
}
"""Every trouble by its name."""
