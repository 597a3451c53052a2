"""A searchable database with a few words for filling and asking it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from fhirbridge.jsontypes import Resource
from fhirbridge.search import query
from fhirbridge.search.context import SearchContext
from fhirbridge.search.query import SearchQuery
from fhirbridge.search.scope import EVERYTHING, Scope
from fhirbridge.storage import resources, search
from fhirbridge.storage.database import Database
from fhirbridge.storage.resources import Circumstances
from fhirbridge.storage.search import SearchPage

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ZONE = ZoneInfo("America/New_York")
BASE = "https://bridge.example/fhir"
CONTEXT = SearchContext(zone=ZONE, bases=(BASE,), now=NOW)


def plan(resource_id: str, patient: str = "p1", **more: object) -> Resource:
    return {
        "resourceType": "CarePlan",
        "id": resource_id,
        "status": "active",
        "intent": "plan",
        "subject": {"reference": f"Patient/{patient}"},
        **more,
    }


def patient(resource_id: str, **more: object) -> Resource:
    return {"resourceType": "Patient", "id": resource_id, **more}


class Shelf:
    """Stores resources one second apart, and searches them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.custodian_id = database.custodian().id
        self.dialect = database.engine.dialect.name
        self.written = 0

    def circumstances(self) -> Circumstances:
        self.written += 1
        now = NOW + timedelta(seconds=self.written)
        return Circumstances(custodian_id=self.custodian_id, now=now, zone=ZONE, bases=(BASE,))

    def put(self, *contents: Resource) -> None:
        with self.database.transaction() as session:
            for content in contents:
                kind, name = content["resourceType"], content["id"]
                known = resources.read(session, self.custodian_id, kind, name)
                if known:
                    resources.update(session, self.circumstances(), content, current=known)
                else:
                    resources.create(session, self.circumstances(), content, resource_id=name)

    def delete(self, resource_type: str, resource_id: str) -> None:
        with self.database.transaction() as session:
            current = resources.read(session, self.custodian_id, resource_type, resource_id)
            assert current is not None
            resources.delete(session, self.circumstances(), current=current)

    def parse(self, resource_type: str | None, text: str) -> SearchQuery:
        pairs = [tuple(part.split("=", 1)) for part in text.split("&") if part]
        return query.parse(resource_type, pairs, context=CONTEXT)  # type: ignore[arg-type]

    def page(
        self, resource_type: str | None, text: str = "", scope: Scope = EVERYTHING
    ) -> SearchPage:
        parsed = self.parse(resource_type, text)
        with self.database.read() as session:
            return search.run(session, parsed, scope, custodian_id=self.custodian_id)

    def ids(self, resource_type: str | None, text: str = "") -> list[str]:
        return [version.resource_id for version in self.page(resource_type, text).matches]

    def found(self, resource_type: str | None, text: str = "") -> set[str]:
        return set(self.ids(resource_type, text))
