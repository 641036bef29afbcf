"""The folder of a sandbox: a configuration like any other, but for a `base_url` that is on this machine."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

CONNECTOR, SENDER, CAMPAIGN = "hubspot", "shop", "sandbox"

_YAML = """\
# Written by `syncd sandbox`. The CRM behind base_url ends with it.
database: sqlite:///syncd.db
server: {{listen: "127.0.0.1:{port}"}}
connectors:
  - name: {connector}
    type: hubspot
    token: ${{file:secrets/crm}}
    base_url: {base_url}
    push:
      as: deal
      fields:
        firstname: friend.first_name
        lastname: friend.last_name
        company: friend.company
        referred_by: advocate.name
        referral_code: referral.code
        deal.dealname: "Referral: {{friend.name}}"
    stages: {{default: {{qualifiedtobuy: meeting, contractsent: meeting}}}}
    poll: {{every: 1s, overlap: 30s, sweep: 5s}}
campaigns:
  - {{files: [campaign.yaml], connectors: [{connector}]}}
senders:
  - {{name: {sender}, secrets: ["${{file:secrets/{sender}}}"]}}
log: {{level: info, format: text}}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A sandbox's folder, made."""

    folder: Path
    config: Path
    key: bytes = field(repr=False)  # the shop's, with which it signs

    @property
    def log(self) -> Path:
        """Where the daemon's log goes."""
        return self.folder / "daemon.log"

    def environment(self) -> Mapping[str, str]:
        """Give the environment of the daemon: ours, without what would lead it to another installation."""
        return {name: value for name, value in os.environ.items() if not name.startswith("SYNCD_")}


class Occupied(Exception):
    """The folder is in use; a sandbox starts in an empty one, since its CRM starts empty too."""


def make(folder: Path, *, base_url: str, crm_token: str, port: int) -> Place:
    """Write configuration, campaign and the shop's secret into a folder, made if need be. Raises `Occupied`."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Occupied(f"{folder} is not empty; delete it, or name another folder")
    key = secrets.token_bytes(32)
    values = {"port": port, "connector": CONNECTOR, "sender": SENDER, "base_url": base_url}
    (folder / "secrets").mkdir(mode=0o700)
    for name, text in {
        "syncd.yaml": _YAML.format(**values),
        "campaign.yaml": resources.files("syncd.sandbox").joinpath("campaign.yaml").read_text(encoding="utf-8"),
        "secrets/crm": crm_token,
        f"secrets/{SENDER}": "whsec_" + base64.b64encode(key).decode(),
    }.items():
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    return Place(folder=folder, config=folder / "syncd.yaml", key=key)
