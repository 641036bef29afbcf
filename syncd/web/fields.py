"""Fields: the kinds of text that come in, each with its bounds and its one form."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from syncd_rules import normalise_email

# What no one address holds: a second one beside it, a display name, or anything that ends a mail's header line.
_NOT_IN_AN_ADDRESS = re.compile(r"[\s,;:<>()\[\]\"\\]")


@dataclass(frozen=True, slots=True)
class Line:
    """A text on one line, in its one form (NFC), without space around it. It is measured in that form."""

    longest: int
    shortest: int = 0

    def check(self, text: str) -> str:
        """Give the text in its one form. Raises ValueError."""
        if any(unicodedata.category(char) in {"Cc", "Zl", "Zp"} for char in text):
            raise ValueError("a line break or another control character has no place here")
        line = unicodedata.normalize("NFC", text).strip()
        if not self.shortest <= len(line) <= self.longest:
            raise ValueError(f"this takes {self.shortest} to {self.longest} characters")
        return line

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(schema) | {"minLength": self.shortest, "maxLength": self.longest}


def _address(text: str) -> str:
    if _NOT_IN_AN_ADDRESS.search(text) or normalise_email(text) is None:
        raise PydanticCustomError("email_invalid", "this is not one e-mail address")
    return text


Email = Annotated[str, Line(254), AfterValidator(_address)]
Name = Annotated[str, Line(200)]
Phone = Annotated[str, Line(32)]
Id = Annotated[str, Line(64, 1)]
ExternalId = Annotated[str, Line(200, 1)]
Reason = Annotated[str, Line(500)]
Record = Annotated[str, Line(120, 1)] | Annotated[int, Field(ge=0)]
CodeText = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


def _moment(value: object) -> object:
    try:
        if isinstance(value, str) and (at := datetime.fromisoformat(value)).tzinfo:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):  # the first and the last day there is may be none in UTC
        pass
    raise ValueError("write a time as 2026-03-02T09:00:00Z, with its zone")


Moment = Annotated[datetime, BeforeValidator(_moment)]
