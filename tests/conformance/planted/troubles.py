"""Faults in what is made of trouble, and in what is told of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urljoin

import requests

from syncd.contract import (
    AccessToken,
    ConnectorError,
    ConnectorSettings,
    JsonObject,
    Lead,
    Misconfigured,
    Pushed,
    Rejected,
    Transient,
)
from tests.conformance.asking import ReferenceSettings
from tests.conformance.planted import caught_by
from tests.conformance.reference import Reference

log = logging.getLogger("reference")

# --- what happens next ---


class Judging(Reference):
    """Calls some statuses by another name."""

    statuses: ClassVar[Sequence[int]] = ()
    error: ClassVar[ConnectorError]

    def judge(self, answer: requests.Response) -> JsonObject:
        if answer.status_code in self.statuses:
            raise self.error
        return super().judge(answer)


@caught_by("only_errors_of_the_contract_come_out")
class TrustsBodies(Reference):
    """Reads a body as JSON without a doubt."""

    def judge(self, answer: requests.Response) -> JsonObject:
        if answer.status_code == 200:
            body: JsonObject = answer.json()
            return body
        return super().judge(answer)


@caught_by("a_burst_of_server_errors_is_passing")
class OutagesAreFinal(Judging):
    """Gives leads up for an outage."""

    statuses, error = (500, 502, 503, 504), Rejected("the CRM is down")


@caught_by("an_answer_that_drips_past_the_deadline_is_passing")
class SlownessIsFinal(Reference):
    """Gives leads up for an answer that came too late."""

    def send(self, method: str, path: str, body: JsonObject | None, *, idempotent: bool) -> JsonObject:
        try:
            return super().send(method, path, body, idempotent=idempotent)
        except Transient as error:
            raise Rejected("no answer") from error


@caught_by("a_call_is_repeated_a_few_times_at_the_most")
class RetriesForEver(Reference):
    """Repeats a call until there is an answer."""

    def send(self, method: str, path: str, body: JsonObject | None, *, idempotent: bool) -> JsonObject:
        while True:
            try:
                return super().send(method, path, body, idempotent=idempotent)
            except Transient:
                continue


@caught_by("what_has_healed_is_used_at_once")
class BearsAGrudge(Reference):
    """Makes no further call once one has failed."""

    failed = False

    def send(self, method: str, path: str, body: JsonObject | None, *, idempotent: bool) -> JsonObject:
        if self.failed:
            raise Transient("it failed before")
        try:
            return super().send(method, path, body, idempotent=idempotent)
        except Transient:
            self.failed = True
            raise


@caught_by("the_wait_that_the_crm_asks_for_is_passed_on")
class LosesTheWait(Reference):
    """Does not say how long the CRM asks to wait."""

    def wait(self, answer: requests.Response) -> float | None:
        return None


@caught_by("throttling_without_a_wait_is_passing")
class ThrottlingIsFinal(Judging):
    """Gives leads up for being throttled."""

    statuses, error = (429,), Rejected("too many calls")


@caught_by("a_spent_daily_quota_parks_the_connector")
class DailyIsPassing(Reference):
    """Goes on trying when the day's quota is spent."""

    def parked(self, answer: requests.Response) -> ConnectorError:
        return Transient("too many calls")


@caught_by("a_revoked_credential_is_unauthorized", "an_expired_credential_is_renewed_or_unauthorized")
class BlamesLeadsForTheToken(Judging):
    """Rejects leads for a credential that is refused."""

    statuses, error = (401,), Rejected("unauthorized")


@caught_by("an_expired_credential_is_renewed_or_unauthorized")
class WaitsForTheToken(Judging):
    """Waits for a credential to come back to life."""

    statuses, error = (401,), Transient("unauthorized")


@caught_by("a_missing_permission_stops_the_connector")
class BlamesLeadsForScopes(Judging):
    """Rejects leads for a permission that is missing."""

    statuses, error = (403,), Rejected("forbidden")


@caught_by("a_reading_that_is_refused_rejects_nobody", "a_history_that_is_refused_rejects_nobody")
class BlamesLeadsForReadings(Reference):
    """Rejects where nothing was pushed, for a reading that the CRM refuses."""

    def judge(self, answer: requests.Response) -> JsonObject:
        if answer.status_code == 400 and (answer.request.path_url or "").endswith(("/search", "/read")):
            raise Rejected("bad request")
        return super().judge(answer)


@caught_by("a_wrong_address_rejects_nobody")
class BlamesLeadsForTheAddress(Judging):
    """Rejects leads for an address at which nothing is."""

    statuses, error = (404,), Rejected("not found")


