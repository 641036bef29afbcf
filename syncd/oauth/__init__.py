"""OAuth: how the daemon comes by access tokens, renews them in time, and loses none (RFC 6749).

`equip` is all that most need: it gives a session the grant of a connector that is `UsesOAuth`.
"""

from __future__ import annotations

from syncd.oauth.consent import Consent
from syncd.oauth.grant import Grant, equip, wanted
from syncd.oauth.keepers import DatabaseKeeper, Keeper, MemoryKeeper
from syncd.oauth.tokens import Given

__all__ = ["Consent", "DatabaseKeeper", "Given", "Grant", "Keeper", "MemoryKeeper", "equip", "wanted"]
