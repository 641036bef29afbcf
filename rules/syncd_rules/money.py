"""Money without floats: decimal text outside, integers of minor units inside."""

from __future__ import annotations

import re
from decimal import Context, Decimal

from syncd_rules.words import quoted

# ISO 4217, list one: https://www.six-group.com/en/products-services/financial-information/data-standards.html
_CODES = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLF CLP "
    "CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF "
    "IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD "
    "MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB "
    "RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD "
    "UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG"
)
CURRENCIES = frozenset(_CODES.split())
_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DIGITS = {code: places for places, codes in _DECIMALS.items() for code in codes.split()}

EXACT = Context(prec=60)
"""What all arithmetic with decimals is done in: the caller's own context must not change an amount."""

MOST_MINOR_UNITS = 10**15  # far from the end of a 64-bit column, so that sums fit too


def digits(currency: str) -> int:
    """Tell how many decimals a currency has."""
    return _DIGITS.get(currency, 2)


def minor_units(text: str, currency: str) -> int:
    """Read a decimal text such as "100.00" as minor units; ValueError where it is not exactly one amount."""
    match = re.fullmatch(r"(\d{1,15})(?:\.(\d{1,9}))?", text, re.ASCII)
    if match is None:
        raise ValueError(f"{quoted(text)} is not an amount; write digits with a point, such as 100.00")
    whole, fraction = match[1], match[2] or ""
    places = digits(currency)
    if len(fraction.rstrip("0")) > places:
        raise ValueError(f"{text} has more decimals than {currency} has ({places})")
    amount = int(whole + fraction[:places].ljust(places, "0"))
    if amount > MOST_MINOR_UNITS:
        raise ValueError(f"{text} {currency} is larger than anything that the books take")
    return amount


def decimal_text(amount: int, currency: str) -> str:
    """Write minor units as decimal text with the currency's own number of decimals."""
    return f"{Decimal(amount).scaleb(-digits(currency), EXACT):f}"
