"""The admin of the made-up company, who does what `syncd connectors resume` and `syncd queue retry` do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from syncd.contract import ConnectorError
from syncd.flow import consent, operate
from syncd.flow.app import App
from syncd.http import Session
from syncd.oauth import Consent, Grant
from syncd.store import letters, sources
from syncd.store.engine import read

BY = "cli:sandbox"
_CALLBACK = "http://127.0.0.1:8788/callback"  # to which the browser would be sent, where nobody need listen


@dataclass(frozen=True, kw_only=True)
class Admin:
    """Mends what does not mend itself, or not soon. Works in the daemon's database, as commands do."""

    app: App

    def mend(self, accounts: Iterable[str]) -> list[str]:
        """Consent anew where a vendor gives no token any more, resume connectors that are held back, and have their
        dead letters tried again; say what was done."""
        did = []
        for name in accounts:
            with read(self.app.database) as tx:
                source = sources.get(tx, name)
                dead = letters.find(tx, dead=True, party=name)
            if self._consents(name):
                did.append(f"the admin consents anew in {name}")
            if source and source.state not in {"healthy", "new"}:
                operate.resume(self.app, name, by=BY)
                did.append(f"the admin resumes {name}, which was {source.state}")
            if dead:
                number = operate.retry(self.app, dead, by=BY)
                did.append(f"the admin has {number} dead letters of {name} tried again")
        return did

    def _consents(self, name: str) -> bool:
        """Do what `syncd connectors auth` and a click in the browser do, if need be."""
        grant = self.app.connections[name].session.grant
        if not isinstance(grant, Grant) or (held := grant.keeper.read()) is None or not held.refused:
            return False
        asked = Consent(oauth=grant.oauth, redirect_url=_CALLBACK)
        try:
            page = Session(deadline=10.0).request("GET", asked.url)
            answer = parse_qs(urlsplit(page.headers.get("Location", "")).query)
            consent.accept(self.app, name, grant, grant.trade(asked, answer["code"][0]), by=BY)
        except (ConnectorError, KeyError):  # some other trouble is going on; the last word is when all is calm
            return False
        return True
