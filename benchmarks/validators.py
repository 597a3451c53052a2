"""Validators of R4 that others wrote, each as a function: resource -> what it objects to.

pyrofile-validator has no definitions of its own to speak of; it gets those of the official package.
"""

import contextlib
import io
import json
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import FunctionType
from typing import TypeAlias
from unittest import mock

import fhirkit
from pyrofile_validator import Validator
from pyrofile_validator.config import ValidatorConfig
from pyrofile_validator.core import fhirpath

from fhirbridge.fhir import wire
from fhirbridge.fhir.models import second_opinion
from fhirbridge.fhir.validation import check
from fhirbridge.fhir.validation.own_codes import OwnCodes
from fhirbridge.jsontypes import Json, Resource
from tests import official_examples

DEFINING = ("StructureDefinition-", "ValueSet-", "CodeSystem-")


@dataclass(frozen=True)
class Objection:
    """One error that a validator reports."""

    code: str
    place: str
    words: str


Judge: TypeAlias = Callable[[Resource], list[Objection]]


def gate(resource: Resource, *, own_codes: OwnCodes | None = None) -> list[Objection]:
    """Our own gate, the US Core profiles that are claimed included."""
    return [
        Objection(issue.rule, issue.expression[0] if issue.expression else "", issue.diagnostics)
        for issue in check(resource, ours=True, own_codes=own_codes)
        if issue.is_error
    ]


def fhir_resources(resource: Resource) -> list[Objection]:
    """fhir.resources R4B; a type that it does not have is refused."""
    return [
        Objection(issue.rule, ".".join(issue.expression), issue.diagnostics)
        for issue in second_opinion(resource)
    ]


def fhirkit_rs(resource: Resource) -> list[Objection]:
    """fhirkit-rs."""
    return [
        Objection("", "", str(issue))
        for issue in fhirkit.validate(wire.dump(resource).decode())
        if issue.severity == "error"
    ]


@contextmanager
def pyrofile(more: Sequence[Resource] = ()) -> Iterator[Judge]:
    """pyrofile-validator with the definitions of R4 and with ours; it takes seconds to start.

    Raises tests.official_examples.Unavailable where the definitions cannot be had.
    """
    with tempfile.TemporaryDirectory() as folder:
        _unpack(Path(folder))
        for resource in more:
            name = f"own-{resource['resourceType']}-{resource['id']}.json"
            Path(folder, name).write_bytes(wire.dump(resource))
        config = ValidatorConfig(local_package_paths=[folder], allow_unknown_extensions=not more)
        validator = Validator(config)

        def judge(resource: Resource) -> list[Objection]:
            prints = contextlib.redirect_stdout(io.StringIO())  # it prints traces
            with prints, _one_copy_a_resource():
                report = validator.validate_resource(json.loads(wire.dump(resource)))
            return [
                Objection(issue.code, issue.path or "", issue.message)
                for issue in report.issues
                if issue.severity.value == "error"
            ]

        yield judge


@contextmanager
def _one_copy_a_resource() -> Iterator[None]:
    """Let it copy a resource once, not for each rule on each element, which took 80 % of its time.

    What it says stays the same.
    """
    # The original calls itself by its global name; that call must not come back here.
    code = fhirpath._augment_choice_types.__code__
    original = FunctionType(code, vars(fhirpath).copy())
    copies: dict[int, tuple[Json, Json]] = {}

    def copied(value: Json) -> Json:
        if not isinstance(value, dict) or "resourceType" not in value:
            return original(value)
        if id(value) not in copies:
            copies[id(value)] = value, original(value)  # kept alive, so that the id stays its own
        return copies[id(value)][1]

    with mock.patch.object(fhirpath, "_augment_choice_types", copied):
        yield


def _unpack(folder: Path) -> None:
    with tarfile.open(official_examples.archive()) as package:
        for member in package:
            name = Path(member.name).name
            content = package.extractfile(member) if name.startswith(DEFINING) else None
            if content is not None:
                (folder / name).write_bytes(content.read())


def versions() -> str:
    """The names and versions of the validators of others."""
    names = ("fhir.resources", "fhirkit-rs", "pyrofile-validator")
    return ", ".join(f"{name} {version(name)}" for name in names)
