"""Judging answers: what a status and a code of Salesforce mean for the work at hand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from syncd.contract import (
    BadDelivery,
    ConnectorError,
    JsonObject,
    Misconfigured,
    Parked,
    Rejected,
    Throttled,
    Transient,
    Unauthorized,
    answered_at,
    read_json,
    retry_after,
    status_error,
    veiled,
)
from syncd_connectors.salesforce.leads import NO_COMPANY, NO_NAME, split_field
from syncd_connectors.salesforce.settings import SalesforcePush, SalesforceSettings

if TYPE_CHECKING:
    import requests

_QUOTA_WAIT = timedelta(minutes=15)  # the daily limit counts the last 24 hours, so some of it comes back at any time


@dataclass(frozen=True, kw_only=True, slots=True)
class Complaint:
    """What Salesforce found fault with, in a request or in a row."""

    code: str
    text: str  # may repeat values that were sent
    fields: tuple[str, ...] = ()


class Refused(Misconfigured):
    """A request that was refused as a whole; where no row can be at fault, it is ours."""

    def __init__(self, complaint: Complaint) -> None:
        hint = "Salesforce's API may have changed; look for a newer version"
        super().__init__(f"Salesforce refuses a request: {_said(complaint, ())}", yaml_path="type", hint=hint)
        self.complaint = complaint


class Expired(Unauthorized):
    """The session has ended, which is daily life; if a new one is refused too, it is what its base class says."""


ARRIVED = frozenset({"DUPLICATE_VALUE", "CANNOT_UPDATE_CONVERTED_LEAD"})
_TRY_AGAIN = frozenset(
    {
        "UNABLE_TO_LOCK_ROW",
        "UNKNOWN_EXCEPTION",
        "SERVER_UNAVAILABLE",
        "QUERY_TIMEOUT",
        "INVALID_QUERY_LOCATOR",
        "REQUEST_RUNNING_TOO_LONG",
    }
)
_SETTINGS = frozenset(
    {"INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE", "INVALID_TYPE", "NOT_FOUND", "STORAGE_LIMIT_EXCEEDED"}
)
_SPENT = "REQUEST_LIMIT_EXCEEDED"
_COLUMN = re.compile(r"No such column '?(\w+)'? on (?:sobject of type|entity) '?(\w+)")


def read_complaint(body: object) -> Complaint:
    """Read the first error of a refused request, which is a list, or of a failed row, which has one."""
    errors = body.get("errors") if isinstance(body, dict) else body
    it = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    fields = it.get("fields")
    return Complaint(
        code=str(it.get("statusCode") or it.get("errorCode") or ""),  # the one of a row, the other of a request
        text=str(it.get("message") or "no reason given")[:4000],
        fields=tuple(str(name) for name in fields) if isinstance(fields, list) else (),
    )


def why_of(verdict: Complaint | Refused) -> Complaint:
    return verdict.complaint if isinstance(verdict, Refused) else verdict


def _said(complaint: Complaint, sent: Iterable[str]) -> str:
    names = f" ({', '.join(complaint.fields)})" if complaint.fields else ""
    return f"{complaint.code or 'no code'}{names}: {veiled(complaint.text, sent)[:300]}"


def verdict_on(complaint: Complaint, kind: str, push: SalesforcePush, row: Mapping[str, Any]) -> ConnectorError:
    """Tell whether a complaint is about the settings, so that it befalls every lead, or about one lead's values.

    https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm
    """
    harmless = {push.stage, NO_NAME, NO_COMPANY, row.get(push.referral_id)}
    text = _said(complaint, {value for value in row.values() if isinstance(value, str)} - harmless)
    if complaint.code in _TRY_AGAIN:
        return Transient(text)
    if complaint.code in _SETTINGS or complaint.code.startswith("INSUFFICIENT_ACCESS"):
        path, hint = _at_fault(complaint, kind, push)
        return Misconfigured(text, yaml_path=path, hint=hint)
    if complaint.code == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST" and "StageName" in complaint.fields:
        return Misconfigured(text, yaml_path="push.stage", hint="Salesforce's own name of a stage is needed")
    if complaint.code == "DUPLICATES_DETECTED":
        return Rejected(f"{text}; a duplicate rule finds this person in Salesforce already (see push.duplicates)")
    if complaint.code == "CANNOT_UPDATE_CONVERTED_LEAD":
        return Transient(f"{text}; the converted Lead could not be read")
    return Rejected(text)


def _at_fault(complaint: Complaint, kind: str, push: SalesforcePush) -> tuple[str, str]:
    """Name the setting behind a refusal, and what can be done."""
    column = _COLUMN.search(complaint.text)
    kind, names = (column[2], (column[1],)) if column else (kind, complaint.fields)
    for name in names:
        if path := _path(kind, name, push):
            return path, "correct the setting, or create the field and let the user of the credential write it"
    if "external id" in complaint.text.lower():
        return "push.referral_id", "create it: a text field, external id and unique, visible to the user"
    if complaint.code == "STORAGE_LIMIT_EXCEEDED":
        return "type", "the org's storage is full"
    if complaint.code in {"INVALID_TYPE", "NOT_FOUND"} or complaint.code.startswith("INSUFFICIENT_ACCESS"):
        return "push.as", "give the user of the credential a permission set with these objects and fields"
    return "push.fields", "correct the mapping"


def _path(kind: str, name: str, push: SalesforcePush) -> str | None:
    """Name the setting through which a field came to be written."""
    for written in push.fields:
        owner, mapped = split_field(written, push)
        if mapped.lower() == name.lower() and owner == (kind or owner):
            return f"push.fields.{written}"
    own = {push.referral_id.lower(): "push.referral_id", "stagename": "push.stage", "closedate": "push.close_in"}
    return own.get(name.lower())


def read_answer(answer: requests.Response) -> Any:
    """Read an answer's JSON, strictly: a maintenance page and a body that was cut off come with a 200 too.

    It may be a list: of complaints, of rows, of versions. Who needs an object looks whether it is one.
    """
    kind = answer.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if not kind.endswith("json"):
        raise Transient(f"Salesforce's answer (status {answer.status_code}) is not JSON but {kind or 'of no type'}")
    try:
        return read_json(answer.content)
    except BadDelivery:
        raise Transient(f"Salesforce's answer (status {answer.status_code}) is not whole, valid JSON") from None


def listed(items: object) -> list[JsonObject]:
    if not isinstance(items, list) or not all(isinstance(it, dict) for it in items):
        raise Transient("Salesforce's answer holds something else than the objects that its API describes")
    return items


def failure_of(answer: requests.Response, credential: str) -> ConnectorError:
    """Tell what an answer that is no 2xx means.

    https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
    """
    status = answer.status_code
    try:
        body = read_answer(answer)
    except Transient:
        body = []
    said = read_complaint(body)
    text = f"Salesforce answers with status {status}" + (f" ({said.code})" if said.code else "")
    if status == 401:
        hint = "it gives a session and refuses it: is the app allowed to use the API, and from this address?"
        return Expired("Salesforce refuses our session", yaml_path=credential, hint=hint)
    if said.code == _SPENT:
        return _spent(answer, said)
    if status == 410 or said.code == "UNSUPPORTED_API_VERSION":
        return Misconfigured(f"{text}: this version is retired", yaml_path="api_version", hint="write a newer one")
    if status in {409, 420} or said.code in _TRY_AGAIN:
        return Transient(text, retry_after=retry_after(answer))
    if status == 300:  # a list of the records, in the place of complaints
        several = "several records carry the same id of a lead; delete all but one, and make the field unique"
        return Refused(Complaint(code="DUPLICATE_EXTERNAL_ID", text=several))
    if status in {400, 404} and said.code:
        return Refused(said)
    if status == 403:
        hint = f"the user of the credential lacks a permission, such as API Enabled: {veiled(said.text, ())}"
        return Misconfigured(text, yaml_path=credential, hint=hint)
    if status == 404:
        return Misconfigured(text, yaml_path="base_url", hint="is it Salesforce's address?")
    error = status_error(status, text, retry_after=retry_after(answer))
    if error is None or isinstance(error, Rejected):
        return Misconfigured(text, yaml_path="type", hint="Salesforce's API may have changed; look for a newer version")
    return error


def _spent(answer: requests.Response, said: Complaint) -> ConnectorError:
    """Tell the two limits apart: of calls in 24 hours, and of calls that run at the same moment."""
    if "concurrent" in said.text.lower():
        return Throttled("too many calls to this org are running", retry_after=retry_after(answer) or 20.0)
    why, now = "the org's daily limit of API calls is spent", answered_at(answer)
    if now is None:
        return Throttled(why, retry_after=_QUOTA_WAIT.total_seconds())
    until = now + _QUOTA_WAIT
    return Parked(f"{why}; until {until:%Y-%m-%d %H:%M} UTC nothing is sent", until=until)


_LOGIN_TRY_AGAIN = frozenset({"server_error", "temporarily_unavailable", "unknown_error"})


def login_failure(answer: requests.Response, settings: SalesforceSettings) -> ConnectorError:
    """Tell what a refused sign-in means. A maintenance page is no refusal; the SDK takes it for one.

    https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_flow_errors.htm
    """
    status = answer.status_code
    try:
        body = read_answer(answer)
    except Transient:
        body = {}
    code = str(body.get("error") or "") if isinstance(body, dict) else ""
    text = f"Salesforce's sign-in answers with status {status}" + (f" ({code})" if code else "")
    if 300 <= status < 400:
        return Misconfigured(text, yaml_path="domain", hint="it leads elsewhere; write the My Domain that it leads to")
    if status == 429 or code.lower() == "login_rate_exceeded":
        return Throttled(text, retry_after=retry_after(answer))
    if status >= 500 or not code or code.lower() in _LOGIN_TRY_AGAIN:
        return Transient(text, retry_after=retry_after(answer))
    paths = {"invalid_client_id": "client_id", "invalid_client": "client_secret"}
    path = paths.get(code, "client_secret")
    if settings.jwt:
        path = {"invalid_client_id": "jwt.client_id", "invalid_client": "jwt.client_id"}.get(code, "jwt")
    told = veiled(str(body.get("error_description") or "")[:200], _secrets(settings))
    return Unauthorized(text, yaml_path=path, hint=told or "create the credential anew")


def _secrets(settings: SalesforceSettings) -> list[str]:
    jwt = settings.jwt
    hidden = [settings.client_secret.get_secret_value()] if settings.client_secret else []
    return hidden + ([jwt.username] if jwt else [])
