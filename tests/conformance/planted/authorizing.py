"""Faults in coming with OAuth."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import requests

from syncd.contract import (
    AccessToken,
    ConnectorError,
    JsonObject,
    Lead,
    OAuth,
    Pushed,
    Rejected,
    Transient,
    Unauthorized,
)
from tests.conformance.asking import ReferenceSettings
from tests.conformance.planted import caught_by
from tests.conformance.reference import Reference

log = logging.getLogger("reference")


@caught_by("it_says_where_tokens_are_had")
class AsksInTheOpen(Reference):
    """Sends the client secret to an address without https."""

    @classmethod
    def oauth(cls, settings: ReferenceSettings) -> OAuth | None:
        oauth = super().oauth(settings)
        return oauth and replace(oauth, authorize_url="http://crm.example.com/oauth/authorize")


@caught_by("it_says_where_tokens_are_had")
class ShowsTheSecret(Reference):
    """Writes the client secret into the address of a page that an admin opens."""

    @classmethod
    def oauth(cls, settings: ReferenceSettings) -> OAuth | None:
        oauth = super().oauth(settings)
        return oauth and replace(oauth, parameters={"secret": oauth.app.client_secret.get_secret_value()})


@caught_by("it_says_where_tokens_are_had")
class WantsEverything(Reference):
    """Names no scopes."""

    @classmethod
    def oauth(cls, settings: ReferenceSettings) -> OAuth | None:
        oauth = super().oauth(settings)
        return oauth and replace(oauth, scopes=())


@caught_by("one_access_token_serves_many_calls")
class WearsTokensOut(Reference):
    """Asks for a new token with each call."""

    def token(self) -> AccessToken:
        return self.http.access_token(self.http.access_token()) if self.settings.oauth else super().token()


@caught_by("a_token_that_has_ended_is_replaced_and_the_work_done")
class KeepsTheFirst(Reference):
    """Goes on with the token that it had first."""

    first: AccessToken | None = None

    def token(self) -> AccessToken:
        self.first = self.first or super().token()
        return self.first

    def another(self, refused: AccessToken) -> AccessToken:
        return refused


@caught_by("a_token_that_is_refused_is_replaced_once_and_the_work_done")
class SaysNotWhichWasRefused(Reference):
    """Asks for a token again and does not say that the one it had was refused."""

    def another(self, refused: AccessToken) -> AccessToken:
        return self.http.access_token()


@caught_by("a_token_that_is_refused_is_replaced_once_and_the_work_done")
class ReplacesTwice(Reference):
    """Has the new token replaced as well, for safety's sake."""

    def another(self, refused: AccessToken) -> AccessToken:
        return super().another(super().another(refused))


@caught_by("a_new_token_that_is_refused_too_is_unauthorized")
class NeverGivesUp(Reference):
    """Has tokens replaced until one is taken."""

    most: ClassVar[int] = 20

    def send(self, method: str, path: str, body: JsonObject | None, *, idempotent: bool) -> JsonObject:
        for _ in range(self.most):
            try:
                return super().send(method, path, body, idempotent=idempotent)
            except Unauthorized:
                continue
        raise Unauthorized("no token is taken", yaml_path="oauth")


class Judging(Reference):
    """Calls a token that is refused by another name."""

    error: ClassVar[ConnectorError]

    def judge(self, answer: requests.Response) -> JsonObject:
        if answer.status_code == 401:
            raise self.error
        return super().judge(answer)


@caught_by("a_new_token_that_is_refused_too_is_unauthorized")
class WaitsForAnother(Judging):
    """Waits for a new token that is better than the last."""

    error = Transient("the token was refused")


@caught_by("a_grant_that_was_revoked_is_unauthorized_and_touches_no_lead")
class RejectsForTheGrant(Reference):
    """Gives leads up when an admin has removed the app."""

    def push(self, leads: Sequence[Lead]) -> Sequence[Pushed | ConnectorError]:
        try:
            return super().push(leads)
        except Unauthorized:
            return [Rejected("the app was removed") for _ in leads]


@caught_by("a_grant_that_was_revoked_is_unauthorized_and_touches_no_lead")
class BlamesTheToken(Reference):
    """Blames a setting that is not there."""

    def another(self, refused: AccessToken) -> AccessToken:
        try:
            return super().another(refused)
        except Unauthorized as error:
            raise Unauthorized(str(error), yaml_path="token") from None


@caught_by("a_token_goes_only_to_the_vendor")
class GoesWhereItIsSent(Reference):
    """Sends tokens and leads wherever an answer says that the API is."""

    def place(self, token: AccessToken) -> str:
        return token.api or super().place(token)


@caught_by("no_token_shows_in_an_address_an_error_or_a_log")
class TokenInTheQuery(Reference):
    """Carries the token in the URL as well."""

    def place(self, token: AccessToken) -> str:
        return f"{super().place(token)}/crm?token={token.text}#"


@caught_by("no_token_shows_in_an_address_an_error_or_a_log")
class RefreshTokenInTheQuery(Reference):
    """Carries the refresh token in the URL of the token endpoint."""

    @classmethod
    def oauth(cls, settings: ReferenceSettings) -> OAuth | None:
        oauth = super().oauth(settings)
        if oauth is None or oauth.app.refresh_token is None:
            return oauth
        return replace(oauth, token_url=f"{oauth.token_url}?refresh_token={oauth.app.refresh_token.get_secret_value()}")


@caught_by("no_token_shows_in_an_address_an_error_or_a_log")
class LogsTheToken(Reference):
    """Logs the token that was refused."""

    def another(self, refused: AccessToken) -> AccessToken:
        log.debug("refused: %s", refused.text)
        return super().another(refused)


@caught_by("no_token_shows_in_an_address_an_error_or_a_log")
class TokenInTheError(Reference):
    """Quotes the token that was refused."""

    def another(self, refused: AccessToken) -> AccessToken:
        try:
            return super().another(refused)
        except ConnectorError as error:
            raise Unauthorized(f"{refused.text} was refused: {error}", yaml_path="oauth") from None
