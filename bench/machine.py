"""The machine that a row comes from, and how rows are written."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from syncd.store.engine import sqlite_module

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def machine() -> dict[str, Any]:
    """Describe this machine, as far as it matters for the figures."""
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite_module().sqlite_version,
    }


def write_row(bench: str, row: DataclassInstance) -> None:
    """Print a row as a line of JSON."""
    print(json.dumps({"bench": bench, **asdict(row), "machine": machine()}), flush=True)
