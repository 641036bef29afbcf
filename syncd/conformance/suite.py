"""The class to inherit: all behaviours, the world that each gets, and what a CRM is exempt from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest

from syncd.conformance.authorizing import Authorizing
from syncd.conformance.double import CrmDouble
from syncd.conformance.hearing import Hearing
from syncd.conformance.looking_up import LookingUp
from syncd.conformance.opening import Opening
from syncd.conformance.paging import Paging
from syncd.conformance.pushing import Pushing
from syncd.conformance.reading import Reading
from syncd.conformance.repeating import Repeating
from syncd.conformance.secrecy import Secrecy
from syncd.conformance.subscribing import Subscribing
from syncd.conformance.troubles import Troubles
from syncd.conformance.world import World, opened

ABILITIES: Mapping[str, tuple[type, str]] = {
    "ReceivesWebhooks": (Hearing, "read_webhook"),
    "ManagesWebhooks": (Subscribing, "subscribe"),
    "UsesOAuth": (Authorizing, "oauth"),
}
"""The abilities that a connector may lack as a whole: their behaviours, and the method that shows them."""


class Conformance(
    Opening, Pushing, Repeating, Reading, Paging, LookingUp, Troubles, Secrecy, Hearing, Subscribing, Authorizing
):
    """What every connector does. Inherit it as a class that pytest finds, and give it a double of the CRM.

    `exempt` names the behaviours that this CRM makes impossible, each with the reason; they show up as skipped. An
    ability that the connector does not have is exempt as a whole, by its name: "ManagesWebhooks". Nothing else is ever
    skipped.
    """

    exempt: ClassVar[Mapping[str, str]] = {}

    def double(self) -> CrmDouble:
        """Give a new double of the CRM; the suite starts and stops it."""
        raise NotImplementedError("say which double of its CRM the connector is tested on")

    @pytest.fixture
    def world(self, request: pytest.FixtureRequest) -> Iterator[World]:
        """Give a behaviour a world of its own, or skip it with the reason that was declared."""
        if reason := self._exemption(request.function.__name__):
            pytest.skip(f"exempt: {reason}")
        with opened(self.double()) as world:
            yield world

    def test_every_exemption_names_a_behaviour_and_has_a_reason(self) -> None:
        """An exemption that names nothing, or gives no reason, is a hole that nobody sees."""
        abilities = self.exempt.keys() & ABILITIES.keys()
        behaviours = self.exempt.keys() - abilities
        unknown = {name for name in behaviours if not name.startswith("test_") or not hasattr(Conformance, name)}

        assert unknown == set()
        assert all(reason.strip() for reason in self.exempt.values())
        assert {it for it in abilities if getattr(self.double().connector, ABILITIES[it][1], None)} == set()

    def _exemption(self, behaviour: str) -> str | None:
        whole = (name for name, (theme, _) in ABILITIES.items() if behaviour in vars(theme))
        return next((self.exempt[name] for name in (behaviour, *whole) if name in self.exempt), None)
