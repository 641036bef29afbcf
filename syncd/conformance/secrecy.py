"""Behaviours: no credential and no person in what is shown, kept or logged."""

from __future__ import annotations

import logging
import traceback
from urllib.parse import unquote

from syncd.conformance.double import Trouble
from syncd.conformance.world import VERBS, World
from syncd.contract import ConnectorError

PERSONAL = ("zebedee", "quillfeather", "@example.com")
SLOW = {Trouble.DRIP}


class Secrecy:
    """Tokens, addresses, names."""

    def test_no_error_tells_a_credential_or_a_person(self, world: World) -> None:
        """Errors are shown on pages, sent by mail and kept in the database, with all that caused them."""
        errors = _every_error(world)

        assert len(errors) > len(Trouble)
        for error in errors:
            _assert_discreet(world, "".join(traceback.format_exception(error)))
            _assert_discreet(world, repr(vars(error)))

    def test_a_refusal_does_not_repeat_the_lead(self, world: World) -> None:
        """CRMs quote the value that they dislike; the reason is kept and the value is not."""
        world.crm.trouble(Trouble.ECHO)
        errors = _attempt(world, 1)

        assert errors
        for error in errors:
            _assert_discreet(world, f"{error} {error!r}")

    def test_no_log_tells_a_credential_or_a_person(self, world: World) -> None:
        """At any level, whether or not somebody redacts it later."""
        _every_error(world)

        for record in world.heard:
            _assert_discreet(world, logging.Formatter().format(record))

    def test_no_repr_tells_a_credential_or_a_person(self, world: World) -> None:
        """Whoever prints the connector or its settings in a debugger pastes it into an issue next."""
        world.push(world.lead())
        settings = world.crm.connector.Settings.model_validate(world.crm.settings(world.url))
        dumped = [str(settings.model_dump()), settings.model_dump_json()]

        for text in (repr(settings), str(settings), *dumped, repr(world.connector), str(world.connector)):
            _assert_discreet(world, text)

    def test_no_address_of_a_call_tells_a_credential_or_a_person(self, world: World) -> None:
        """Proxies and servers log every URL; what is secret travels in headers and bodies."""
        _every_error(world)

        for url in world.http.urls:
            _assert_discreet(world, unquote(url))

    def test_every_call_goes_through_the_session_that_was_given(self, world: World) -> None:
        """Deadlines, limits, proxies and counting are there; an SDK's own connections know none of it."""
        world.push(world.lead())
        for verb in VERBS:
            world.do(verb)

        calls = world.crm.calls()

        assert calls.reads + calls.writes == len(world.http.urls)

    def test_ordinary_work_logs_nothing(self, world: World) -> None:
        """What every reading says is read by nobody; the daemon tells what is worth telling."""
        world.push(world.lead())
        for verb in VERBS:
            world.do(verb)

        assert [it.getMessage() for it in world.heard if it.levelno >= logging.INFO] == []


def _every_error(world: World) -> list[ConnectorError]:
    """Do everything under each trouble, and give what it ended with; those that last come last."""
    world.push(world.lead())
    errors = [it for it in world.connector.push([world.crm.unacceptable(world.lead(9))]) if _is_error(it)]
    lasting = [Trouble.EXPIRED, Trouble.REVOKED]
    for trouble in [*(it for it in Trouble if it not in {*SLOW, *lasting}), *lasting]:
        world.crm.trouble(trouble)
        errors += _attempt(world, 1)
        for verb in VERBS:
            try:
                world.do(verb)
            except ConnectorError as error:
                errors.append(error)
        world.crm.mend()
    return [it for it in errors if isinstance(it, ConnectorError)]


def _attempt(world: World, number: int) -> list[ConnectorError]:
    try:
        verdicts = world.connector.push([world.lead(number)])
    except ConnectorError as error:
        return [error]
    return [it for it in verdicts if isinstance(it, ConnectorError)]


def _is_error(verdict: object) -> bool:
    return isinstance(verdict, ConnectorError)


def _assert_discreet(world: World, text: str) -> None:
    told = [it for it in (*world.crm.secrets, *PERSONAL) if it.lower() in text.lower()]
    assert told == [], f"it shows {len(told)} of the credentials and persons: {text[:300]}"
