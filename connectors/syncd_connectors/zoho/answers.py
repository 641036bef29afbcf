"""Judging answers: what a code of Zoho means for the work at hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from syncd.contract import (
    ConnectorError,
    JsonObject,
    Misconfigured,
    Parked,
    Rejected,
    Throttled,
    Transient,
    Unauthorized,
    retry_after,
    status_error,
    veiled,
)
from syncd_connectors.zoho.leads import Holder, split_field
from syncd_connectors.zoho.records import COLUMNS, as_object, id_of
from syncd_connectors.zoho.settings import ZohoPush

if TYPE_CHECKING:
    import requests


@dataclass(frozen=True, kw_only=True, slots=True)
class Complaint:
    """What Zoho found fault with, in a request or in a record. Its message may repeat values that were sent."""

    code: str
    name: str  # of the field, column or parameter
    message: str = field(repr=False)
    permissions: str = ""


_CODE, _NAME = re.compile(r"[A-Z][A-Z_]{1,60}"), re.compile(r"[A-Za-z_$][A-Za-z0-9_$.]{0,99}")
_TRY_AGAIN = frozenset(
    {"INTERNAL_ERROR", "RECORD_LOCKED", "EXPIRED_VALUE", "TOKEN_BOUND_DATA_MISMATCH", "RECORD_IN_BLUEPRINT"}
)
_FORBIDDEN = frozenset({"NO_PERMISSION", "AUTHORIZATION_FAILED", "NOT_SUPPORTED", "FEATURE_NOT_SUPPORTED"})
_OF_CHANNELS = frozenset({"notify_url", "token", "events", "channel_id", "channel_expiry", "watch"})


class Expired(Unauthorized):
    """The access token has ended, which is daily life; if a new one is refused too, it is what its base class says."""


def read_complaint(body: JsonObject) -> Complaint:
    """Read a refusal, of a request or of a record; some requests are refused in the form of a record."""
    data = body.get("data") or body.get("watch")
    it = data[0] if isinstance(data, list) and data and isinstance(data[0], dict) else body
    details = as_object(it.get("details"))
    names = (str(details.get(key) or "") for key in ("api_name", "column_name", "param_name"))
    code, permissions = str(it.get("code") or ""), details.get("permissions")
    return Complaint(
        code=code if _CODE.fullmatch(code) else "",
        name=next((name for name in names if _NAME.fullmatch(name)), ""),
        message=str(it.get("message") or "")[:300],
        permissions=", ".join(str(it) for it in permissions[:5]) if isinstance(permissions, list) else "",
    )


def read_holder(result: JsonObject, kind: str) -> Holder | None:
    """Read which record has a unique value already."""
    details = as_object(result.get("details"))
    record = as_object(details.get("duplicate_record"))
    id_ = id_of(record) or id_of(details.get("id"))
    if result.get("code") != "DUPLICATE_DATA" or id_ is None:
        return None
    there = str(as_object(record.get("module")).get("api_name") or kind)
    return Holder(kind=there, id=id_, name=read_complaint(result).name) if there in COLUMNS else None


def verdict_on(complaint: Complaint, kind: str, push: ZohoPush, row: Mapping[str, Any]) -> ConnectorError:
    """Tell whether a complaint is about the settings, so that it befalls every lead, or about one lead's values.

    https://www.zoho.com/crm/developer/docs/api/v8/status-codes.html
    """
    code, name = complaint.code, complaint.name
    sent = {str(value) for key, value in row.items() if key not in {"Stage", "Pipeline"}}
    text = f"{kind}{f'.{name}' if name else ''}: {veiled(complaint.message, sent)} ({code or 'no code'})"
    if code in _TRY_AGAIN:
        return Transient(text)
    if code == "DUPLICATE_DATA":
        return Transient(f"{text}; Zoho does not name the record that is there")
    if code in _FORBIDDEN:
        return _forbidden(text, complaint)
    if kind == "Deals" and name in {"Stage", "Pipeline"}:
        hint = "the actual values are needed, as `syncd connectors discover` shows them"
        return Misconfigured(text, yaml_path=f"push.{name.lower()}", hint=hint)
    if code == "INVALID_DATA" and "field api name" in complaint.message:
        return Misconfigured(text, yaml_path=_path(name, push) or "push.fields", hint="correct the mapping")
    return Rejected(text)


def _path(name: str, push: ZohoPush) -> str | None:
    """Name the setting through which a field came to be written or read."""
    if name == push.referral_id:
        return "push.referral_id"
    if name in _OF_CHANNELS:
        return "webhook"
    return next((f"push.fields.{it}" for it in push.fields if split_field(it, push)[1] == name), None)


def _forbidden(text: str, complaint: Complaint) -> Misconfigured:
    wanted = complaint.permissions or "to read and write the modules of push.as"
    return Misconfigured(text, yaml_path="oauth.refresh_token", hint=f"its user lacks a permission: {wanted}")


def failure_of(answer: requests.Response, complaint: Complaint, push: ZohoPush, scope: str) -> ConnectorError:
    """Tell what an answer that is neither a success nor a list of results means."""
    status, code = answer.status_code, complaint.code
    text = f"Zoho answers with status {status}" + (f" ({code})" if code else "")
    if code == "OAUTH_SCOPE_MISMATCH":
        hint = f"make a new refresh token, with the scope {scope} among the others that are needed"
        told = f"the refresh token lacks the scope {scope}"
        return Misconfigured(told, yaml_path="oauth.refresh_token", hint=hint)
    if status == 401:
        hint = "it gives an access token and refuses it: is data_center right, and is the account active?"
        return Expired("Zoho refuses our access token", yaml_path="oauth.refresh_token", hint=hint)
    if code in _FORBIDDEN or status == 403:
        return _forbidden(text, complaint)
    if code in _TRY_AGAIN:
        return Transient(text, retry_after=retry_after(answer))
    if code == "INVALID_MODULE":
        hint = "does the account have it, and is its user allowed to see it?"
        return Misconfigured(f"{text}: a module is not there", yaml_path="push.as", hint=hint)
    if complaint.name and status == 400:
        told = f"{text}: {complaint.name} is not there or cannot be used so"
        hint = "correct the setting, or create the field in Zoho and let the user of the token see it"
        return Misconfigured(told, yaml_path=_path(complaint.name, push) or "type", hint=hint)
    if status == 404:
        return Misconfigured(text, yaml_path="base_url", hint="is it Zoho's address?")
    error = status_error(status, text, retry_after=retry_after(answer))
    if error is None or isinstance(error, Rejected):
        return Misconfigured(text, yaml_path="type", hint="Zoho's API may have changed; look for a newer version")
    return error


def scope_of(kind: str, right: str) -> str:
    return f"modules.{kind.lower()}.{right}"


def parked(why: str, until: datetime | None, wait: timedelta) -> ConnectorError:
    """Wait until a time by Zoho's clock, not ours; for as long where its answer told none."""
    if until is None:
        return Throttled(why, retry_after=wait.total_seconds())
    return Parked(f"{why}; until {until:%Y-%m-%d %H:%M} UTC nothing is sent", until=until)
