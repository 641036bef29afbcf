"""Begins a connector: `make new-connector name=acme` copies the template beside this file under that name."""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NEXT = """\
Next: write what raises NotImplementedError, in both files; connectors/README.md says what a connector promises.
  make test ARGS="-x {test}"
  make schema    # so that editors know its settings
"""


def begin(name: str, root: Path) -> list[Path]:
    """Write a connector and its tests below a project's folder; give the two files.

    Raises `ValueError` for a name that cannot be a connector's, and `FileExistsError` rather than overwrite anything.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name) or len(name) > 40:
        raise ValueError(f"{name!r} cannot be a connector's type: write it in small letters, such as acme or acme_crm")
    places = {
        HERE / "acme.py": root / "connectors" / "syncd_connectors" / f"{name}.py",
        HERE / "test_acme.py": root / "tests" / "connectors" / f"test_{name}.py",
    }
    for place in places.values():
        if place.exists():
            raise FileExistsError(f"{place.relative_to(root)} is there already; nothing was written")
    title = "".join(part.title() for part in name.split("_"))
    for template, place in places.items():
        text = template.read_text(encoding="utf-8").replace("Acme", title).replace("acme", name)
        with place.open("x", encoding="utf-8") as file:
            file.write(text)
    return list(places.values())


def main(arguments: list[str]) -> str | int:
    """Begin the connector that the arguments name; give an exit code, or what went wrong."""
    if len(arguments) != 1 or not arguments[0]:
        return "say which: make new-connector name=acme"
    try:
        written = [place.relative_to(ROOT) for place in begin(arguments[0], ROOT)]
    except (ValueError, FileExistsError) as error:
        return f"error: {error}"
    print(*(f"wrote {place}" for place in written), NEXT.format(test=written[-1]), sep="\n", end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
