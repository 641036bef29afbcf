"""Where log lines go: to stderr, as text on a terminal and as JSON elsewhere, redacted either way."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, SecretStr
from sqlalchemy import make_url

from syncd.config import Config
from syncd.redaction import Redaction

_ORDINARY = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


def set_up(config: Config, *, level: str | None = None) -> None:
    """Send all log lines to stderr in the configured form; `level` replaces the configured one."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Redaction(secrets(config)))
    handler.setFormatter(JsonLines() if is_json(config) else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries tell of their troubles only: at a finer level some of them log whole requests.
    root.setLevel(logging.WARNING)
    logging.getLogger("syncd").setLevel((level or config.log.level).upper())


def is_json(config: Config) -> bool:
    """Tell whether log lines are JSON: as configured, or because nobody is reading at a terminal."""
    return config.log.format == "json" or (config.log.format == "auto" and not sys.stderr.isatty())


def announce(config: Config, text: str) -> None:
    """Say what is no trouble and yet must be read, whatever the level: that the daemon is ready."""
    record = logging.LogRecord("syncd", logging.INFO, "", 0, text, None, None)
    print(JsonLines().format(record) if is_json(config) else text, file=sys.stderr, flush=True)


def secrets(config: Config) -> Iterator[str]:
    """Find every secret of a configuration, so that none is ever written."""
    for section in filter(None, (config.secrets, *config.connectors, *config.senders, *config.receivers)):
        yield from _secrets(section)
    for receiver in config.receivers:
        yield receiver.url  # whole: where an address is secret, it is so by its path or its query
        yield receiver.url.partition("?")[2]
    if password := make_url(config.database).password:
        yield str(password)


class TextLines(logging.Formatter):
    """`09:14:02 warning connector hubspot-eu is failing: ...`"""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).astimezone()
        line = f"{at:%H:%M:%S} {record.levelname.lower()} {record.getMessage()}"
        return f"{line}\n{record.exc_text}" if record.exc_text else line


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and what was given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _ORDINARY}
        if record.exc_text:
            line["traceback"] = record.exc_text
        return json.dumps(line, ensure_ascii=False, default=str)


def _secrets(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _secrets(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets(item)
