"""The house: sizes of modules, and each framework behind its own door (style.md)."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "fhirbridge"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 300

# library -> the only places that may import it
DOORS = {
    "flask": ("web/",),
    "werkzeug": ("web/", "demo/ehr.py"),  # the demo's EHR cuts its own sockets
    "sqlalchemy": ("storage/",),
    "alembic": ("storage/migrations/",),
    "psycopg": ("storage/postgresql.py",),
    "requests": ("partners/",),
    "cryptography": ("disclosure/cursors.py",),
    "joserfc": ("access/", "partners/token.py"),
    "marshmallow": ("native/",),
    "fhir": ("fhir/models.py",),
    "granian": ("web/", "cli/serve.py"),
    "yaml": ("mapping/yaml_source.py", "workflow/clocks.py"),
    "click": ("cli/",),
    "rich": ("cli/", "demo/"),
}


def test_every_module_is_short_enough_to_read() -> None:
    lengths = {str(path.relative_to(PACKAGE)): len(lines(path)) for path in MODULES}

    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


@pytest.mark.parametrize("library", DOORS)
def test_library_is_imported_at_its_door_only(library: str) -> None:
    places = {
        str(path.relative_to(PACKAGE)) for path in MODULES if library in imported_packages(path)
    }

    assert [p for p in places if not p.startswith(DOORS[library])] == []
    assert places, f"no module imports {library}: is it still a dependency?"


def test_no_module_is_named_for_nothing() -> None:
    names = {path.stem for path in MODULES}

    assert not names & {"util", "utils", "helper", "helpers", "misc", "common", "part2"}


def test_every_module_says_what_lives_there() -> None:
    silent = [str(p) for p in MODULES if not ast.get_docstring(ast.parse(p.read_text()))]

    assert silent == []


@cache
def imported_packages(path: Path) -> set[str]:
    """Top-level packages that a module imports, `fhirbridge` itself left out."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found - {"fhirbridge"}
