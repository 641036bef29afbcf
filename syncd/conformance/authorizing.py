"""Behaviours: access tokens are had from the daemon, replaced when they are refused, and shown to nobody."""

from __future__ import annotations

import logging
import traceback
from contextlib import suppress
from datetime import timedelta
from urllib.parse import unquote, urlsplit

import pytest

from syncd.conformance.double import Trouble
from syncd.conformance.probe import Same
from syncd.conformance.secrecy import assert_discreet, every_error, held_secrets
from syncd.conformance.world import VERBS, Verb, World
from syncd.contract import AccessToken, ConnectorError, Unauthorized, is_loopback

ASTRAY = "https://api.crm.example.net"


class Authorizing:
    """Where the connector is `UsesOAuth`."""

    def test_it_says_where_tokens_are_had(self, world: World) -> None:
        """Both addresses are safe to send a secret to, and hold none."""
        oauth = world.authorize()

        for url in (oauth.authorize_url, oauth.token_url):
            parts = urlsplit(url)
            assert parts.scheme == "https" or is_loopback(parts.hostname or "")
            assert_discreet(world, url, *held_secrets(world))
        assert oauth.scopes
        assert oauth.lifetime > timedelta(0)
        assert_discreet(world, f"{oauth} {oauth!r} {dict(oauth.parameters)}", *held_secrets(world))

    def test_one_access_token_serves_many_calls(self, world: World) -> None:
        """Vendors count how many are asked for; the daemon keeps the one that it has."""
        oauth = world.authorize()

        world.push(world.lead(1))
        world.push(world.lead(2))
        for verb in VERBS:
            world.do(verb)

        assert world.token_calls(oauth) == 1

    def test_a_token_that_has_ended_is_replaced_and_the_work_done(self, world: World) -> None:
        """A connector keeps no token for longer than a call: hours later it asks for the one that is good then."""
        oauth = world.authorize()
        world.push(world.lead(1))
        world.clock.forward(hours=25)

        world.push(world.lead(2))

        assert world.made_one(2)
        assert world.token_calls(oauth) == 2

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_token_that_is_refused_is_replaced_once_and_the_work_done(self, world: World, verb: Verb) -> None:
        """The vendor ended it before its time; the call that noticed is made again, and nobody else notices."""
        oauth = world.authorize()
        world.push(world.lead(1))
        _end_token(world)

        world.do(verb)

        assert world.token_calls(oauth) == 2

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_new_token_that_is_refused_too_is_unauthorized(self, world: World, verb: Verb) -> None:
        """There is no third try: it would go on for ever, and cost the account its tokens."""
        world.authorize()
        world.push(world.lead(1))
        grant = world.http.grant = Same(_end_token(world))
        before = len(world.http.urls)

        assert isinstance(world.fails(verb), Unauthorized)
        assert grant.refused == 1
        assert len(world.http.urls) - before <= 2

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_grant_that_was_revoked_is_unauthorized_and_touches_no_lead(self, world: World, verb: Verb) -> None:
        """An admin has removed the app: they are told what to do, and every lead waits."""
        world.authorize()
        world.push(world.lead(1))
        size = world.crm.size()
        world.crm.trouble(Trouble.REVOKED)

        error = world.fails(verb)

        assert isinstance(error, Unauthorized)
        assert error.yaml_path == "oauth" or error.yaml_path.startswith("oauth.")
        assert world.crm.size() == size
        with pytest.raises(Unauthorized):
            world.connector.push([world.lead(2)])

    def test_a_token_goes_only_to_the_vendor(self, world: World) -> None:
        """An answer that names where the API is can be forged or mistaken; such a place gets no token and no lead."""
        world.authorize()
        world.push(world.lead(1))
        world.http.grant = Same(AccessToken(text="token-7f3c", api=ASTRAY))
        for verb in VERBS:
            try:
                world.do(verb)
            except ConnectorError:
                continue

        assert [url for url in world.http.urls if urlsplit(url).hostname == urlsplit(ASTRAY).hostname] == []

    def test_no_token_shows_in_an_address_an_error_or_a_log(self, world: World) -> None:
        """Neither those that open the API nor those that open the next one, whatever goes wrong."""
        world.authorize()
        errors = every_error(world)
        secrets = {*held_secrets(world), *world.tokens}

        assert world.tokens
        for error in errors:
            assert_discreet(world, "".join(traceback.format_exception(error)) + repr(vars(error)), *secrets)
        for url in world.http.urls:
            assert_discreet(world, unquote(url), *secrets)
        for record in world.heard:
            assert_discreet(world, logging.Formatter().format(record), *secrets)


def _end_token(world: World) -> AccessToken:
    """Let the access token in use be refused from now on, and all else be well; give the token."""
    grant = world.http.grant
    assert grant is not None
    token = grant.access_token()
    world.http.grant = Same(token)  # or the connector would have it replaced here and now
    world.crm.trouble(Trouble.EXPIRED)
    with suppress(ConnectorError):
        world.connector.check()
    world.crm.mend()
    world.http.grant = grant
    return token
