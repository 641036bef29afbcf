"""Problems: every answer that is not what was asked for, in one form (RFC 9457), quoting nothing of the question."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from syncd.flow.refusal import Refusal
from syncd.redaction import redact
from syncd.web.strict_json import BadJson

log = logging.getLogger("syncd")

MEDIA_TYPE = "application/problem+json"

_REFUSED = {
    "code_not_found": 422,
    "campaign_not_found": 422,
    "no_advocate": 422,
    "email_invalid": 422,
    "already_referred": 409,
    "key_reused": 409,
    "code_taken": 409,
    "rejected": 409,
    "ambiguous": 409,
    "illegal_transition": 409,
    "erased": 409,
    "out_of_date": 503,
    "not_found": 404,
}
_DATABASE = (OperationalError, InterfaceError, PoolExhausted)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")


class Problem(Exception):
    """An answer other than the one that was asked for.

    `code` is a word for programs, `detail` a sentence for people, `path` the field at fault, such as `friend.email`.
    """

    def __init__(
        self, status: int, code: str, detail: str, *, path: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.path = path
        self.headers = headers

    def response(self, **more: str) -> Response:
        """Give the answer."""
        content = ProblemBody(
            type=f"urn:syncd:problem:{self.code}",
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=redact(self.detail),
            code=self.code,
            path=self.path,
        )
        return JSONResponse(content.model_dump() | more, self.status, self.headers, MEDIA_TYPE)


class ProblemBody(BaseModel):
    """What went wrong, for programs (`code`, `path`) and for people (`detail`)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    path: str | None


KNOWN = (Problem, Refusal, BadJson, RequestValidationError, HTTPException, *_DATABASE)


async def answer(_: Request, error: Exception) -> Response:
    """Answer with the problem that an error of one of the `KNOWN` kinds means."""
    return problem_of(error).response()


def problem_of(error: Exception) -> Problem:
    """Tell what an error means to whoever asked."""
    match error:
        case Problem():
            return error
        case Refusal(reason=reason):
            status = _REFUSED.get(reason, 422)
            return Problem(status, reason, str(error), headers={"Retry-After": "60"} if status == 503 else None)
        case BadJson():
            return Problem(400, "bad_json", str(error))
        case RequestValidationError():
            # Only the query is checked by the framework; `query` is no part of a parameter's name.
            return invalid([{**found, "loc": found["loc"][1:]} for found in error.errors()])
        case HTTPException(status_code=status):
            phrase = HTTPStatus(status).phrase
            code = phrase.lower().replace(" ", "_")
            return Problem(status, code, _DETAILS.get(status, phrase), headers=error.headers)
        case _ if isinstance(error, _DATABASE):
            log.error("the database cannot be used: %s", type(error).__name__)
            return Problem(
                503, "database_down", "the database cannot be used now; try again", headers={"Retry-After": "5"}
            )
        case _:
            raise TypeError(f"{type(error).__name__} has no meaning as an answer") from error


_DETAILS = {404: "there is nothing here", 405: "this address does not take this method"}


def invalid(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """Make a problem of the first of the errors that pydantic found."""
    first = errors[0]
    path = ".".join(_shown(str(part)) for part in first["loc"]) or None
    code = first["type"] if first["type"] in _REFUSED else "invalid"
    return Problem(422, code, f"{path or 'the body'}: {first['msg']}", path=path)


def _shown(name: str) -> str:
    """Show a field's name, unless the caller made it up out of who knows what."""
    return name if _PLAIN_NAME.fullmatch(name) else "?"
