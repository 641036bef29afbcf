"""Reads the signed assertion of the JWT bearer flow, claim by claim.

https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_jwt_flow.htm
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Set
from datetime import datetime
from typing import Any

from syncd.sandbox.crm.exchange import read_json
from syncd.sandbox.crm.salesforce.refusal import LoginRefusal

LONGEST = 300.0
"""Seconds that an assertion may be valid from now on; the vendor's pages speak of three minutes and of five."""


def check(text: str, client_id: str, username: str, public_key: str, audience: Set[str], now: datetime) -> None:
    """Refuse an assertion that is not `client_id`'s for `username`; claims as in RFC 7523, `exp` also as text."""
    parts = text.split(".")
    try:
        head, claims = (read_json(_decoded(part)) for part in parts[:2])
        signature = _decoded(parts[2])
    except (IndexError, ValueError, binascii.Error):
        raise _invalid("invalid assertion") from None
    if len(parts) != 3 or not isinstance(head, dict) or not isinstance(claims, dict) or head.get("alg") != "RS256":
        raise _invalid("invalid assertion")
    if not client_id or claims.get("iss") != client_id:
        raise LoginRefusal("invalid_client_id", "client identifier invalid")
    if not signature or not _is_signed(".".join(parts[:2]).encode(), signature, public_key):
        raise _invalid("invalid assertion")
    if claims.get("aud") not in audience:
        raise _invalid("audience is invalid")
    if not 0 < _seconds(claims.get("exp")) - now.timestamp() <= LONGEST:
        raise _invalid("expired authorization code")
    if claims.get("sub") != username:
        raise _invalid("user hasn't approved this consumer")


def _decoded(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _seconds(exp: Any) -> float:
    try:
        return float(exp)
    except (TypeError, ValueError):
        return 0.0


def _is_signed(text: bytes, signature: bytes, public_key: str) -> bool:
    if not public_key:
        return True
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import padding, rsa
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        return True  # the sandbox needs the standard library only; the fidelity page says what is lost
    key = load_pem_public_key(public_key.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        key.verify(signature, text, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def _invalid(description: str) -> LoginRefusal:
    return LoginRefusal("invalid_grant", description)
