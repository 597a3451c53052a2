"""One table of what this server does; dispatch and the CapabilityStatement are made from it.

Source: R4 http.html#summary
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from fhirbridge.errors import Issue, NotFound, NotSupported
from fhirbridge.fhir.compartments import COMPARTMENTS
from fhirbridge.fhir.definitions import definitions

Level = Literal["system", "type", "instance", "compartment"]

# FHIR has no code for it; it is claimed by `rest.compartment`.
COMPARTMENT = "search-compartment"


@dataclass(frozen=True, slots=True)
class Interaction:
    """One interaction: our name, FHIR's code for it, and the request that asks for it.

    In `path`, `{type}`, `{id}` and `{vid}` stand for any segment, `{member}` for the type that is
    searched in a compartment, or `*`.
    """

    name: str
    code: str
    level: Level
    method: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """What a request asks for."""

    interaction: Interaction
    resource_type: str = ""
    resource_id: str = ""
    version_id: str = ""
    member_type: str = ""  # of a compartment search; "*" for all types


INTERACTIONS = (
    Interaction("capabilities", "capabilities", "system", "GET", ("metadata",)),
    Interaction("bundle", "transaction", "system", "POST", ()),
    Interaction("bundle", "batch", "system", "POST", ()),
    Interaction("read", "read", "instance", "GET", ("{type}", "{id}")),
    Interaction("vread", "vread", "instance", "GET", ("{type}", "{id}", "_history", "{vid}")),
    Interaction("create", "create", "type", "POST", ("{type}",)),
    Interaction("update", "update", "instance", "PUT", ("{type}", "{id}")),
    Interaction("conditional_update", "update", "type", "PUT", ("{type}",)),
    Interaction("patch", "patch", "instance", "PATCH", ("{type}", "{id}")),
    Interaction("conditional_patch", "patch", "type", "PATCH", ("{type}",)),
    Interaction("delete", "delete", "instance", "DELETE", ("{type}", "{id}")),
    Interaction("conditional_delete", "delete", "type", "DELETE", ("{type}",)),
    Interaction("history", "history-instance", "instance", "GET", ("{type}", "{id}", "_history")),
    Interaction("history", "history-type", "type", "GET", ("{type}", "_history")),
    Interaction("history", "history-system", "system", "GET", ("_history",)),
    Interaction("search", "search-type", "type", "GET", ("{type}",)),
    Interaction("search", "search-type", "type", "POST", ("{type}", "_search")),
    Interaction("search", "search-system", "system", "GET", ()),
    Interaction("search", "search-system", "system", "POST", ("_search",)),
    Interaction("search", COMPARTMENT, "compartment", "GET", ("{type}", "{id}", "{member}")),
    Interaction(
        "search", COMPARTMENT, "compartment", "POST", ("{type}", "{id}", "{member}", "_search")
    ),
    Interaction("search", COMPARTMENT, "compartment", "POST", ("{type}", "{id}", "_search")),
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its name after the `$`, its definition, and where it can be called.

    `types` () means all. What changes nothing can also be called by GET.
    """

    name: str
    definition: str
    types: tuple[str, ...]
    levels: tuple[Level, ...]
    methods: tuple[str, ...] = ("GET", "POST")


OPERATIONS = (
    Operation("$validate", "Resource-validate", (), ("type", "instance")),
    Operation("$everything", "Patient-everything", ("Patient",), ("instance",)),
    Operation("$document", "Composition-document", ("Composition",), ("instance",)),
    Operation("$translate", "ConceptMap-translate", ("ConceptMap",), ("type", "instance")),
    Operation("$expand", "ValueSet-expand", ("ValueSet",), ("type", "instance")),
    Operation("$validate-code", "ValueSet-validate-code", ("ValueSet",), ("type", "instance")),
)
_OPERATIONS = {operation.name: operation for operation in OPERATIONS}

# Source: R4 datatypes.html#id
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_RESERVED = frozenset({"metadata", "_history", "_search"})


def _shape(path: tuple[str, ...]) -> tuple[str, ...]:
    """A path with type, id, version and member blanked, so that it can be looked up."""
    shape: list[str] = []
    for index, segment in enumerate(path):
        if segment in _RESERVED or segment.startswith("$"):
            shape.append(segment)
        else:
            shape.append(("{type}", "{id}", "{member}", "{vid}")[index] if index < 4 else "")
    return tuple(shape)


_BY_SHAPE: dict[tuple[str, ...], dict[str, Interaction]] = {}
for _interaction in INTERACTIONS:
    _BY_SHAPE.setdefault(_interaction.path, {})[_interaction.method] = _interaction
for _operation in OPERATIONS:
    for _level in _operation.levels:
        _before = ("{type}", "{id}") if _level == "instance" else ("{type}",)
        for _method in _operation.methods:
            _called = Interaction(
                _operation.name, _operation.name, _level, _method, (*_before, _operation.name)
            )
            _BY_SHAPE.setdefault(_called.path, {})[_method] = _called


@lru_cache(maxsize=1024)  # a request asks several times
def route(method: str, path: tuple[str, ...]) -> Route:
    """Find the interaction that a request asks for.

    Raises NotFound for an address that means nothing here, and NotSupported, naming the methods
    that are, for an address that does not take this method.
    """
    known = _BY_SHAPE.get(_shape(path))
    if known is None:
        raise _nothing_here()
    parts = dict(zip(next(iter(known.values())).path, path, strict=True))
    resource_type, member_type = parts.get("{type}", ""), parts.get("{member}", "")
    if resource_type and resource_type not in definitions().resource_types:
        raise NotFound(
            Issue("not-supported", "The address does not start with a resource type of R4.")
        )
    operation = _OPERATIONS.get(path[-1]) if path else None
    if operation is not None and operation.types and resource_type not in operation.types:
        raise _nothing_here()
    interaction = known.get(method)
    if interaction is not None and interaction.code == COMPARTMENT:
        _check_compartment(resource_type, member_type)
    if interaction is None:
        allowed = ", ".join(sorted(known))
        raise NotSupported(
            Issue("not-supported", f"{method} is not supported at this address, but {allowed}.")
        )
    resource_id = parts.get("{id}", "")
    # An update says more: that the id it wants to create is none.
    if resource_id and interaction.name != "update" and not _ID.fullmatch(resource_id):
        raise NotFound(Issue("not-found", "An id has 1 to 64 letters, digits, hyphens and points."))
    return Route(
        interaction,
        resource_type,
        resource_id,
        parts.get("{vid}", ""),
        member_type or ("*" if interaction.code == COMPARTMENT else ""),
    )


def _check_compartment(name: str, member_type: str) -> None:
    """Raise NotFound unless this is a compartment, and the member a resource type or `*`."""
    known = member_type in ("", "*") or member_type in definitions().resource_types
    if name not in COMPARTMENTS or not known:
        raise _nothing_here()


def _nothing_here() -> NotFound:
    return NotFound(Issue("not-found", "This server has nothing at this address."))


def allowed_methods(path: tuple[str, ...]) -> tuple[str, ...]:
    """The methods that an address takes; empty for an address that means nothing here."""
    known = sorted(_BY_SHAPE.get(_shape(path), ()))
    return tuple([*known, "HEAD"] if "GET" in known else known)
