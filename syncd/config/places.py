"""Where syncd.yaml is looked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from syncd.config.problems import ConfigError, Problem

NAME = "syncd.yaml"


def find(explicit: Path | None, env: Mapping[str, str]) -> Path:
    """Give the configuration's path: the one asked for, $SYNCD_CONFIG, or the first that exists of the usual places.

    A path that somebody named is the answer even where nothing is there: a fallback would run the wrong daemon.
    Raises `ConfigError` when no place has one.
    """
    if explicit is not None:
        return explicit
    if named := env.get("SYNCD_CONFIG"):
        return Path(named)
    places = usual_places(env)
    for place in places:
        if place.is_file():
            return place
    looked = ", ".join(map(str, places))
    hint = f"looked for {looked}; name one with --config or SYNCD_CONFIG"
    raise ConfigError([Problem(file=NAME, line=0, col=0, message="there is no configuration", hint=hint)])


def usual_places(env: Mapping[str, str]) -> tuple[Path, ...]:
    """List the places that are searched, the strongest first."""
    personal = env.get("XDG_CONFIG_HOME") or (f"{home}/.config" if (home := env.get("HOME")) else None)
    folders = [Path(), *([Path(personal, "syncd")] if personal else []), Path("/etc/syncd")]
    return tuple(folder / NAME for folder in folders)
