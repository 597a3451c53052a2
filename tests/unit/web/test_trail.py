"""Every request of a known client stands in the audit."""

from pathlib import Path

from fhirbridge import bridge as bridges
from fhirbridge.config import Settings
from fhirbridge.storage import audit
from fhirbridge.web.app import create_app


def test_requests_to_the_document_api_are_audited(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/api.db"
    bridge = bridges.build(Settings(auth="none", database_url=url, audit="all"))
    client = create_app(bridge).test_client()

    client.get("/api/enrollments/none")
    client.get("/api/partners")
    client.get("/api/docs")
    client.get("/fhir/Patient")

    with bridge.database.read() as session:
        rows = audit.find(session, bridge.custodian.id)
    bridge.close()
    assert [(row.action, row.decision) for row in reversed(rows)] == [
        ("api-GET", "failed"),
        ("api-GET", "own"),
        ("search-type", "own"),
    ]
    assert rows[-1].entry["target"] == "/api/enrollments/none"
