"""A folder to write configurations into, and a connector type that needs no CRM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import Field, SecretStr

from syncd.config import Config, ConfigError, Unavailable, load
from syncd.contract import ConnectorSettings, PushSettings

CAMPAIGN = """\
campaign: spring
stages: {order: [lead, meeting, won], lost: [lost]}
"""


class DemoPush(PushSettings):
    kind: Literal["contact", "deal"] = Field(default="deal", alias="as")
    """What a lead becomes."""


class DemoSettings(ConnectorSettings):
    token: SecretStr
    """A service key."""
    owner: int | None = None
    """Whose leads they are."""
    push: DemoPush = DemoPush()
    """What is written."""


class Demo:
    Settings: ClassVar[type[ConnectorSettings]] = DemoSettings


def demo_types(name: str) -> Any:
    if name != "demo":
        raise Unavailable(f"unknown connector type '{name}'", hint="did you mean 'demo'?")
    return Demo


@dataclass
class Folder:
    """A folder with syncd.yaml and whatever it refers to."""

    path: Path
    env: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, content: str | bytes) -> Path:
        place = self.path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        place.chmod(0o600)
        return place

    def load(self, content: str | bytes | None = None, env: Mapping[str, str] | None = None) -> Config:
        if content is not None:
            self.write("syncd.yaml", content)
        return load(self.path / "syncd.yaml", env={**self.env, **(env or {})}, connector_types=demo_types)

    def refuse(self, content: str | bytes | None = None, env: Mapping[str, str] | None = None) -> ConfigError:
        """Load what must not load, and give the error."""
        with pytest.raises(ConfigError) as caught:
            self.load(content, env)
        assert caught.value.problems
        return caught.value


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path, {"TOKEN": "t0ken-of-the-account"})


@pytest.fixture
def connector() -> Callable[..., str]:
    """Write a syncd.yaml of one connector that serves campaign `spring`, with further lines in its section."""

    def text(*lines: str, entry: str = "") -> str:
        section = "".join(f"    {line}\n" for line in lines)
        return (
            "connectors:\n  - name: crm\n    type: demo\n    token: ${TOKEN}\n"
            f"{section}campaigns:\n  - {{files: [spring.yaml], connectors: [crm]}}\n{entry}"
        )

    return text


@pytest.fixture
def spring(folder: Folder) -> Folder:
    """The folder with the campaign file that the connectors of these tests serve."""
    folder.write("spring.yaml", CAMPAIGN)
    return folder
