"""One HTTP call as a route sees it, and the strict reading of a call's parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from syncd.sandbox.crm.exchange import Request, read_json
from syncd.sandbox.crm.hubspot.limits import Meter
from syncd.sandbox.crm.hubspot.model import CrmModel
from syncd.sandbox.crm.hubspot.refusal import invalid, invalid_json
from syncd.sandbox.crm.hubspot.schema import ALIASES, ObjectType
from syncd.sandbox.crm.hubspot.tokens import Tokens
from syncd.sandbox.crm.hubspot.webhooks import Webhooks


@dataclass(frozen=True, kw_only=True)
class CrmAccount:
    """One portal of the vendor: its records, its credentials, its allowance."""

    name: str
    portal: int
    token: str = field(repr=False)
    model: CrmModel
    tokens: Tokens
    meter: Meter
    webhooks: Webhooks
    rng: Random  # correlation ids and the order of batch results
    partial_status: int  # of a batch in which some rows failed


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request that found its route."""

    account: CrmAccount
    names: Mapping[str, str]  # the parts of the path that the route names
    request: Request

    @property
    def model(self) -> CrmModel:
        """Give the account's records."""
        return self.account.model

    @property
    def kind(self) -> ObjectType:
        """Tell the object type that the path names."""
        return ALIASES[self.names["type"]]

    def query(self, *known: str) -> dict[str, list[str]]:
        """Read the query; refuse a parameter that the route does not know. Lists may be repeated or use commas."""
        if unknown := sorted(self.request.query.keys() - set(known)):
            raise invalid(f"Unknown query parameter: {unknown[0]}")
        return {k: [part for v in values for part in v.split(",")] for k, values in self.request.query.items()}

    def json(self) -> Any:
        """Read the body as JSON."""
        if not self.request.is_of("application/json"):
            raise invalid("This API reads application/json; set the Content-Type header")
        try:
            return read_json(self.request.body)
        except ValueError as error:
            raise invalid_json("the body is not valid JSON") from error


def shape(value: Any, *, needs: Mapping[str, type] | None = None, may: Mapping[str, type] | None = None) -> Any:
    """Give `value` back if it is an object with these fields and no others; refuse it as the vendor's parser does."""
    needs, may = needs or {}, may or {}
    if not isinstance(value, dict):
        raise invalid_json("an object was expected")
    if unknown := sorted(value.keys() - needs.keys() - may.keys()):
        raise invalid_json(f'Unrecognized field "{unknown[0]}"')
    if missing := sorted(needs.keys() - value.keys()):
        raise invalid_json(f"some required fields were not set: {missing}")
    for name, kind in {**needs, **may}.items():
        if name in value and (not isinstance(value[name], kind) or isinstance(value[name], bool)):
            raise invalid_json(f'Cannot deserialize field "{name}"')
    return value


def texts(value: Any, field_name: str) -> list[str]:
    """Give a list of texts back, or refuse it."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid_json(f'Cannot deserialize field "{field_name}"')
    return value


def properties(value: Any) -> dict[str, str]:
    """Give an object of texts back, or refuse it: a property's value is text, whatever its type."""
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise invalid_json('Cannot deserialize field "properties": every value is a string')
    return value
