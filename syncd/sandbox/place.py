"""The folder of a sandbox: a configuration like any other, but for addresses that are on this machine."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from syncd.sandbox.team import Item as Item
from syncd.sandbox.team import teams

CONNECTOR, SENDER, AUDIENCE, CAMPAIGN = "hubspot", "shop", "audience", "sandbox"

_YAML = """\
# Written by `syncd sandbox`. The CRMs behind base_url end with it.
database: sqlite:///syncd.db
server: {{listen: "127.0.0.1:{port}"{public}}}
secrets: {{key: "${{file:secrets/key}}"}}
connectors:
{sections}campaigns:
  - {{files: [campaign.yaml], connectors: [{connectors}]}}
senders:
  - {{name: {sender}, secrets: ["${{file:secrets/{sender}}}"]}}
{notify}log: {{level: info, format: text}}
"""
_NOTIFY = """\
notify:
  webhooks:
    - {{name: {audience}, private: true, url: "{url}", secrets: ["${{file:secrets/{audience}}}"]}}
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
    """Furnish a folder for one account of HubSpot."""
    section = teams()[CONNECTOR].section(CONNECTOR, base_url)
    return furnish(folder, [Item(name=CONNECTOR, section=section, secret=crm_token)], port=port)


def furnish(folder: Path, connectors: Sequence[Item], *, port: int, audience: tuple[str, bytes] | None = None) -> Place:
    """Write configuration, campaign and secrets into a folder, made if need be. Raises `Occupied`.

    `audience` is the URL of the one receiver and the key by which it believes messages.

    With port 0 the daemon takes a free one, and nobody outside knows its address: CRMs tell it nothing by themselves.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Occupied(f"{folder} is not empty; delete it, or name another folder")
    key = secrets.token_bytes(32)
    names, sections = ", ".join(it.name for it in connectors), "".join(it.section for it in connectors)
    notify = _NOTIFY.format(audience=AUDIENCE, url=audience[0]) if audience else ""
    public = f', public_url: "http://127.0.0.1:{port}"' if port else ""
    (folder / "secrets").mkdir(mode=0o700)
    for name, text in {
        "syncd.yaml": _YAML.format(
            port=port, public=public, sections=sections, connectors=names, sender=SENDER, notify=notify
        ),
        "campaign.yaml": resources.files("syncd.sandbox").joinpath("campaign.yaml").read_text(encoding="utf-8"),
        **{f"secrets/{it.name}": it.secret for it in connectors},
        **{f"secrets/{it.name}-{key}": text for it in connectors for key, text in it.more.items()},
        "secrets/key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        f"secrets/{SENDER}": "whsec_" + base64.b64encode(key).decode(),
        **({f"secrets/{AUDIENCE}": "whsec_" + base64.b64encode(audience[1]).decode()} if audience else {}),
    }.items():
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    return Place(folder=folder, config=folder / "syncd.yaml", key=key)
