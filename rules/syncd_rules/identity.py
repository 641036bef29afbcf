"""Who is the same person, and who works at the same company, as far as an e-mail address can tell.

The rules themselves never see an address: whoever builds the events normalises it here, hashes the outcome and passes
the hash as `identity` (and that of the domain as `company`).
"""

from __future__ import annotations

import re

_GMAIL = frozenset({"gmail.com", "googlemail.com"})

# Mail providers whose domain says nothing about the employer.
_PROVIDERS = """
    126.com 163.com aol.com bluewin.ch duck.com fastmail.com free.fr freenet.de gmail.com gmx.at gmx.ch gmx.com gmx.de
    gmx.net googlemail.com hey.com hotmail.co.uk hotmail.com hotmail.fr icloud.com inbox.lv laposte.net libero.it
    live.com mac.com mail.com mail.ru me.com msn.com naver.com orange.fr outlook.com pm.me posteo.de proton.me
    protonmail.com qq.com rediffmail.com seznam.cz t-online.de tuta.com tutanota.com web.de wp.pl yahoo.co.jp
    yahoo.co.uk yahoo.com yandex.com yandex.ru ymail.com zoho.com
"""
GENERIC_PROVIDERS = frozenset(_PROVIDERS.split())


def normalise_email(text: str, *, strip_plus_tag: bool = True, gmail_dots: bool = True) -> str | None:
    """Give the one spelling of an address under which its owner is recognised, or None if it is no address.

    Case never counts. `strip_plus_tag` drops "+anything" in every domain; `gmail_dots` drops the dots that Gmail
    ignores. googlemail.com is gmail.com.
    """
    match = re.fullmatch(r"([^@\s]{1,64})@([^@\s]{1,253})", text.strip().lower())
    if match is None:
        return None
    name, domain = match[1], _ascii_domain(match[2].rstrip("."))
    if domain is None:
        return None
    if strip_plus_tag:
        name = name.partition("+")[0]
    if domain in _GMAIL:
        domain = "gmail.com"
        name = name.replace(".", "") if gmail_dots else name
    return f"{name}@{domain}" if name else None


def company_of(email: str) -> str | None:
    """Give the domain of an address, or None where it belongs to a mail provider for everybody."""
    normal = normalise_email(email)
    if normal is None:
        return None
    domain = normal.partition("@")[2]
    return None if domain in GENERIC_PROVIDERS else domain


def _ascii_domain(domain: str) -> str | None:
    try:
        encoded = domain.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    return encoded if "." in encoded else None
