"""The wheel: what it carries, what it leaves out, and that it works where there is no checkout."""

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fhirbridge import __version__

ROOT = Path(__file__).parent.parent
CASE = ROOT / "fixtures" / "aftercare-plan" / "mother-of-two"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built with the hatchling that is here, or else with the one pip fetches."""
    folder = tmp_path_factory.mktemp("wheel")
    here = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", *here, "-w", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the wheel installs, without its dependencies."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def test_every_mapping_file_is_in_it(wheel: Path) -> None:
    ours = {p.relative_to(ROOT / "mappings").as_posix() for p in (ROOT / "mappings").rglob("*.*")}

    carried = {name.removeprefix("fhirbridge/_mappings/") for name in names(wheel)}
    assert ours <= carried


def test_every_module_and_data_file_of_the_package_is_in_it(wheel: Path) -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "fhirbridge").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert files <= names(wheel)
    assert any(name.startswith("fhirbridge/fhir/definitions/") for name in names(wheel))


def test_nothing_else_is_in_it(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in names(wheel)}

    assert tops == {"fhirbridge", f"fhirbridge-{__version__}.dist-info"}
    assert not [name for name in names(wheel) if "/tests/" in name or "test_" in name]


def test_licence_and_command_are_declared(wheel: Path) -> None:
    about = f"fhirbridge-{__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"{about}/METADATA").decode()
        entry_points = archive.read(f"{about}/entry_points.txt").decode()

    assert "License-Expression: Apache-2.0" in metadata
    assert f"{about}/licenses/LICENSE" in names(wheel)
    assert "fhirbridge = fhirbridge.cli.main:run" in entry_points


def test_it_converts_where_there_is_no_checkout(installed: Path, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FHIRBRIDGE_")}

    done = subprocess.run(
        [sys.executable, "-m", "fhirbridge", "convert", CASE / "native.json"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(installed)},
        capture_output=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == (CASE / "bundle.json").read_bytes()


def test_its_own_mappings_are_used(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import fhirbridge.mapping.loader as l; print(l.packaged_folder())"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert Path(done.stdout.strip()) == installed / "fhirbridge" / "_mappings"
