"""A sales team in one account of a CRM: the same work in every vendor's words. Each vendor has a module in `teams`."""

from __future__ import annotations

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import ClassVar, Protocol

import yaml

from syncd import registry
from syncd.config import Unavailable
from syncd.contract import ConnectorError
from syncd.http import Session
from syncd.sandbox.courier import PROOF, Courier
from syncd.sandbox.crm import Fault, Humans, Sandbox, Setup
from syncd.sandbox.crm.humans import Outcome
from syncd.sandbox.crm.lag import Lag
from syncd.sandbox.sales import Reach

QUICK = "{every: 1s, overlap: 30s, sweep: 5s}"
"""How a CRM is polled that tells nothing by itself."""

CALM = "{every: 4s, overlap: 30s, sweep: 15s}"
"""And one whose webhooks are there in less than a second: long enough for them to be first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A connector of the configuration: its name, its item of `connectors`, and the secrets that this refers to."""

    name: str
    section: str
    secret: str = field(repr=False)  # secrets/<name>
    more: Mapping[str, str] = field(default_factory=dict, repr=False)  # secrets/<name>-<key>


class Lags(Protocol):
    """A CRM whose reading is behind its writing."""

    lag: Lag


class Team(ABC):
    """Those who work in one account, and what the sandbox must know of its vendor. Unknown ids raise KeyError."""

    vendor: ClassVar[str]  # as people write it
    model: ClassVar[type[Lags]]  # what the simulated account is made of
    is_deal: ClassVar[bool] = False  # whether what a push makes is person and deal in one
    made: ClassVar[frozenset[str]]  # object types of which a push makes one record for each friend
    falls_silent: ClassVar[bool] = False  # whether the vendor has a rule by which it stops its messages
    renews: ClassVar[bool] = False  # whether the daemon comes with a refresh token

    def __init__(self, crm: Sandbox, account: str) -> None:
        self.account = account
        self.humans: Humans = crm.humans(account)
        self._lagging: Lags = crm.model(account, self.model)
        self._usual_lag = self._lagging.lag

    # --- the account ---

    @staticmethod
    @abstractmethod
    def setup(account: str, lag: Lag, courier: Courier | None = None) -> Setup:
        """Say what the account is like; `lag` is by how much its reading is behind its writing.

        `courier` carries the account's own messages; without one they go by themselves.
        """

    @staticmethod
    @abstractmethod
    def section(account: str, base_url: str, poll: str = QUICK) -> str:
        """Write the account's item of `connectors` in syncd.yaml. Its credential is in secrets/<account>."""

    @staticmethod
    @abstractmethod
    def secret(crm: Sandbox, account: str) -> str:
        """Give the credential that works from the start."""

    @abstractmethod
    def webhook(self) -> str:
        """Write the section's `webhook`, by which the CRM's own messages prove themselves."""

    def item(self, crm: Sandbox) -> Item:
        """Give all that the configuration needs of the account."""
        name = self.account
        section = self.section(name, crm.url(name), CALM) + f"    webhook: {self.webhook()}\n"
        more = {"webhook": PROOF, **self.more_secrets()}
        return Item(name=name, section=section, secret=self.secret(crm, name), more=more)

    @staticmethod
    def more_secrets() -> Mapping[str, str]:
        """Give further secrets that `section` refers to, as secrets/<account>-<key>."""
        return {}

    @property
    def webhook_path(self) -> str:
        """Tell where the daemon takes the CRM's messages: what follows /webhooks/."""
        return self.account

    # --- what a team does all day ---

    @abstractmethod
    def move(self, deal: str, to: Reach, amount: str | None = None) -> str:
        """Move a deal on; give the id that it has from now on."""

    def open_deal(self, person: str) -> str:
        """Open a deal for a person by hand, without any id of ours; give its id."""
        return self.humans.open_deal(person, name="A second try")

    @abstractmethod
    def outcome(self, deal: str) -> Outcome | None:
        """Tell how a deal stands; None if it is in the bin."""

    def label(self, stage: str) -> str:
        """Tell what people call a stage."""
        return self.humans.label(stage)

    # --- what happens besides ---

    @abstractmethod
    def delete(self, deal: str) -> None:
        """Put a deal into the bin."""

    @abstractmethod
    def restore(self, deal: str) -> None:
        """Take a deal out of the bin."""

    @abstractmethod
    def meet(self, email: str) -> str:
        """Enter a person by hand, of whom we know nothing; give the record's id."""

    @abstractmethod
    def merge(self, person: str, other: str, *, ours_wins: bool) -> str:
        """Make one record of a friend's and another person's; give the id under which it is found from now on."""

    @abstractmethod
    def rename_stage(self) -> str:
        """Give a stage another label, in all records; say which."""

    def set_lag(self, lag: Lag | None) -> None:
        """Let reading be behind writing by this; None puts it back to what it was."""
        self._lagging.lag = lag or self._usual_lag

    # --- how the vendor says no ---

    @abstractmethod
    def too_many(self, *, daily: bool) -> Fault:
        """Give the fault by which the vendor refuses a call too many, of a day or of a moment."""

    @abstractmethod
    def expired(self) -> Fault:
        """Give the fault by which a credential that was good is good no longer."""

    def silence(self, seconds: float) -> str:
        """Stop the vendor's messages as its rules do, for so many seconds at the least; say what happened.

        Raises NotImplementedError unless `falls_silent`.
        """
        raise NotImplementedError

    def refuse_renewal(self) -> Sequence[Fault]:
        """Give the faults by which an access token ends and the refresh token is refused. Raises as `renews` says."""
        raise NotImplementedError

    @abstractmethod
    def refuse_rows(self, company: str) -> Fault | None:
        """Let rows be refused beside which others are taken: those of a company, or those that a fault picks."""

    def relent(self) -> None:
        """Refuse no rows any more, but those that a fault picks."""
        return None


def teams() -> Mapping[str, type[Team]]:
    """Give the team class of each connector type whose CRM is simulated, in order of the alphabet."""
    from syncd.sandbox import teams as package

    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return {name: import_module(f"{package.__name__}.{name}").team for name in names}


def usable() -> Mapping[str, type[Team]]:
    """Give the teams of those CRMs whose connector is installed together with what it needs."""
    return {name: team for name, team in teams().items() if _opens(name, team)}


def _opens(name: str, team: type[Team]) -> bool:
    """Tell whether a connector can be opened; a missing SDK shows only then."""
    section = yaml.safe_load(team.section(name, "http://127.0.0.1:1"))[0]
    try:
        settings = registry.find(name).Settings.model_validate(section)
        registry.open_connector(settings, Session())
    except (Unavailable, ConnectorError):
        return False
    return True
