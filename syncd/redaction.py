"""What must never be read in a log or an error: secrets, credentials in addresses, e-mail addresses, forged lines."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterable
from urllib.parse import quote

HIDDEN = "[hidden]"

_NAMED = re.compile(
    r"""(?ix) ( \b [\w-]{0,40} (?: token | secret | passw(?:or)?d | api[_-]?key | authorization | signature )
                [\w-]{0,40} ["']? \s{0,3} [=:] \s{0,3} )
        (?! Bearer\s | Basic\s | \[hidden\] ) ( "[^"]*" | '[^']*' | [^\s&"',;}]+ )"""
)
_PATTERNS = (
    # By their certainty: what is recognised by its own form, then what is recognised by its name.
    (re.compile(r"\b(Bearer|Basic|Zoho-oauthtoken)\s+[\w.~+/=-]+", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(r"\b(?:pat-[a-z0-9]{2,4}-|whsec_|sk_live_|sk_test_|ghp_|xox[abp]-)[\w+/=-]{6,}"), HIDDEN),
    (re.compile(r"\bsyncd_[\w-]{40,}"), HIDDEN),  # our own tokens; our packages have short names
    (re.compile(r"(\w://)[^\s/@:]{0,200}:[^\s/@]{0,200}@"), rf"\1{HIDDEN}@"),
    (_NAMED, rf"\1{HIDDEN}"),
    (re.compile(r"([?&](?:key|sig|code|pwd|hapikey)=)[^\s&]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"[\w.+'-]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"), "[e-mail]"),
    (re.compile(r"(?<![\w+])\+\d(?:[ ()./-]?\d){7,14}(?!\w)"), "[phone]"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
_ORDINARY = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def redact(text: str) -> str:
    """Hide what looks like a credential, an e-mail address or a telephone number, and make the text one line."""
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class Redaction(logging.Filter):
    """Lets every record through, after hiding the secrets that were registered and all that `redact` knows.

    Put it on the handlers, not on a logger: a logger's filter does not see what its children send.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets: tuple[str, ...] = ()
        for secret in secrets:
            self.register(secret)

    def register(self, secret: str) -> None:
        """Hide this value from now on, also in the form that it has inside a URL."""
        if len(secret) < 4:
            return  # hiding so short a text would make every line unreadable, and it protects nothing
        forms = {*self._secrets, secret, quote(secret, safe="")}
        self._secrets = tuple(sorted(forms, key=len, reverse=True))

    def redact(self, text: str) -> str:
        """Hide the registered secrets, then what `redact` hides."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return redact(text)

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record: its message, its traceback and the texts that were given as `extra`."""
        record.msg, record.args = self.redact(_message(record)), None
        if record.exc_info and not record.exc_text:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        record.exc_info = None  # or a formatter would render it again, unredacted
        record.exc_text = record.exc_text and self._indented(record.exc_text)
        record.stack_info = record.stack_info and self._indented(record.stack_info)
        for name, value in vars(record).items():
            if name not in _ORDINARY and isinstance(value, str):
                setattr(record, name, self.redact(value))
        return True

    def _indented(self, text: str) -> str:
        # A traceback keeps its lines, but none of them starts at the margin, where it could pass for a record.
        return "\n".join(f"    {self.redact(line)}" for line in text.split("\n"))


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # the arguments do not fit; to say so must not print them
        return f"{record.msg!s} (its arguments do not fit)"
