"""What turns texts that must be kept and never shown into texts that can be kept: the OAuth tokens in the database."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.fernet import Fernet


class WrongKey(Exception):
    """None of the keys opens this text; the message names by its fingerprint the key that would."""


class Vault:
    """Seals with its first key, opens with any of them: so keys can be changed while both are known.

    A sealed text begins with the fingerprint of its key, so that one which is missing can be named.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        from cryptography.fernet import Fernet  # 40 ms, which a command that needs no vault does not wait for

        self._first = fingerprint(keys[0])
        self._ciphers: dict[str, Fernet] = {fingerprint(key): Fernet(key) for key in keys}

    def seal(self, text: str) -> str:
        """Encrypt a text with the first key."""
        return f"{self._first}.{self._ciphers[self._first].encrypt(text.encode()).decode()}"

    def open(self, sealed: str) -> str:
        """Decrypt what was sealed. Raises `WrongKey`, also for a text that was changed."""
        from cryptography.fernet import InvalidToken

        name, _, token = sealed.partition(".")
        if name not in self._ciphers:
            raise WrongKey(f"the key {name[:16]!r} is missing; there is {', '.join(self._ciphers)}")
        try:
            return self._ciphers[name].decrypt(token).decode()
        except InvalidToken:
            raise WrongKey(f"the key {name} does not open it; it was changed after it was written") from None

    def reseal(self, sealed: str) -> str:
        """Encrypt anew with the first key what any of the keys opens. Raises `WrongKey`."""
        return self.seal(self.open(sealed))


def new_key() -> str:
    """Make a key."""
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()


def is_key(text: str) -> bool:
    """Tell whether a text has a key's form: 32 bytes in URL-safe base64."""
    try:
        return len(base64.b64decode(text, altchars=b"-_", validate=True)) == 32
    except (binascii.Error, ValueError):
        return False


def fingerprint(secret: str) -> str:
    """Name a key or a token without telling it. Only for what chance made: a guessable text could be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]