@caught_by("a_wrong_address_rejects_nobody")
class NowhereIsGone(Reference):
    """Takes an address at which nothing is for a list that is empty."""

    def judge(self, answer: requests.Response) -> JsonObject:
        return {"results": []} if answer.status_code == 404 else super().judge(answer)


@caught_by("a_web_page_of_a_proxy_rejects_nobody")
class BelievesProxies(Reference):
    """Takes the refusal of a proxy for one of the CRM's."""

    def judge(self, answer: requests.Response) -> JsonObject:
        if answer.status_code == 400 and answer.text.startswith("<"):
            raise Rejected("the CRM refuses it")
        return super().judge(answer)


@caught_by("a_redirect_is_not_followed")
class FollowsRedirects(Reference):
    """Goes wherever it is sent, with the credential."""

    def judge(self, answer: requests.Response) -> JsonObject:
        if place := answer.headers.get("Location"):
            answer = self.http.request("POST", urljoin(answer.url, place), headers=self.headers())
        return super().judge(answer)


# --- who may know ---


@caught_by("no_error_tells_a_credential_or_a_person")
class TellsTheToken(Judging):
    """Shows the headers of a call that was refused."""

    def judge(self, answer: requests.Response) -> JsonObject:
        if answer.status_code == 401:
            raise Misconfigured(f"refused: {self.headers()}", yaml_path="token")
        return super().judge(answer)


@caught_by("no_error_tells_a_credential_or_a_person")
class TellsInTheCause(Reference):
    """Keeps the lead in the error that caused the error."""

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        try:
            return super().push(leads)
        except Transient as error:
            raise Transient("no answer") from ValueError([it.person.email for it in leads], error)


@caught_by("a_refusal_does_not_repeat_the_lead")
class RepeatsTheCrm(Reference):
    """Repeats in an error all that the CRM said."""

    def reason(self, error: JsonObject) -> str:
        return str(error.get("message"))


@caught_by("no_log_tells_a_credential_or_a_person")
class LogsLeads(Reference):
    """Logs whom it pushes."""

    def contact_row(self, lead: Lead) -> JsonObject:
        log.debug("pushing %s", lead.person.email)
        return super().contact_row(lead)


@caught_by("no_repr_tells_a_credential_or_a_person")
class ShowsItself(Reference):
    """Shows the credential when it is printed."""

    def __repr__(self) -> str:
        return f"Reference({dict(self.headers())})"


@caught_by("no_repr_tells_a_credential_or_a_person")
class RemembersPeople(Reference):
    """Shows whom it has pushed when it is printed."""

    pushed: Sequence[Lead] = ()

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        self.pushed = leads
        return super().push(leads)

    def __repr__(self) -> str:
        return f"Reference({[it.person.email for it in self.pushed]})"


class OpenSettings(ReferenceSettings):
    """Settings whose credential is a text like any other."""

    token: str  # type: ignore[assignment]
    """A static token."""


@caught_by("no_repr_tells_a_credential_or_a_person")
class PlainToken(Reference):
    """Keeps the credential as plain text."""

    Settings: ClassVar[type[ConnectorSettings]] = OpenSettings

    def token(self) -> AccessToken:
        return AccessToken(text=str(self.settings.token))


@caught_by("no_address_of_a_call_tells_a_credential_or_a_person")
class AsksByAddress(Reference):
    """Looks for a person by an e-mail address in the URL."""

    def contact_row(self, lead: Lead) -> JsonObject:
        url = f"{self.settings.base_url}/crm/objects/2026-09/contacts/{lead.person.email}"
        self.http.request("GET", url, params={"idProperty": "email"}, headers=self.headers())
        return super().contact_row(lead)


class Aside:
    """A session of its own, with no deadline, no limit and no count."""

    def access_token(self, instead_of: AccessToken | None = None) -> AccessToken:
        raise NotImplementedError("a static token is used here")

    def request(self, method: str, url: str, *, idempotent: bool = False, **kwargs: Any) -> requests.Response:
        return requests.request(method, url, **kwargs)  # noqa: S113


@caught_by("every_call_goes_through_the_session_that_was_given")
class CallsAside(Reference):
    """Makes its calls past the session that it was given."""

    def headers(self, token: AccessToken | None = None) -> Mapping[str, str]:
        self.http = Aside()
        return super().headers(token)


@caught_by("ordinary_work_logs_nothing")
class Chatters(Reference):
    """Says of every batch that it went well."""

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        log.info("pushing %d leads", len(leads))
        return super().push(leads)
