"""Behaviours: no credential and no person in what is shown, kept or logged."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from pydantic import BaseModel, SecretStr

from syncd.conformance.double import Trouble
from syncd.conformance.world import VERBS, World
from syncd.contract import ConnectorError

PERSONAL = ("zebedee", "quillfeather", "@example.com")
SLOW = {Trouble.DRIP}


class Secrecy:
    """Tokens, addresses, names."""

    def test_no_error_tells_a_credential_or_a_person(self, world: World) -> None:
        """Errors are shown on pages, sent by mail and kept in the database, with all that caused them."""
        errors = every_error(world)

        assert len(errors) > len(Trouble)
        for error in errors:
            assert_discreet(world, "".join(traceback.format_exception(error)))
            assert_discreet(world, repr(vars(error)))

    def test_a_refusal_does_not_repeat_the_lead(self, world: World) -> None:
        """CRMs quote the value that they dislike; the reason is kept and the value is not."""
        world.crm.trouble(Trouble.ECHO)
        errors = _attempt(world, 1)

        assert errors
        for error in errors:
            assert_discreet(world, f"{error} {error!r}")

    def test_no_log_tells_a_credential_or_a_person(self, world: World) -> None:
        """At any level, whether or not somebody redacts it later."""
        every_error(world)

        for record in world.heard:
            assert_discreet(world, logging.Formatter().format(record))

    def test_no_repr_tells_a_credential_or_a_person(self, world: World) -> None:
        """Whoever prints the connector or its settings in a debugger pastes it into an issue next."""
        world.push(world.lead())
        settings = world.crm.connector.Settings.model_validate(world.crm.settings(world.url))
        dumped = [str(settings.model_dump()), settings.model_dump_json()]

        for text in (repr(settings), str(settings), *dumped, repr(world.connector), str(world.connector)):
            assert_discreet(world, text)

    def test_no_address_of_a_call_tells_a_credential_or_a_person(self, world: World) -> None:
        """Proxies and servers log every URL; what is secret travels in headers and bodies."""
        every_error(world)

        for url in world.http.urls:
            assert_discreet(world, unquote(url))

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


def every_error(world: World) -> list[ConnectorError]:
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


def assert_discreet(world: World, text: str, *secrets: str) -> None:
    """Want no credential and no person in a text, nor any of these further secrets."""
    told = [it for it in (*world.crm.secrets, *PERSONAL, *secrets) if it.lower() in text.lower()]
    assert told == [], f"it shows {len(told)} of the credentials and persons: {text[:300]}"


def held_secrets(world: World) -> list[str]:
    """Give every secret that the connector's settings hold, so that no double can forget one."""
    return list(_secrets(world.settings()))


def _secrets(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        yield from (secret for name in type(value).model_fields for secret in _secrets(getattr(value, name)))
    elif isinstance(value, Mapping | list | tuple):
        yield from (
            secret for it in (value.values() if isinstance(value, Mapping) else value) for secret in _secrets(it)
        )
