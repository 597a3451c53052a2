"""References among the entries of a transaction, and conditional ones to what is stored.

Source: R4 http.html#trules, bundle.html#references
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fhirbridge.errors import BridgeError, InvalidContent, Issue, PreconditionFailed
from fhirbridge.fhir import references
from fhirbridge.interactions import conditional
from fhirbridge.interactions.context import Context, Unit
from fhirbridge.jsontypes import Resource


@dataclass(frozen=True, slots=True)
class Links:
    """What references between entries become: for all entries, and by the base of a fullUrl."""

    everywhere: Mapping[str, str]
    by_base: Mapping[str, Mapping[str, str]]

    def apply(self, resource: Resource, full_url: str) -> Resource:
        """The resource of the entry with this fullUrl, its references rewritten.

        A Bundle to be stored is left alone: its references mean its own entries.
        """
        if resource.get("resourceType") == "Bundle":
            return resource
        base = references.parse(full_url).base if full_url else ""
        relative = self.by_base.get(base)
        links = {**self.everywhere, **relative} if relative else self.everywhere
        return references.rewrite(resource, links)


def links_between(entries: Iterable[tuple[str, str]]) -> Links:
    """Links to each (fullUrl, `Type/id`); an empty fullUrl cannot be linked to.

    A relative reference means the entry whose fullUrl has the same base as that of the entry it
    stands in. Source: R4 bundle.html#references
    """
    everywhere: dict[str, str] = {}
    by_base: dict[str, dict[str, str]] = {}
    for full_url, reference in entries:
        if not full_url:
            continue
        if full_url != reference:
            everywhere[full_url] = reference
        parsed = references.parse(full_url)
        if parsed.kind == "absolute" and parsed.resource_id:
            relative = references.write(parsed.resource_type, parsed.resource_id)
            if relative != reference:
                by_base.setdefault(parsed.base, {})[relative] = reference
    return Links(everywhere, by_base)


class ConditionalReferences:
    """Resolves references such as `Patient?identifier=a|b`: exactly one match, or failure."""

    def __init__(self, unit: Unit, context: Context) -> None:
        self._unit = unit
        self._context = context
        self._found: dict[str, str] = {}

    def resolve(self, resource: Resource) -> Resource | None:
        """The resource with its conditional references replaced; None if one has no match yet.

        Raises InvalidContent for a urn:uuid that no entry has: nobody could ever resolve it.
        """
        links: dict[str, str] = {}
        for text, path in _conditional(resource):
            match = self._found.get(text) or self._search(text, path)
            if match is None:
                return None
            self._found[text] = links[text] = match
        return references.rewrite(resource, links) if links else resource

    def unresolved(self, resource: Resource) -> BridgeError:
        """The error that names the references without a match."""
        return InvalidContent.of(
            Issue(
                "not-found",
                "The conditional reference matches nothing.",
                expression=(path,),
            )
            for text, path in _conditional(resource)
            if self._search(text, path) is None
        )

    def confirm(self) -> None:
        """Raise PreconditionFailed if by now a reference matches something else as well."""
        for text, match in self._found.items():
            if self._search(text, "") != match:
                raise PreconditionFailed(
                    Issue("multiple-matches", "A conditional reference has several matches.")
                )

    def _search(self, text: str, path: str) -> str | None:
        wanted = references.parse(text)
        try:
            match = conditional.one_match(
                self._unit, self._context, wanted.resource_type, criteria=wanted.query
            )
        except PreconditionFailed as exc:
            raise PreconditionFailed(
                Issue(
                    "multiple-matches",
                    "The conditional reference has several matches.",
                    expression=(path,) if path else (),
                )
            ) from exc
        return match.reference if match else None


def _conditional(resource: Resource) -> list[tuple[str, str]]:
    """Text and FHIRPath of the conditional references of a resource."""
    if resource.get("resourceType") == "Bundle":
        return []
    if not any("?" in text or text.startswith("urn:") for text in references.literals(resource)):
        return []
    conditional_ones = []
    for found in references.walk(resource):
        reference = references.parse_element(found.reference)
        path = f"{found.path}.reference"
        if reference.kind == "conditional":
            conditional_ones.append((reference.text, path))
        elif reference.text.startswith("urn:uuid:"):
            raise InvalidContent(
                Issue("not-found", "No entry has this urn:uuid as its fullUrl.", expression=(path,))
            )
    return conditional_ones
