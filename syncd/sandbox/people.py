"""Made-up people: advocates with their codes, and the friends who come through them, one after another.

All of it follows from a seed. No address leads anywhere: the domains are the ones reserved for examples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

ADVOCATES = 4
EVERY = 600.0  # seconds of the people's own time between two friends, on the average

_FIRST = (
    "Anna", "Bilal", "Chiara", "Dmitri", "Esi", "Farid", "Greta", "Hana", "Ines", "Jonas", "Kofi", "Lena",
    "Mei", "Nils", "Oriol", "Petra", "Quinn", "Rosa", "Samir", "Tove", "Uma", "Viktor", "Wanda", "Yusuf",
)  # fmt: skip
_LAST = (
    "Adeyemi", "Berg", "Castro", "Dubois", "Eklund", "Ferrari", "Gruber", "Haddad", "Ito", "Jansen", "Kowalska",
    "Lindgren", "Moreau", "Novak", "Okafor", "Pereira", "Quist", "Rossi", "Sato", "Tanaka", "Urban", "Varga", "Weiss",
)  # fmt: skip
_COMPANIES = ("Alder Works", "Birch & Co", "Cedar Labs", "Dogwood GmbH", "Elm Street Studio", "Fir Logistics")
_CHANNELS = ("whatsapp", "e-mail", "link")


@dataclass(frozen=True, kw_only=True, slots=True)
class Advocate:
    """Someone who invites."""

    first_name: str
    last_name: str
    email: str = field(repr=False)
    code: str

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Friend:
    """Someone who was invited; `number` counts from 1."""

    number: int
    first_name: str
    last_name: str
    email: str = field(repr=False)
    company: str
    channel: str
    advocate: Advocate
    comes_at: float  # seconds of the people's own time since the beginning

    @property
    def external_id(self) -> str:
        """What the form on the website calls this friend."""
        return f"form-{self.number}"


def advocates(seed: int) -> tuple[Advocate, ...]:
    """Make the advocates of a sandbox."""
    rng = Random(f"{seed}:advocates")
    firsts, lasts = rng.sample(_FIRST, ADVOCATES), rng.sample(_LAST, ADVOCATES)
    return tuple(
        Advocate(
            first_name=first,
            last_name=last,
            email=f"{first}.{last}@example.org".lower(),
            code=f"{first.upper()}-{rng.randint(2, 9)}",
        )
        for first, last in zip(firsts, lasts, strict=True)
    )


def friends(seed: int) -> Iterator[Friend]:
    """Make friends without end, in the order of their coming; a few advocates bring most of them."""
    rng, inviters = Random(f"{seed}:friends"), advocates(seed)
    number, at = 0, 0.0
    while True:
        number, at = number + 1, at + rng.expovariate(1 / EVERY)
        first, last = rng.choice(_FIRST), rng.choice(_LAST)
        (advocate,) = rng.choices(inviters, weights=range(len(inviters), 0, -1))
        yield Friend(
            number=number,
            first_name=first,
            last_name=last,
            email=f"{first}.{last}.{number}@example.com".lower(),
            company=rng.choice(_COMPANIES),
            channel=rng.choice(_CHANNELS),
            advocate=advocate,
            comes_at=at,
        )


def masked(email: str) -> str:
    """Show of an address just enough to tell people apart: `mei@…`."""
    return f"{email.partition('@')[0].partition('.')[0]}@…"
