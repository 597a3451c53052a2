"""A database with documents in it, for tests of the use cases."""

import copy
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fhirbridge.config import DEFAULT_BASE
from fhirbridge.conversion.mappings import Mappings, load_mappings
from fhirbridge.documents.receive import Prepared, Received, prepare, receive
from fhirbridge.fhir import wire
from fhirbridge.storage import resources
from fhirbridge.storage.database import Database
from fhirbridge.storage.resources import Circumstances

FIXTURES = Path(__file__).parents[3] / "fixtures"
NAMESPACE = UUID("6f1d4f0a-52c4-5e0b-9a51-0d6c1b1e7a10")
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


@cache
def mappings() -> Mappings:
    return load_mappings(base=DEFAULT_BASE)


@cache
def _read(kind: str, case: str) -> str:
    return (FIXTURES / kind / case / "native.json").read_text()


def document(kind: str, case: str = "mother-of-two", **changes: Any) -> dict[str, Any]:
    """The document of a fixture, with some fields changed."""
    data: dict[str, Any] = json.loads(_read(kind, case))
    return {**data, **changes}


def later(data: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The next version of a document, a day later."""
    day = int(data["updatedAt"][8:10]) + 1
    moment = f"{data['updatedAt'][:8]}{day:02d}{data['updatedAt'][10:]}"
    return {**copy.deepcopy(data), "version": data["version"] + 1, "updatedAt": moment, **changes}


@dataclass
class Desk:
    """Receives documents into one database."""

    database: Database

    @property
    def custodian_id(self) -> int:
        return self.database.custodian().id

    @property
    def circumstances(self) -> Circumstances:
        return Circumstances(custodian_id=self.custodian_id, now=NOW, zone=ZoneInfo("UTC"))

    def prepare(self, data: dict[str, Any]) -> Prepared:
        return prepare(wire.parse(json.dumps(data)), mappings(), NAMESPACE)

    def receive(self, data: dict[str, Any]) -> Received:
        prepared = self.prepare(data)
        mapping = mappings()[prepared.document.kind]
        with self.database.transaction() as session:
            return receive(session, prepared, mapping, self.circumstances)

    def read(self, reference: str) -> dict[str, Any]:
        """A stored resource without what the server set."""
        resource_type, _, resource_id = reference.partition("/")
        with self.database.read() as session:
            version = resources.read(session, self.custodian_id, resource_type, resource_id)
        assert version is not None
        resource = wire.parse(version.content)
        meta = {k: v for k, v in resource["meta"].items() if k not in ("versionId", "lastUpdated")}
        rest = {k: v for k, v in resource.items() if k != "meta"}
        return {**rest, "meta": meta} if meta else rest

    def store(self, resource: dict[str, Any]) -> None:
        """Change a stored resource, as another system would."""
        kind, identity = resource["resourceType"], resource["id"]
        with self.database.transaction() as session:
            current = resources.read(session, self.custodian_id, kind, identity)
            if current is None:
                resources.create(session, self.circumstances, resource, resource_id=identity)
            else:
                resources.update(session, self.circumstances, resource, current=current)

    def everything(self) -> dict[str, bytes]:
        """Each stored resource by reference, in canonical form."""
        with self.database.read() as session:
            rows = session.driver.execute(
                "SELECT resource_type || '/' || resource_id FROM resources"
            ).fetchall()
        return {row[0]: wire.canonical(self.read(row[0])) for row in rows}
