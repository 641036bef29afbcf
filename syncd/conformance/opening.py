"""Behaviours: opening a connector, what its settings refuse, and what a check proves."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from syncd.conformance.double import merged
from syncd.conformance.elsewhere import Elsewhere
from syncd.conformance.world import World, of_deal, one
from syncd.contract import Connector, ConnectorSettings, Misconfigured, Section


class Opening:
    """Before the first lead goes out."""

    def test_it_fulfils_the_contract(self, world: World) -> None:
        """The class has every method of a connector, settings that extend ours, and a batch size."""
        assert isinstance(world.connector, Connector)
        assert issubclass(world.crm.connector.Settings, ConnectorSettings)
        assert world.crm.connector.batch_size >= 1

    def test_opening_calls_nobody(self, world: World) -> None:
        """A connector opens while its CRM is down; only `check` calls it."""
        with Elsewhere() as server:
            world.open(url=server.url)

            assert server.called == 0

    def test_an_unknown_key_is_refused(self, world: World) -> None:
        """A misspelt setting must not be ignored in silence."""
        section = merged(world.crm.settings(world.url), {"no_such_key": "x"})

        with pytest.raises(ValidationError):
            world.crm.connector.Settings.model_validate(section)

    def test_an_address_without_https_is_refused(self, world: World) -> None:
        """A credential never travels in the open; plain http is for this machine only."""
        with pytest.raises(ValidationError):
            world.crm.connector.Settings.model_validate(world.crm.settings("http://crm.example.com"))

    def test_every_setting_says_what_it_is_for(self, world: World) -> None:
        """Editors and the reference show the line below each setting."""
        settings = world.crm.connector.Settings

        silent = {
            f"{section.__name__}.{name}"
            for section in _sections(settings)
            for name, known in section.model_fields.items()
            if not known.description
        }

        assert silent == set()

    def test_check_names_the_account_and_what_it_proved(self, world: World) -> None:
        """An admin sees whose account it is and what has been looked at."""
        account = world.connector.check()

        assert account.name
        assert account.checked

    def test_check_changes_nothing(self, world: World) -> None:
        """A check only reads: it is run again and again."""
        world.connector.check()

        assert world.crm.calls().writes == 0
        assert world.crm.size() == (0, 0)

    def test_check_names_a_mapped_stage_that_the_crm_lacks(self, world: World) -> None:
        """A stage map with a label, or with a stage that was removed, is found before the first deal is read."""
        connector = world.open(stages={world.crm.pipeline: {world.crm.won: "won", "no-such-stage": "won"}})

        with pytest.raises(Misconfigured) as caught:
            connector.check()

        assert caught.value.yaml_path == f"stages.{world.crm.pipeline}.no-such-stage"

    def test_check_names_a_mapped_field_that_the_crm_lacks(self, world: World) -> None:
        """A field that does not exist is found before a lead is refused for it."""
        connector = world.open(push={"fields": {"no_such_field": "friend.name"}})

        with pytest.raises(Misconfigured) as caught:
            connector.check()

        assert caught.value.yaml_path == "push.fields.no_such_field"

    def test_check_names_a_referral_property_that_the_crm_lacks(self, world: World) -> None:
        """Without the property that carries our id nothing is unique."""
        connector = world.open(push={"referral_id": "no_such_property"})

        with pytest.raises(Misconfigured) as caught:
            connector.check()

        assert caught.value.yaml_path == "push.referral_id"

    def test_stages_are_listed_by_id_with_their_outcome(self, world: World) -> None:
        """The stage map is made of ids; what is won and what is lost is the CRM's word."""
        crm = world.crm

        stages = {stage.id: stage for stage in world.connector.stages() if stage.pipeline == crm.pipeline}

        assert {*crm.open_stages, crm.won, crm.lost} <= stages.keys()
        assert [stages[id_].outcome for id_ in crm.open_stages] == ["open"] * 3
        assert (stages[crm.won].outcome, stages[crm.lost].outcome) == ("won", "lost")

    def test_a_renamed_stage_stays_the_same_stage(self, world: World) -> None:
        """Labels belong to people: a won stage that is called "Lost" is won."""
        world.crm.rename_stage(world.crm.won, "Closed lost (old)")

        stage = one(it for it in world.connector.stages() if it.id == world.crm.won)

        assert (stage.label, stage.outcome) == ("Closed lost (old)", "won")

    def test_a_deal_in_a_renamed_stage_is_told_by_the_stages_id(self, world: World) -> None:
        """A label that changes does not end a stage map."""
        since, deal = world.now(), world.deal()
        world.crm.rename_stage(world.crm.won, "Closed lost (old)")
        world.crm.move(deal, world.crm.won)

        fact = one(of_deal(world.news(since), deal))

        assert (fact.stage, fact.outcome) == (world.crm.won, "won")


def _sections(settings: type[Section]) -> list[type[Section]]:
    """Give a section and those below it."""
    below = [known.annotation for known in settings.model_fields.values()]
    nested = [it for it in below if isinstance(it, type) and issubclass(it, Section)]
    return [settings, *(section for it in nested for section in _sections(it))]
