"""Disposable addresses: those of services that give anybody an address for a moment."""

from __future__ import annotations

from functools import cache


def is_disposable(email: str) -> bool:
    """Tell whether an address is at such a service, or at a part of one.

    By https://github.com/disposable-email-domains/disposable-email-domains, as of the installed release.
    """
    labels = email.rpartition("@")[2].casefold().rstrip(".").split(".")
    return any(".".join(labels[start:]) in _domains() for start in range(len(labels) - 1))


@cache
def _domains() -> frozenset[str]:
    from disposable_email_domains import blocklist  # 10,000 of them: loaded by whoever takes friends in

    return frozenset(blocklist)
