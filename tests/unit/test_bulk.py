"""Copies of people: their rows are those that ordinary creates write."""

from dataclasses import replace
from pathlib import Path
from uuid import NAMESPACE_OID

import pytest
import sqlalchemy as sa

from benchmarks import bulk, state
from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.documents.stored import circumstances_of
from fhirbridge.fhir import wire
from fhirbridge.storage import tables
from fhirbridge.storage.versions import next_seq
from fhirbridge.synthetic import state as states

COPIED = (
    tables.resources,
    tables.resource_versions,
    tables.resource_patients,
    tables.local_references,
    tables.index_tokens,
    tables.index_strings,
    tables.index_dates,
    tables.index_references,
    tables.index_numbers,
    tables.index_quantities,
    tables.index_uris,
)


def test_copy_of_a_person_has_the_rows_of_ordinary_creates(tmp_path: Path) -> None:
    copying, ordinary = (_bridge(tmp_path / name) for name in ("copying.db", "ordinary.db"))
    circumstances = circumstances_of(copying)
    everything = state.of_person(1, 0, NAMESPACE_OID)
    items = [
        item
        for item in everything.values()
        if item.resource["resourceType"] not in state.SHARED_TYPES
    ]
    catch = bulk.catching(copying.database.transaction, circumstances)
    template = bulk.Template(items, states.numbers(1, 0), circumstances.now, catch)
    identity = template.identity(3)

    with copying.database.transaction() as session:
        for statement, rows in template.rows(identity, first=next_seq(session)):
            session.add(statement, rows)
        for _ in range(template.size - 1):
            next_seq(session)
    with ordinary.database.transaction() as session:
        renamed = [
            bulk.Item(
                wire.parse(identity.rewrite(wire.dump(item.resource).decode())),
                item.content_class,
            )
            for item in items
        ]
        at = replace(circumstances, now=identity.now)
        bulk.store(session, at, renamed)

    for table in (*COPIED, tables.feed):
        assert _rows(copying, table) == _rows(ordinary, table), table.name
    copying.close()
    ordinary.close()


def test_row_that_cannot_be_copied_is_told(tmp_path: Path) -> None:
    bridge = _bridge(tmp_path / "state.db")
    circumstances = circumstances_of(bridge)
    # an identifier that depends on the id, in a form that no search and replace finds
    patient = {"resourceType": "Patient", "id": "one", "name": [{"family": "ONE"}]}
    catch = bulk.catching(bridge.database.transaction, circumstances)

    with pytest.raises(bulk.Different):
        bulk.Template([bulk.Item(patient, "identity")], ("ONE",), circumstances.now, catch)

    bridge.close()


def _bridge(path: Path) -> Bridge:
    return bridges.build(Settings(database_url=f"sqlite:///{path}"))


def _rows(bridge: Bridge, table: sa.Table) -> list[str]:
    with bridge.database.read() as session:
        return sorted(repr(tuple(row)) for row in session.execute(sa.select(table)))
