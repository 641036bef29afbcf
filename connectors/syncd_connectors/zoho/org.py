"""The account itself."""

from __future__ import annotations

from syncd.contract import JsonObject, json_objects
from syncd_connectors.zoho.client import Client


class Org:
    """What Zoho says of the account as a whole."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._home: str | None = None

    def read(self) -> JsonObject:
        """Ask for it, and keep its currency."""
        body = self._client.ask("GET", "org", scope="org.READ")
        [org] = json_objects(body, "org")[:1] or [{}]
        self._home = str(org.get("iso_code") or "")
        return org

    def currency(self) -> str:
        """Give the account's own currency, in which amounts are where records name none."""
        if self._home is None:
            self.read()
        return self._home or ""
