"""What a conversion gives: the result, everything found on the way, and the explanations."""

from collections.abc import Mapping
from dataclasses import dataclass

from fhirbridge.conversion.presentation import Presentation
from fhirbridge.errors import Issue
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.mapping.lineage import Explanation


@dataclass(frozen=True, slots=True)
class PackStamp:
    """Which mapping made it: recorded with each conversion."""

    name: str
    version: str
    hash: str
    code_editions: tuple[str, ...]

    def to_json(self) -> JsonObject:
        """What is kept beside a stored document."""
        return {
            "pack": self.name,
            "version": self.version,
            "hash": self.hash,
            "codeEditions": list(self.code_editions),
        }


@dataclass(frozen=True, slots=True)
class ToFhir:
    """A document as a transaction Bundle. `lineage` is empty unless it was asked for.

    `entries` names the mapping entry that made each resource, by `Type/id`. `presentation` gives
    a resource that is changed afterwards its claims and text again.
    """

    bundle: Resource
    issues: tuple[Issue, ...]
    lineage: tuple[Explanation, ...]
    stamp: PackStamp
    entries: Mapping[str, str]
    presentation: Presentation


@dataclass(frozen=True, slots=True)
class ToNative:
    """Resources as a document, without its `schema` line, and what could not be carried over."""

    document: JsonObject
    issues: tuple[Issue, ...]
    stamp: PackStamp
