"""What is sealed is opened by its key alone, and keys can be changed."""

from __future__ import annotations

import pytest

from syncd.vault import Vault, WrongKey, fingerprint, is_key, new_key

OLD, NEW = new_key(), new_key()


def test_what_is_sealed_shows_nothing_and_opens_again() -> None:
    sealed = Vault([OLD]).seal("refresh-token ü")

    assert "refresh" not in sealed
    assert Vault([OLD]).open(sealed) == "refresh-token ü"
    assert Vault([OLD]).seal("refresh-token ü") != sealed, "equal texts must not look equal"


def test_the_first_key_seals_and_every_key_opens() -> None:
    old, both = Vault([OLD]), Vault([NEW, OLD])

    assert both.open(old.seal("a")) == "a"
    assert Vault([NEW]).open(both.seal("a")) == "a"
    assert Vault([NEW]).open(both.reseal(old.seal("a"))) == "a"


def test_a_missing_key_is_named_by_its_fingerprint() -> None:
    with pytest.raises(WrongKey, match=fingerprint(OLD)) as caught:
        Vault([NEW]).open(Vault([OLD]).seal("a"))

    assert OLD not in str(caught.value)
    assert fingerprint(NEW) in str(caught.value)


@pytest.mark.parametrize("spoilt", ["", "x", ".", "plain text", "é.é"])
def test_what_was_never_sealed_does_not_open(spoilt: str) -> None:
    with pytest.raises(WrongKey):
        Vault([OLD]).open(spoilt)


def test_a_changed_text_does_not_open() -> None:
    sealed = Vault([OLD]).seal("a")
    middle = len(sealed) // 2
    changed = sealed[:middle] + ("A" if sealed[middle] != "A" else "B") + sealed[middle + 1 :]

    with pytest.raises(WrongKey, match="changed"):
        Vault([OLD]).open(changed)


def test_a_key_has_a_form() -> None:
    assert is_key(new_key())
    assert not any(map(is_key, ("", "short", new_key()[:-4], new_key() + "AAAA", f" {new_key()}", "é" * 44)))
