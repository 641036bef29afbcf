"""The admin of the made-up company, who does what `syncd connectors resume` and `syncd queue retry` do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from syncd.flow import operate
from syncd.flow.app import App
from syncd.store import sources, work
from syncd.store.engine import read

BY = "cli:sandbox"


@dataclass(frozen=True, kw_only=True)
class Admin:
    """Mends what does not mend itself, or not soon. Works in the daemon's database, as commands do."""

    app: App

    def mend(self, accounts: Iterable[str]) -> list[str]:
        """Resume connectors that are held back, and have their dead letters tried again; say what was done."""
        did = []
        for name in accounts:
            with read(self.app.database) as tx:
                source = sources.get(tx, name)
                dead = work.letters(tx, dead=True, party=name)
            if source and source.state not in {"healthy", "new"}:
                operate.resume(self.app, name, by=BY)
                did.append(f"the admin resumes {name}, which was {source.state}")
            if dead:
                number = operate.retry(self.app, dead, by=BY)
                did.append(f"the admin has {number} dead letters of {name} tried again")
        return did
