"""Terminology resources that are stored here, found by their canonical URL.

Source: R4 references.html#canonical
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

from fhirbridge.fhir import wire
from fhirbridge.fhir.terminology import Lookup, Terminology
from fhirbridge.jsontypes import Resource
from fhirbridge.search import query
from fhirbridge.search.context import SearchContext
from fhirbridge.search.escapes import escape
from fhirbridge.storage import resources, search
from fhirbridge.storage.session import Session


class StoredTerms:
    """CodeSystems and ValueSets of one custodian, each looked up when it is asked for."""

    def __init__(
        self,
        reading: Callable[[], AbstractContextManager[Session]],
        custodian_id: int,
        context: SearchContext,
    ) -> None:
        self._reading = reading
        self._custodian_id = custodian_id
        self._context = context

    def search_context(self) -> SearchContext:
        """The same context, able to look up value sets and code systems."""
        known = self._context
        return SearchContext(known.zone, known.bases, known.now, self.terminology())

    def terminology(self) -> Terminology:
        """Everything that is stored."""
        return Terminology(self._lookup("CodeSystem"), self._lookup("ValueSet"))

    def find(self, resource_type: str, *, url: str, version: str = "") -> Resource | None:
        """The stored resource with this URL; of several versions the one written last.

        `ValueSet/id` names one by its id.
        """
        if url.startswith(f"{resource_type}/"):
            return self._read(resource_type, url.partition("/")[2])
        pairs = [("url", escape(url)), ("_sort", "-_lastUpdated"), ("_count", "1")]
        if version:
            pairs.append(("version", escape(version)))
        found = self.matching(resource_type, pairs)
        return found[0] if found else None

    def matching(self, resource_type: str, pairs: list[tuple[str, str]]) -> list[Resource]:
        """The resources of the first page of a search."""
        wanted = query.parse(resource_type, pairs, context=self._context)
        with self._reading() as session:
            page = search.run(session, wanted, custodian_id=self._custodian_id)
        return [wire.parse(version.content) for version in page.matches]

    def _read(self, resource_type: str, resource_id: str) -> Resource | None:
        with self._reading() as session:
            version = resources.read(session, self._custodian_id, resource_type, resource_id)
        return wire.parse(version.content) if version and not version.deleted else None

    def _lookup(self, resource_type: str) -> Lookup:
        return lambda url, version: self.find(resource_type, url=url, version=version)
