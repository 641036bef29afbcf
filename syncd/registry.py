"""Which connectors there are: `type: hubspot` is the module `syncd_connectors.hubspot`, or an entry point.

No list is kept by hand. Naming the connectors imports none of them; finding one imports its module, and no SDK,
since a connector imports that in `open`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from typing import Any

import syncd_connectors
from syncd.config import Unavailable
from syncd.config.problems import nearest
from syncd.contract import Connector, ConnectorSettings, Http, Misconfigured

GROUP = "syncd.connectors"
"""The entry point group in which a third party's package names its connectors."""


def known() -> list[str]:
    """Name every connector type that is installed, in order of the alphabet."""
    return sorted({*built_in(), *_entry_points()})


def built_in() -> list[str]:
    """Name the connector types that come with this package: its modules, but those that start with an underscore."""
    modules = pkgutil.iter_modules(syncd_connectors.__path__)
    return sorted(module.name for module in modules if not module.name.startswith("_"))


def find(type: str) -> type[Connector]:
    """Give the connector class of a type; a built-in one goes before a third party's.

    Raises `Unavailable`, saying whether it does not exist or cannot be imported.
    """
    try:
        if type in built_in():
            found: Any = importlib.import_module(f"{syncd_connectors.__name__}.{type}").connector
        elif type in (points := _entry_points()):
            found = points[type].load()
        else:
            raise Unavailable(f"unknown connector type '{type}'", hint=nearest(type, known()))
    except Unavailable:
        raise
    except Exception as error:  # a plug-in may raise anything at import; the others must not suffer
        cause = f"{error.__class__.__name__}: {error}"
        raise Unavailable(f"connector '{type}' cannot be imported: {cause}", hint="reinstall or update it") from error
    return found  # type: ignore[no-any-return]


def open_connector(settings: ConnectorSettings, http: Http) -> Connector:
    """Open a connector. Raises `Misconfigured` naming the extra to install where its SDK is missing."""
    try:
        return find(settings.type).open(settings, http)
    except ModuleNotFoundError as error:
        raise Misconfigured(
            f"connector '{settings.type}' needs the package {error.name}",
            yaml_path="type",
            hint=_install(settings.type),
        ) from error


def _entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    return {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}


def _install(type: str) -> str:
    extras = importlib.metadata.metadata("syncd").get_all("Provides-Extra") or []
    return f"pip install 'syncd[{type}]'" if type in extras else "install the packages that this connector needs"
