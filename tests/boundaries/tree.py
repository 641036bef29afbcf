"""Where this project's files are, for tests about the project itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "syncd": ROOT / "syncd",
    "syncd_connectors": ROOT / "connectors" / "syncd_connectors",
    "syncd_rules": ROOT / "rules" / "syncd_rules",
}


def program(name: str) -> Path:
    """Give a developer's tool that is installed beside this Python."""
    return Path(sys.executable).parent / name


def files(folder: Path) -> Iterator[Path]:
    """Find the project's own files below a folder: nothing that git, Python or a tool put there."""
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _made_by_tools(name)]
        yield from (Path(here) / name for name in names if not name.endswith((".pyc", ".db", ".db-wal", ".db-shm")))


def _made_by_tools(folder: str) -> bool:
    if folder.startswith("."):
        return folder != ".ci"
    return folder in {"__pycache__", "build", "dist", "syncd-sandbox"} or folder.endswith(".egg-info")
