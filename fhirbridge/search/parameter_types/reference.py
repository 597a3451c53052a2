"""Reference parameters: local references, absolute URLs, URNs, canonicals, identifiers.

Source: R4 search.html#reference, references.html
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from fhirbridge.fhir.definitions import definitions
from fhirbridge.jsontypes import Json
from fhirbridge.records import record
from fhirbridge.search.context import SearchContext
from fhirbridge.search.escapes import unescape
from fhirbridge.search.parameter_types.token import TokenReader, TokenValue

_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@record()
class ReferenceValue:
    """What is referred to: `Type/id` on this server, else a URL; `type` is "" for a URL."""

    target: str
    type: str


@record()
class ReferenceCriterion:
    """Matches any of these targets."""

    targets: tuple[str, ...]


def local_target(text: str, bases: tuple[str, ...]) -> ReferenceValue | None:
    """Read `Type/id`, also with a version or below our own base; None for other references."""
    for base in bases:
        start = base.rstrip("/") + "/"
        if text.startswith(start):
            text = text[len(start) :]
            break
    match = _LOCAL.fullmatch(text)
    if match is None or match[1] not in definitions().resource_types:
        return None
    return ReferenceValue(f"{match[1]}/{match[2]}", match[1])


Reader: TypeAlias = Callable[[Json, str, SearchContext], Iterator[ReferenceValue]]


def _reference(node: Json, system: str, context: SearchContext) -> Iterator[ReferenceValue]:
    text = node.get("reference")
    if text and not text.startswith("#"):
        yield local_target(text, context.bases) or ReferenceValue(text, "")


def _canonical(node: Json, system: str, context: SearchContext) -> Iterator[ReferenceValue]:
    text = node.partition("#")[0]
    if text:
        yield ReferenceValue(text, "")
        url, bar, _ = text.partition("|")
        if bar:
            yield ReferenceValue(url, "")


def _resource(node: Json, system: str, context: SearchContext) -> Iterator[ReferenceValue]:
    if node.get("id"):
        yield ReferenceValue(f"{node['resourceType']}/{node['id']}", node["resourceType"])


READERS: Mapping[str, Reader] = {
    "Reference": _reference,
    "canonical": _canonical,
    "uri": _canonical,
    "Resource": _resource,
}


def _identifier(node: Json, system: str, context: SearchContext) -> Iterator[TokenValue]:
    identifier = node.get("identifier")
    if identifier and identifier.get("value"):
        yield TokenValue(identifier.get("system", ""), identifier["value"])


# What `:identifier` searches, kept under `<parameter>:identifier`.
IDENTIFIER_READERS: Mapping[str, TokenReader] = {"Reference": _identifier}


def parse(text: str, types: tuple[str, ...], context: SearchContext) -> ReferenceCriterion:
    """Read `id`, `Type/id`, a URL or a URN; `types` are those that an id alone may mean.

    Raises ValueError for a text that can be none of these.
    """
    value = unescape(text)
    local = local_target(value, context.bases)
    if local is not None:
        return ReferenceCriterion((local.target,) if not types or local.type in types else ())
    if _ID.fullmatch(value):
        candidates = types or tuple(sorted(definitions().resource_types))
        return ReferenceCriterion(tuple(f"{type_name}/{value}" for type_name in candidates))
    if ":" not in value:
        raise ValueError("expected Type/id, id, or a URL")
    return ReferenceCriterion((value,))
