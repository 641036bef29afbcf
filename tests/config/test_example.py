"""The example configuration is one that works."""

from __future__ import annotations

import shutil
from pathlib import Path

from syncd import registry
from syncd.config import load
from syncd.config.fields import render

CONFIG = Path(__file__).parents[2] / "config"


def test_the_example_loads_without_a_warning(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    shutil.copytree(CONFIG, folder)
    (folder / "secrets").mkdir()
    for name in ("shop", "mailer"):
        (folder / "secrets" / name).write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
        (folder / "secrets" / name).chmod(0o600)
    config = load(folder / "syncd.example.yaml", env={"HUBSPOT_TOKEN": "x"}, connector_types=registry.find)
    assert config.warnings == ()
    assert [(it.name, it.host) for it in config.receivers] == [("mailer", "hooks.example.com")]
    assert config.campaigns["spring-2026"].connectors == ("hubspot-eu",)
    (connector,) = config.connectors
    filled = render(connector.push.fields, {"friend.name": "Ada Byron", "friend.first_name": "Ada"})
    assert filled == {"firstname": "Ada", "lead_source": "Referral", "deal.dealname": "Referral: Ada Byron"}
