"""Which connectors there are, and what becomes of one that cannot be had."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

import syncd_connectors
from syncd import registry
from syncd.config import Unavailable
from syncd.contract import ConnectorSettings, Http, Misconfigured

ENTRY_POINT = "[syncd.connectors]\nthird = third_party:Third\nbroken_third = third_party:Missing\n"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A further folder of connectors, beside the built-in ones."""
    monkeypatch.setattr(syncd_connectors, "__path__", [*syncd_connectors.__path__, str(tmp_path)])
    for name in ("good", "broken", "needy"):
        sys.modules.pop(f"syncd_connectors.{name}", None)
    (tmp_path / "good.py").write_text("class Good:\n    pass\nconnector = Good\n")
    (tmp_path / "_private.py").write_text("raise AssertionError('imported')\n")
    (tmp_path / "broken.py").write_text("raise RuntimeError('half an upload')\n")
    (tmp_path / "needy.py").write_text(
        "class Needy:\n    @classmethod\n    def open(cls, settings, http):\n        import sdk_of_needy\n"
        "connector = Needy\n"
    )
    return tmp_path


def open_needy(type: str) -> Any:
    return registry.open_connector(ConnectorSettings(name="crm", type=type), cast(Http, None))


def test_connectors_are_found_by_their_module_and_no_list_names_them(shelf: Path) -> None:
    assert {"good", "broken", "needy"} <= set(registry.known())
    assert "_private" not in registry.known()
    assert registry.find("good").__name__ == "Good"


def test_a_third_partys_connector_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "third_party-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1\n")
    (info / "entry_points.txt").write_text(ENTRY_POINT)
    (tmp_path / "third_party.py").write_text("class Third:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert {"third", "broken_third"} <= set(registry.known())
    assert registry.find("third").__name__ == "Third"
    with pytest.raises(Unavailable, match="'broken_third' cannot be imported: AttributeError"):
        registry.find("broken_third")
    assert registry.find("third").__name__ == "Third"


@pytest.mark.parametrize("name", ["god", "os", "_private", "..contract", "", "good.x"])
def test_an_unknown_type_is_refused_and_nothing_is_imported(shelf: Path, name: str) -> None:
    with pytest.raises(Unavailable, match="unknown connector type"):
        registry.find(name)


def test_a_misspelled_type_is_answered_with_the_nearest(shelf: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        registry.find("goood")
    assert caught.value.hint == "did you mean 'good'?"


def test_a_connector_that_fails_at_import_says_so_and_the_others_go_on(shelf: Path) -> None:
    with pytest.raises(Unavailable, match="'broken' cannot be imported: RuntimeError: half an upload"):
        registry.find("broken")
    assert registry.find("good").__name__ == "Good"


def test_a_missing_sdk_is_told_when_the_connector_is_opened_and_not_before(shelf: Path) -> None:
    assert registry.find("needy").__name__ == "Needy"
    with pytest.raises(Misconfigured) as caught:
        open_needy("needy")
    assert str(caught.value) == "connector 'needy' needs the package sdk_of_needy"


def test_the_hint_names_the_extra_of_a_built_in_connector(shelf: Path) -> None:
    (shelf / "postgres.py").write_text((shelf / "needy.py").read_text())  # an extra that the package really has
    sys.modules.pop("syncd_connectors.postgres", None)
    with pytest.raises(Misconfigured) as caught:
        open_needy("postgres")
    sys.modules.pop("syncd_connectors.postgres", None)
    assert caught.value.hint == "pip install 'syncd[postgres]'"
    assert caught.value.yaml_path == "type"


def test_naming_and_finding_connectors_imports_no_sdk() -> None:
    code = (
        "import sys; from syncd import registry; names = registry.known();"
        "modules = {m.partition('.')[0] for m in sys.modules};"
        "assert not any(m.startswith('syncd_connectors.') for m in sys.modules);"
        "[registry.find(name) for name in names];"
        "modules |= {m.partition('.')[0] for m in sys.modules};"
        "print(sorted(modules & {'hubspot', 'simple_salesforce', 'pipedrive', 'sqlalchemy', 'fastapi'}))"
    )
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "[]"
