"""Behaviours: the type of an error says what happens next, whatever went wrong and wherever."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syncd.conformance.double import Trouble
from syncd.conformance.elsewhere import Elsewhere
from syncd.conformance.probe import Probe
from syncd.conformance.world import VERBS, Verb, World
from syncd.contract import ConnectorError, Misconfigured, Parked, Rejected, Transient, Unauthorized

MOST_TRIES = 12
REFUSALS = (Trouble.ECHO, Trouble.THROTTLE, Trouble.REVOKED, Trouble.SCOPE_MISSING)


class Troubles:
    """What a connector makes of them."""

    @pytest.mark.parametrize("trouble", list(Trouble))
    def test_only_errors_of_the_contract_come_out(self, world: World, trouble: Trouble) -> None:
        """Nothing that a CRM does brings anything else out of a connector than a result or a `ConnectorError`."""
        world.push(world.lead())
        world.crm.trouble(trouble)
        with Probe(world.clock, deadline=0.3) as hasty:
            world.connector = world.open(hasty if trouble is Trouble.DRIP else None)
            for verb in VERBS:
                try:
                    world.do(verb)
                except ConnectorError:
                    continue
                except Exception as error:
                    raise AssertionError(f"{verb} ended with {type(error).__name__}: {error}") from error

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_burst_of_server_errors_is_passing(self, world: World, verb: Verb) -> None:
        """The CRM is ill, the lead is not: it is tried again later."""
        world.push(world.lead())
        world.crm.trouble(Trouble.ERROR)

        assert isinstance(world.fails(verb), Transient)

    @pytest.mark.parametrize("verb", VERBS)
    def test_an_answer_that_drips_past_the_deadline_is_passing(self, world: World, verb: Verb) -> None:
        """A call has an end, also if each byte comes in time."""
        world.push(world.lead())
        with Probe(world.clock, deadline=0.3) as hasty:
            world.connector = world.open(hasty)
            world.crm.trouble(Trouble.DRIP)

            assert isinstance(world.fails(verb), Transient)

    def test_a_call_is_repeated_a_few_times_at_the_most(self, world: World) -> None:
        """A CRM that is down is left alone; whoever called tries again later."""
        world.push(world.lead())
        world.crm.trouble(Trouble.ERROR)
        for verb in VERBS:
            before = len(world.http.urls)

            world.fails(verb)

            assert len(world.http.urls) - before <= MOST_TRIES

    def test_what_has_healed_is_used_at_once(self, world: World) -> None:
        """A connector keeps no memory of trouble; to wait is the daemon's business."""
        world.push(world.lead())
        world.crm.trouble(Trouble.ERROR)
        for verb in VERBS:
            world.fails(verb)
        world.crm.mend()

        for verb in VERBS:
            world.do(verb)
        assert world.made_one(2)

    @pytest.mark.parametrize("verb", VERBS)
    def test_the_wait_that_the_crm_asks_for_is_passed_on(self, world: World, verb: Verb) -> None:
        """Whoever calls sooner is throttled for longer."""
        world.push(world.lead())
        world.crm.trouble(Trouble.THROTTLE, retry_after=97)

        error = world.fails(verb)

        assert isinstance(error, Transient)
        assert error.retry_after == 97

    @pytest.mark.parametrize("verb", VERBS)
    def test_throttling_without_a_wait_is_passing(self, world: World, verb: Verb) -> None:
        """Many CRMs throttle and do not say for how long."""
        world.push(world.lead())
        world.crm.trouble(Trouble.THROTTLE)

        assert isinstance(world.fails(verb), Transient)

    @pytest.mark.parametrize("verb", ["push", "changes", "look_up"])
    def test_a_spent_daily_quota_parks_the_connector(self, world: World, verb: Verb) -> None:
        """Until a moment of the CRM's clock; nothing counts as an attempt, and no lead dies of it."""
        world.push(world.lead())
        world.crm.trouble(Trouble.DAILY_LIMIT)

        error = world.fails(verb)

        assert isinstance(error, Parked)
        assert world.clock() < error.until <= world.clock() + timedelta(hours=25)

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_revoked_credential_is_unauthorized(self, world: World, verb: Verb) -> None:
        """The admin is told which setting it is, and the leads wait."""
        world.push(world.lead())
        world.crm.trouble(Trouble.REVOKED)

        error = world.fails(verb)

        assert isinstance(error, Unauthorized)
        assert error.yaml_path

    def test_an_expired_credential_is_renewed_or_unauthorized(self, world: World) -> None:
        """No lead is ever blamed for it."""
        world.crm.trouble(Trouble.EXPIRED, after=0)
        try:
            verdicts = list(world.connector.push([world.lead()]))
        except ConnectorError as error:
            verdicts = [error]

        assert not any(isinstance(it, ConnectorError) and not isinstance(it, Unauthorized) for it in verdicts)

    @pytest.mark.parametrize("verb", ["push", "changes", "look_up"])
    def test_a_missing_permission_stops_the_connector(self, world: World, verb: Verb) -> None:
        """It is missing for every lead; the credential is to be changed, and the leads wait."""
        world.push(world.lead())
        world.crm.trouble(Trouble.SCOPE_MISSING)

        error = world.fails(verb)

        assert isinstance(error, Misconfigured)
        assert error.yaml_path

    def test_what_concerns_every_lead_is_raised_and_not_a_verdict(self, world: World) -> None:
        """A verdict counts as an attempt of its lead; a credential that is refused is nobody's attempt."""
        world.crm.trouble(Trouble.REVOKED)

        with pytest.raises(Unauthorized):
            world.connector.push([world.lead(1), world.lead(2)])

    @pytest.mark.parametrize("trouble", REFUSALS)
    @pytest.mark.parametrize("verb", ["changes", "look_up"])
    def test_a_reading_that_is_refused_rejects_nobody(self, world: World, verb: Verb, trouble: Trouble) -> None:
        """Only a lead can be rejected, and a reading has none: it is due again, or the settings are to be changed."""
        world.push(world.lead())
        world.crm.trouble(trouble)

        assert not isinstance(world.fails(verb), Rejected)

    @pytest.mark.parametrize("trouble", REFUSALS)
    def test_a_history_that_is_refused_rejects_nobody(self, world: World, trouble: Trouble) -> None:
        """It is a reading like the others, where a CRM has it."""
        world.push(world.lead())
        world.crm.trouble(trouble)

        assert not isinstance(world.fails("history"), Rejected)

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_web_page_of_a_proxy_rejects_nobody(self, world: World, verb: Verb) -> None:
        """Its 400 is not the CRM's, which has not even seen the lead."""
        world.push(world.lead())
        world.crm.trouble(Trouble.BARRED)

        assert not isinstance(world.fails(verb), Rejected)

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_wrong_address_rejects_nobody(self, world: World, verb: Verb) -> None:
        """Every path leads nowhere there: that says nothing of any lead, and does not make a record gone."""
        world.push(world.lead())
        with Elsewhere(404) as server:
            astray = world.open(url=f"{server.url}/nope")
            world.http.astray = server.url
            for connector in (world.connector, astray):  # the first may be signed in, the other can never be
                world.connector = connector

                assert not isinstance(world.fails(verb), Rejected)

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_redirect_is_not_followed(self, world: World, verb: Verb) -> None:
        """It would carry the credential and the leads to whoever answers there."""
        world.push(world.lead())
        with Elsewhere() as server:
            world.connector = world.open(url=server.url)

            error = world.fails(verb)

            assert server.followed == 0
        assert not isinstance(error, Rejected)
