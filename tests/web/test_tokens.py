from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from syncd.store.engine import read
from syncd.store.tables import token as table
from syncd.web import tokens
from tests.web.site import Site, code


def test_a_token_is_known_until_it_is_revoked(site: Site) -> None:
    token = tokens.issue(site.app, "shop-import", "write")
    before = tokens.holder(site.app, token)

    assert tokens.revoke(site.app, "shop-import")
    assert (before and before.name, tokens.holder(site.app, token)) == ("shop-import", None)
    assert not tokens.revoke(site.app, "shop-import")
    assert code(site.call("GET", "/api/v1/referrals", token)) == (401, "unauthorized")


def test_the_database_holds_no_token(site: Site) -> None:
    token = tokens.issue(site.app, "mine", "read")
    with read(site.app.database) as tx:
        rows = [list(row) for row in tx.execute(select(table))]

    assert re.fullmatch(r"syncd_[\w-]{43}", token)
    assert token not in str(rows)
    assert token.removeprefix("syncd_") not in str(rows)


def test_a_name_is_given_once_even_after_a_revocation(site: Site) -> None:
    tokens.issue(site.app, "one", "read")
    tokens.revoke(site.app, "one")

    with pytest.raises(tokens.NameTaken):
        tokens.issue(site.app, "one", "read")


@pytest.mark.parametrize("name", ["", "Ann", "a b", "a\n", "ann@example.com", "a" * 65])
def test_a_name_that_does_not_fit_into_the_history_is_refused(site: Site, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        tokens.issue(site.app, name, "read")
