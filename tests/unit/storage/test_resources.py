"""Versions of resources, and what is derived from them."""

import pytest
import sqlalchemy as sa

from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Resource
from fhirbridge.storage import history, integrity, resources, search_index, tables
from fhirbridge.storage.history import Place
from fhirbridge.storage.keys import key_of, patient_key_of
from fhirbridge.storage.reindex import reindex
from fhirbridge.storage.session import Session
from tests.unit.storage.shelf import Shelf

PATIENT: Resource = {"resourceType": "Patient", "id": "p", "active": True}


def goal(name: str, subject: str) -> Resource:
    return {"resourceType": "Goal", "id": name, "subject": {"reference": subject}}


def rows(session: Session, table: sa.Table) -> list[tuple[object, ...]]:
    """All rows of a table, in an order that does not depend on when they were written."""
    found = session.execute(sa.select(table)).all()
    return sorted((tuple(row) for row in found), key=repr)


class TestVersions:
    def test_sequence_has_no_gaps_over_all_resources(self, shelf: Shelf) -> None:
        shelf.put(PATIENT, goal("g", "Patient/p"))
        shelf.put({**PATIENT, "active": False})
        shelf.put({**PATIENT, "active": False})  # unchanged
        shelf.delete("Goal", "g")

        with shelf.database.read() as session:
            seqs = session.execute(sa.select(tables.resource_versions.c.seq)).scalars().all()
        assert sorted(seqs) == [1, 2, 3, 4]

    def test_undone_transaction_leaves_no_gap(self, shelf: Shelf) -> None:
        with pytest.raises(ZeroDivisionError), shelf.database.transaction() as session:
            resources.create(session, shelf.circumstances(), PATIENT, resource_id="p")
            _ = 1 / 0
        shelf.put(PATIENT)

        with shelf.database.read() as session:
            current = resources.read(session, shelf.custodian_id, "Patient", "p")
        assert current is not None
        assert current.seq == 1

    def test_custodians_do_not_see_each_other(self, shelf: Shelf) -> None:
        shelf.put(PATIENT)
        shelf.database.upgrade(custodian="other")
        other = shelf.database.custodian("other").id

        with shelf.database.read() as session:
            assert resources.read(session, other, "Patient", "p") is None
            assert history.versions(session, Place(other, "Patient", "p"), count=9) == []

    def test_time_never_runs_backwards_for_a_resource(self, shelf: Shelf) -> None:
        shelf.put(PATIENT)
        shelf.written = -100
        shelf.put({**PATIENT, "active": False})

        with shelf.database.read() as session:
            place = Place(shelf.custodian_id, "Patient", "p")
            found = history.versions(session, place, count=9)
        assert found[0].last_updated >= found[1].last_updated

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            ({"a": 1}, {"a": 1, "id": "x", "meta": {"versionId": "3"}}, True),
            ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
            ({"a": 1}, {"a": True}, False),
            ({"a": wire.number("1.0")}, {"a": wire.number("1.00")}, False),
            ({"meta": {"source": "x"}}, {}, False),
            ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ],
    )
    def test_says_the_same(self, one: Resource, other: Resource, same: bool) -> None:
        assert resources.says_the_same(one, other) is same


class TestLabels:
    def test_version_and_index_rows_carry_the_patient(self, shelf: Shelf) -> None:
        shelf.put(PATIENT, goal("g", "Patient/p"))

        expected = {key_of("Patient/p")}
        with shelf.database.read() as session:
            for table in (tables.resources, tables.resource_versions, tables.index_references):
                found = session.execute(sa.select(table.c.patient_key)).scalars()
                assert set(found) == expected

    def test_several_patients_are_all_kept(self, shelf: Shelf) -> None:
        group = {
            "resourceType": "Provenance",
            "id": "x",
            "target": [{"reference": "Patient/a"}, {"reference": "Patient/b"}],
        }
        shelf.put(group)

        with shelf.database.read() as session:
            kept = session.execute(sa.select(tables.resource_patients.c.patient_key)).scalars()
            assert set(kept) == {key_of("Patient/a"), key_of("Patient/b")}
            assert session.execute(sa.select(tables.resources.c.patient_key)).scalar() == -1

    def test_keys_are_the_same_everywhere(self) -> None:
        assert key_of("Patient/p") == 6630586475809064281
        assert key_of("") == patient_key_of(frozenset()) == 0


class TestIntegrity:
    def test_referrers_are_named_until_they_change(self, shelf: Shelf) -> None:
        shelf.put(PATIENT, goal("g", "Patient/p"))
        with shelf.database.read() as session:
            assert integrity.referrers(session, shelf.custodian_id, "Patient/p") == ["Goal/g"]

        shelf.put(goal("g", "Patient/q"))

        with shelf.database.read() as session:
            assert integrity.referrers(session, shelf.custodian_id, "Patient/p") == []

    def test_dangling_references_are_found(self, shelf: Shelf) -> None:
        shelf.put(goal("g", "Patient/p"))

        with shelf.database.read() as session:
            current = resources.read(session, shelf.custodian_id, "Goal", "g")
            assert current is not None
            assert integrity.dangling(session, [current.key]) == {
                current.key: {key_of("Patient/p")}
            }


class TestReindex:
    def test_derived_rows_are_rebuilt_as_they_were(self, shelf: Shelf) -> None:
        derived = (*search_index.TABLES, tables.local_references, tables.resource_patients)
        for number in range(5):
            shelf.put({**PATIENT, "id": f"p{number}"}, goal(f"g{number}", f"Patient/p{number}"))
        shelf.delete("Goal", "g3")
        with shelf.database.read() as session:
            before = [rows(session, table) for table in derived]
        with shelf.database.transaction() as session:
            for table in derived:
                session.execute(sa.delete(table))
        reported: list[int] = []

        done = reindex(shelf.database, shelf.circumstances(), report=reported.append)

        assert done == 10
        assert reported[-1] == 10
        with shelf.database.read() as session:
            assert [rows(session, table) for table in derived] == before
