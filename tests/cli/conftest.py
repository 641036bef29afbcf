"""A folder with a small installation, and ways to give it commands: in this process, or as an admin would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from syncd.cli import cli
from syncd.sandbox.crm.server import Sandbox

TOKEN = "sandbox-hubspot"

CAMPAIGN = """
campaign: spring
counting: conversions
qualification:
  any_of:
    - {type: stage, stage: won}
    - {type: explicit, via: [manual, api]}
rewards:
  - {id: welcome, trigger: referral.qualified, to: friend, kind: points, amount: 50}
"""

CONFIG = """
database: sqlite:///syncd.db
server: {{listen: "127.0.0.1:0"}}
log: {{format: json}}
connectors:
  - name: crm
    type: hubspot
    token: ${{CRM_TOKEN}}
    base_url: {url}
campaigns:
  - files: [spring.yaml]
    connectors: [crm]
"""


@dataclass(frozen=True)
class Place:
    """A folder with syncd.yaml and one campaign."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "syncd.yaml"

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "CRM_TOKEN": TOKEN, "COLUMNS": "200"}

    def call(self, *args: str, **env: str) -> Result:
        """Run a command in this process; it has no terminal."""
        return CliRunner().invoke(cli, ["-c", str(self.config), *args], env={**self.env, **env}, prog_name="syncd")

    def did(self, *args: str) -> str:
        """Run a command that must succeed; give what it printed to stdout."""
        result = self.call(*args)
        assert result.exit_code == 0, result.output
        return result.stdout

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start a command as a process of its own."""
        command = [sys.executable, "-m", "syncd", "-c", str(self.config), *args]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


@pytest.fixture(scope="session")
def crm() -> Iterator[Sandbox]:
    """One simulated CRM for all tests of a run; each installation has leads of its own in it."""
    with Sandbox(now=lambda: datetime.now(UTC)) as sandbox:
        yield sandbox


@pytest.fixture
def place(tmp_path: Path, crm: Sandbox) -> Place:
    """An installation whose only connector is on the simulated CRM."""
    return make(tmp_path, crm.url())


def make(folder: Path, url: str) -> Place:
    """Write an installation into a folder."""
    (folder / "spring.yaml").write_text(CAMPAIGN)
    (folder / "syncd.yaml").write_text(CONFIG.format(url=url))
    return Place(folder)
