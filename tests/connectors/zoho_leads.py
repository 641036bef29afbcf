"""What the tests of the Zoho connector push, and the settings with which they do."""

from __future__ import annotations

from typing import Any

from syncd.contract import Lead, Person
from syncd_connectors.zoho import ZohoSettings

CLIENT, SECRET, REFRESH = "1000.SANDBOX", "sandbox-secret", "1000.sandbox.refresh"  # the sandbox's own


def settings(**given: Any) -> ZohoSettings:
    names = ("as", "fields", "stage", "pipeline", "trigger", "advocates", "referral_id")
    push = {name: given.pop(name) for name in names if name in given}
    oauth = {"client_id": CLIENT, "client_secret": SECRET, "refresh_token": REFRESH}
    section = {"name": "zoho", "type": "zoho", "data_center": "eu", "oauth": oauth, "push": push}
    return ZohoSettings.model_validate(section | given)


def lead(number: int = 1, *, role: Any = "friend", known: Any = None, fields: Any = None, **person: Any) -> Lead:
    return Lead(
        id=f"ref_{number}",
        role=role,
        person=Person(**{"email": f"friend{number}@example.com", "last_name": "Archer", "company": "Acme"} | person),
        campaign="spring",
        referral_code=f"CODE{number}",
        fields=fields or {},
        known=known,
    )
