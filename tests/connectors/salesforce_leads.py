"""What the tests of the Salesforce connector push, and the settings with which they do."""

from __future__ import annotations

from typing import Any

from syncd.contract import Lead, Person
from syncd_connectors.salesforce import SalesforceSettings

CLIENT, SECRET = "sandbox-client", "sandbox-secret"  # the sandbox's own


def settings(**given: Any) -> SalesforceSettings:
    push = {
        name: given.pop(name)
        for name in ("as", "fields", "stage", "close_in", "duplicates", "advocates")
        if name in given
    }
    credentials = {} if "jwt" in given else {"client_id": CLIENT, "client_secret": SECRET}
    section = {"name": "salesforce", "type": "salesforce", "domain": "acme.my", "push": push}
    return SalesforceSettings.model_validate(section | credentials | given)


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
