"""Where the configuration is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.config import ConfigError, find


def test_the_first_place_that_has_a_file_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    personal = tmp_path / "home/.config/syncd/syncd.yaml"
    personal.parent.mkdir(parents=True)
    env = {"HOME": str(tmp_path / "home")}
    personal.touch()
    assert find(None, env) == personal
    assert find(None, {**env, "XDG_CONFIG_HOME": str(tmp_path / "home/.config")}) == personal
    Path("syncd.yaml").touch()
    assert find(None, env) == Path("syncd.yaml")


def test_a_place_that_somebody_named_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("syncd.yaml").touch()
    assert find(None, {"SYNCD_CONFIG": "gone.yaml"}) == Path("gone.yaml")
    assert find(Path("mine.yaml"), {"SYNCD_CONFIG": "gone.yaml"}) == Path("mine.yaml")


def test_without_a_file_every_place_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        find(None, {"HOME": str(tmp_path)})
    told = str(caught.value)
    assert told.startswith("syncd.yaml: error: there is no configuration")
    assert f"{tmp_path}/.config/syncd/syncd.yaml" in told
    assert "/etc/syncd/syncd.yaml" in told
