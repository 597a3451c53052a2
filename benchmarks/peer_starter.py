"""fhirstarter 4 with SQLite at full durability, for `python -m benchmarks --only rest`.

Its framework brings no store: this is one table with the patient beside each plan, and an index.
Runs in the Python of the peers: `python benchmarks/peer_starter.py FILE PORT`.
"""

import os
import sqlite3
import sys
import threading
from typing import Any
from uuid import uuid4

os.environ.setdefault("FHIR_SEQUENCE", "R4B")

import uvicorn
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.careplan import CarePlan
from fhir.resources.R4B.patient import Patient
from fhirstarter import FHIRProvider, FHIRStarter, InteractionContext
from fhirstarter.exceptions import FHIRResourceNotFoundError

_LOCK = threading.Lock()
_STORE = sqlite3.connect(sys.argv[1], isolation_level=None, check_same_thread=False)
_STORE.execute("PRAGMA journal_mode=WAL")
_STORE.execute("PRAGMA synchronous=FULL")
_STORE.execute(
    "CREATE TABLE IF NOT EXISTS resource (id TEXT PRIMARY KEY, patient TEXT, content TEXT)"
)
_STORE.execute("CREATE INDEX IF NOT EXISTS of_patient ON resource (patient)")
provider = FHIRProvider()


def _save(resource: Any, patient: str) -> str:
    resource.id = str(uuid4())
    row = (resource.id, patient, resource.model_dump_json())
    with _LOCK:
        _STORE.execute("INSERT INTO resource VALUES (?, ?, ?)", row)
    return str(resource.id)


def _content(resource_id: str) -> str:
    with _LOCK:
        row = _STORE.execute("SELECT content FROM resource WHERE id = ?", (resource_id,)).fetchone()
    if row is None:
        raise FHIRResourceNotFoundError
    return str(row[0])


@provider.create(Patient)
def patient_create(context: InteractionContext, resource: Patient) -> str:
    return _save(resource, "")


@provider.create(CarePlan)
def plan_create(context: InteractionContext, resource: CarePlan) -> str:
    return _save(resource, resource.subject.reference)


@provider.read(CarePlan)
def plan_read(context: InteractionContext, id_: str) -> CarePlan:
    return CarePlan.model_validate_json(_content(id_))


@provider.search_type(CarePlan)
def plan_search(context: InteractionContext, subject: str | None) -> Bundle:
    with _LOCK:
        rows = _STORE.execute(
            "SELECT content FROM resource WHERE patient = ? LIMIT 20", (subject,)
        ).fetchall()
    found = [{"resource": CarePlan.model_validate_json(row[0])} for row in rows]
    return Bundle(**{"type": "searchset", "total": len(found), "entry": found or None})


app = FHIRStarter(title="peer")
app.add_providers(provider)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
