"""An installation whose only connector comes by OAuth: a third party's, in one small file."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from syncd.vault import new_key
from tests.cli.conftest import CAMPAIGN, Place
from tests.token_vendor import SECRET

ACME = '''
from typing import Any, ClassVar, Self

from syncd.contract import Account, ConnectorSettings, OAuth, OAuthSettings, Transient, Unauthorized


class Settings(ConnectorSettings):
    base_url: str
    """Where it is."""
    oauth: OAuthSettings
    """As whom the daemon comes."""


class Acme:
    Settings: ClassVar[type[ConnectorSettings]] = Settings
    batch_size: ClassVar[int] = 1

    def __init__(self, settings: Any, http: Any) -> None:
        self.url, self.http = settings.base_url, http

    @classmethod
    def open(cls, settings: Any, http: Any) -> Self:
        return cls(settings, http)

    @classmethod
    def oauth(cls, settings: Any) -> OAuth:
        urls = {"authorize_url": f"{settings.base_url}/authorize", "token_url": f"{settings.base_url}/token"}
        return OAuth(app=settings.oauth, scopes=("a",), pkce=True, **urls)

    def check(self) -> Account:
        token = self.http.access_token()
        answer = self.http.request("GET", f"{self.url}/me", headers={"Authorization": f"Bearer {token.text}"})
        if answer.status_code == 401:
            raise Unauthorized("the CRM refuses the token", yaml_path="oauth")
        return Account(name=answer.json()["name"], id="1", checked=("the account can be read",))

    def stages(self) -> Any:
        return ()

    def start(self, at: Any) -> Any:
        return "now"

    def changes(self, since: Any, until: Any) -> Any:
        return iter(())

    def look_up(self, refs: Any) -> Any:
        return ()
'''

CONFIG = """
database: sqlite:///syncd.db
server: {{listen: "127.0.0.1:0"}}
{secrets}
connectors:
  - name: crm
    type: acme
    base_url: {url}
    oauth: {{client_id: app, client_secret: "${{APP_SECRET}}"}}
campaigns:
  - files: [spring.yaml]
    connectors: [crm]
"""


@dataclass(frozen=True)
class OAuthPlace(Place):
    """Its keys are in the environment, as KEY and OLD_KEY."""

    url: str
    key: str
    old_key: str

    @property
    def env(self) -> dict[str, str]:
        paths = [str(self.folder / "packages"), *filter(None, [os.environ.get("PYTHONPATH")])]
        mine = {"APP_SECRET": SECRET, "KEY": self.key, "OLD_KEY": self.old_key, "PYTHONPATH": os.pathsep.join(paths)}
        return {**super().env, **mine}

    def write(self, secrets: str) -> None:
        """Write syncd.yaml with this line for its keys."""
        self.config.write_text(CONFIG.format(url=self.url, secrets=secrets))

    def run(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command as an admin would."""
        command = [sys.executable, "-m", "syncd", "-c", str(self.config), *args]
        return subprocess.run(
            command, cwd=self.folder, env={**self.env, **env}, capture_output=True, text=True, timeout=60, check=False
        )


def make(folder: Path, url: str) -> OAuthPlace:
    """Write the installation into a folder."""
    info = folder / "packages" / "acme_for_syncd-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-for-syncd\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[syncd.connectors]\nacme = acme_for_syncd:Acme\n")
    (folder / "packages" / "acme_for_syncd.py").write_text(ACME)
    (folder / "spring.yaml").write_text(CAMPAIGN)
    place = OAuthPlace(folder, url, new_key(), new_key())
    place.write('secrets: {key: "${KEY}"}')
    return place
