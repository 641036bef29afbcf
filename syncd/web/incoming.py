"""What endpoints ask of a request: whose installation it is for, who sent it, and what it holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Depends, Path, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from syncd.flow.app import App
from syncd.store.access import Token
from syncd.web import tokens
from syncd.web.problems import Problem, invalid
from syncd.web.strict_json import parse

Model = TypeVar("Model", bound=BaseModel)

_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_ID = re.compile(r"ref_[0-9a-z]{1,36}")


async def installation(request: Request) -> App:
    """Give the installation that serves this request."""
    app: App = request.app.state.installation
    return app


Installation = Annotated[App, Depends(installation)]
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(HTTPBearer(auto_error=False))]


def reader(app: Installation, credentials: Credentials) -> Token:
    """Give the token of the request; every good one may read."""
    token = tokens.holder(app, credentials.credentials) if credentials else None
    if token is None:
        needed = "this needs the header Authorization: Bearer with a token that is good"
        raise Problem(401, "unauthorized", needed, headers={"WWW-Authenticate": "Bearer"})
    return token


Reader = Annotated[Token, Depends(reader)]


def writer(token: Reader) -> Token:
    """Give the token of the request, which may write."""
    if token.role != "write":
        raise Problem(403, "forbidden", "this token may only read")
    return token


Writer = Annotated[Token, Depends(writer)]


async def idempotency_key(request: Request) -> str | None:
    """Give the key under which a repetition of this request is known."""
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise Problem(400, "bad_key", "an Idempotency-Key is one text of 1 to 200 visible ASCII characters")
    return keys[0]


IdempotencyKey = Annotated[str | None, Depends(idempotency_key)]


def _referral_id(id: Annotated[str, Path(description="The id of a referral, such as ref_...")]) -> str:
    if not _ID.fullmatch(id):
        raise Problem(404, "not_found", "there is no such referral")
    return id


ReferralId = Annotated[str, Depends(_referral_id)]


def single(request: Request) -> dict[str, str]:
    """Give the headers that came once; of one that came twice nobody can say which was meant."""
    return {name: value for name, value in request.headers.items() if len(request.headers.getlist(name)) == 1}


async def json_bytes(request: Request) -> bytes:
    """Give the body, which says that it is JSON."""
    body = await request.body()
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    charset = rest.strip().lower().replace('"', "")
    if body and (kind.strip().lower() != "application/json" or charset not in {"", "charset=utf-8"}):
        raise Problem(415, "not_json", "send the body as Content-Type: application/json, in UTF-8")
    return body


def body(model: type[Model]) -> Callable[[bytes], Model]:
    """Make a dependency that gives the body as this model; an empty body means the model's defaults, if it has them."""
    may_be_empty = not any(field.is_required() for field in model.model_fields.values())

    def read(raw: Annotated[bytes, Depends(json_bytes)]) -> Model:
        return understand(model, {} if may_be_empty and not raw else parse(raw))

    return read


def understand(model: type[Model], value: object) -> Model:
    """Give a value as this model, or raise the `Problem` that names the field at fault."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_context=False, include_input=False)) from None
