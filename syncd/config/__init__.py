"""Configuration: `find` the file, `load` it, `format_problem` what is wrong with it."""

from __future__ import annotations

from syncd.config.campaigns import read_programs
from syncd.config.load import load
from syncd.config.model import Campaign, Config, LogSettings, Sender, ServerSettings
from syncd.config.places import find
from syncd.config.problems import ConfigError, Problem, Unavailable, format_problem
from syncd.config.receivers import Receiver

__all__ = [
    "Campaign",
    "Config",
    "ConfigError",
    "LogSettings",
    "Problem",
    "Receiver",
    "Sender",
    "ServerSettings",
    "Unavailable",
    "find",
    "format_problem",
    "load",
    "read_programs",
]
