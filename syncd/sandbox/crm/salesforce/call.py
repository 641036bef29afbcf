"""One HTTP call as a route sees it, and the strict reading of a call's parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from syncd.sandbox.crm.exchange import Reply, Request, read_json
from syncd.sandbox.crm.salesforce import values
from syncd.sandbox.crm.salesforce.account import SalesforceAccount
from syncd.sandbox.crm.salesforce.org import Org
from syncd.sandbox.crm.salesforce.refusal import LoginRefusal, Refusal, locked, not_found
from syncd.sandbox.crm.salesforce.schema import Field, Object
from syncd.sandbox.crm.salesforce.store import Commit
from syncd.sandbox.crm.salesforce.values import Values


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request that found its route."""

    account: SalesforceAccount
    names: Mapping[str, str]  # the parts of the path that the route names
    request: Request
    inner: Callable[[Request], Reply]  # answers a call that is part of this one
    locked_row: int | None = None  # of the records that are written, counted from 1: the one that a fault locks

    @property
    def org(self) -> Org:
        """Give the account's records."""
        return self.account.org

    @property
    def version(self) -> str:
        """Tell the API version, such as 66.0."""
        return self.names["version"]

    @property
    def base(self) -> str:
        """Give the path below which this version's resources are."""
        return f"/services/data/v{self.version}"

    @property
    def kind(self) -> Object:
        """Give the object that the path names."""
        if (kind := self.org.schema.object(self.names["sobject"])) is None:
            raise not_found()
        return kind

    def commit(self) -> Commit:
        """Begin this call's transaction."""
        header = self.request.headers.get("sforce-duplicate-rule-header", "")
        options = {part.strip().lower().replace(" ", "") for part in header.split(";")}
        return self.org.commit(allow_alerts="allowsave=true" in options)

    def query(self, *known: str) -> dict[str, str]:
        """Read the query; refuse a parameter that the route does not know, or that comes twice."""
        found = self.request.query
        if unknown := sorted(name for name, given in found.items() if name not in known or len(given) > 1):
            raise Refusal("INVALID_QUERY_PARAMETER", f"The sandbox does not know this query parameter: {unknown[0]}")
        return {name: given[0] for name, given in found.items()}

    def json(self) -> Any:
        """Read the body as JSON."""
        if not self.request.is_of("application/json"):
            message = "This API reads application/json; set the Content-Type header"
            raise Refusal("UNSUPPORTED_MEDIA_TYPE", message, status=415)
        try:
            return read_json(self.request.body)
        except ValueError:
            raise unreadable("The HTTP entity body is not valid JSON") from None

    def form(self) -> dict[str, str]:
        """Read the body as a form."""
        if not self.request.is_of("application/x-www-form-urlencoded"):
            raise LoginRefusal("invalid_request", "the form is to be sent as application/x-www-form-urlencoded")
        try:
            return dict(parse_qsl(self.request.body.decode("ascii"), strict_parsing=True, max_num_fields=20))
        except ValueError:
            raise LoginRefusal("invalid_request", "the form could not be read") from None

    def check_lock(self, row: int) -> None:
        """Refuse the nth record of this call if a fault says that it is locked."""
        if self.locked_row == row:
            raise locked()


def unreadable(problem: str) -> Refusal:
    """Refuse a body whose form is wrong."""
    return Refusal("JSON_PARSER_ERROR", f"{problem} at [line:1, column:1]")


def shape(value: Any, *, needs: Mapping[str, type] | None = None, may: Mapping[str, type] | None = None) -> Any:
    """Give `value` back if it is an object with these fields and no others; refuse it as the vendor's parser does."""
    needs, may = needs or {}, may or {}
    if not isinstance(value, dict):
        raise unreadable("an object was expected")
    if unknown := sorted(value.keys() - needs.keys() - may.keys()):
        raise unreadable(f'Unrecognized field "{unknown[0]}"')
    if missing := sorted(needs.keys() - value.keys()):
        raise unreadable(f"some required fields were not set: {missing}")
    for name, kind in {**needs, **may}.items():
        if name in value and not isinstance(value[name], kind):
            raise unreadable(f'Cannot deserialize field "{name}"')
    return value


def read_values(kind: Object, raw: Any) -> Values:
    """Read a record's fields, in any case, as the vendor does. What is no field or no value of one is refused."""
    if not isinstance(raw, dict):
        raise unreadable("an object was expected")
    found: Values = {}
    for name, value in raw.items():
        if name == "attributes":
            continue
        field = kind.field(name)
        if field is None:
            raise Refusal("INVALID_FIELD", f"No such column '{name}' on sobject of type {kind.name}")
        if field.name in found:
            raise unreadable(f'Duplicate field "{name}"')
        found[field.name] = values.read(field, value)
    return found


def external_id(kind: Object, name: str) -> Field:
    """Give a field by which records may be upserted and read."""
    field = kind.field(name)
    if field is None or not (field.external_id or field.name == "Id"):
        raise not_found(f"Provided external ID field does not exist or is not accessible: {name}")
    return field
