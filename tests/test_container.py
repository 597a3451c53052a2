"""The container image, as far as it can be tested without an engine that builds it."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fhirbridge.cli import serve
from fhirbridge.config import Settings

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-build.lock")
PINNED = re.compile(r"([A-Za-z0-9._-]+)==([^ ;\\]+)")


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile with their arguments, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in lines]


def of_last_stage() -> dict[str, str]:
    """The instructions of the image itself; the last of each kind."""
    found = instructions()
    start = max(index for index, (name, _) in enumerate(found) if name == "FROM")
    return dict(found[start:])


def lock(name: str) -> Iterator[str]:
    """The entries of a lock file, continued lines joined."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    return (line for line in text.splitlines() if line and not line.startswith("#"))


def test_what_is_copied_is_there_and_not_left_out() -> None:
    kept = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    ]
    copied = [
        source
        for name, arguments in instructions()
        if name == "COPY" and "--from=" not in arguments
        for source in arguments.split()[:-1]
    ]

    assert len(copied) >= 5
    for source in copied:
        assert (ROOT / source).exists()
        assert any(fnmatch(source, pattern) for pattern in kept), source


def test_wheel_is_built_from_what_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    built = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*built["packages"], *built["force-include"], project["project"]["readme"]}
    needed |= set(project["project"]["license-files"])
    copied = " ".join(arguments for name, arguments in instructions() if name == "COPY").split()

    assert needed <= set(copied)


def test_image_runs_as_nobody_in_particular_and_keeps_its_data() -> None:
    image = of_last_stage()

    assert int(image["USER"].split(":")[0]) > 0
    assert image["VOLUME"] == image["WORKDIR"] == "/data"
    assert "FHIRBRIDGE_DATABASE_URL=sqlite:////data/" in image["ENV"]
    assert image["EXPOSE"] == str(Settings().port)
    names = {word.split("=")[0].lower() for word in shlex.split(image["ENV"])}
    known = {f"fhirbridge_{name}" for name in Settings.__dataclass_fields__}
    assert {name for name in names if name.startswith("fhirbridge_")} <= known


def test_image_starts_the_service() -> None:
    image = of_last_stage()
    assert json.loads(image["ENTRYPOINT"]) == ["fhirbridge"]

    command, *arguments = json.loads(image["CMD"])

    assert command == "serve"
    parsed = serve.command.make_context("serve", arguments).params
    assert parsed["host"] == "0.0.0.0"  # noqa: S104


@pytest.mark.parametrize("name", LOCKS)
def test_everything_is_pinned_with_hashes(name: str) -> None:
    for line in lock(name):
        assert PINNED.match(line), line
        assert "--hash=sha256:" in line, line
        assert "://" not in line, line


def test_lock_holds_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["postgres"]]
    pinned = {canonicalize_name(m[1]): m[2] for line in lock(LOCKS[0]) if (m := PINNED.match(line))}

    for requirement in map(Requirement, wanted):
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not locked"
        assert requirement.specifier.contains(version), f"{requirement.name} {version}"


def test_lock_of_the_build_holds_the_build_backend() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    pinned = {canonicalize_name(m[1]): m[2] for line in lock(LOCKS[1]) if (m := PINNED.match(line))}

    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)])
