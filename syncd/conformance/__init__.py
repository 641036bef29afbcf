"""The tests that every connector passes, whoever wrote it: one class to inherit, and a double of the CRM.

class TestAcme(Conformance):
    def double(self) -> CrmDouble:
        return AcmeDouble()

pytest finds the behaviours in that class. What a CRM cannot do is declared in `exempt`, each with its reason.
"""

from __future__ import annotations

try:
    import pytest
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "syncd.conformance is a suite of tests and needs pytest, which the daemon does not: pip install pytest",
        name="pytest",
    ) from error

_MODULES = (
    "authorizing hearing listening looking_up opening paging probe pushing reading repeating secrecy subscribing suite"
    " troubles world"
)

# Before they are imported, or a failure would say no more than "assert False".
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _MODULES.split()))

from syncd.conformance.double import (  # noqa: E402
    Authorizes,
    Calls,
    CrmDouble,
    Lags,
    Merges,
    Restores,
    TakesOrders,
    Tells,
    TellsAnything,
    Trouble,
)
from syncd.conformance.suite import Conformance  # noqa: E402
from syncd.conformance.world import World  # noqa: E402

__all__ = [
    "Authorizes",
    "Calls",
    "Conformance",
    "CrmDouble",
    "Lags",
    "Merges",
    "Restores",
    "TakesOrders",
    "Tells",
    "TellsAnything",
    "Trouble",
    "World",
]
