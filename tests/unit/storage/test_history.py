"""History of many resources: which versions, and at what price."""

from datetime import timedelta

import pytest

from fhirbridge.storage import history
from fhirbridge.storage.history import Place, Span
from tests.unit.storage.plans import explain
from tests.unit.storage.shelf import NOW, Shelf, patient, plan


@pytest.fixture
def filled(shelf: Shelf) -> Shelf:
    """Six versions, one second apart, of three resources."""
    shelf.put(patient("p1"), plan("a"), plan("b"))
    shelf.put(plan("a", description="x"), patient("p1", active=True))
    shelf.delete("CarePlan", "b")
    return shelf


def seqs(shelf: Shelf, place: Place, **span: object) -> list[int]:
    with shelf.database.read() as session:
        found = history.versions(session, place, count=9, span=Span(**span))  # type: ignore[arg-type]
        assert history.total(session, place, span=Span(**span)) == len(found)  # type: ignore[arg-type]
    return [version.seq for version in found]


def test_newest_first_on_every_level(filled: Shelf) -> None:
    own = filled.custodian_id

    assert seqs(filled, Place(own)) == [6, 5, 4, 3, 2, 1]
    assert seqs(filled, Place(own, "CarePlan")) == [6, 4, 3, 2]
    assert seqs(filled, Place(own, "CarePlan", "a")) == [4, 2]
    assert seqs(filled, Place(own, "Goal")) == []
    assert seqs(filled, Place(own + 1)) == []


@pytest.mark.parametrize(("seconds", "expected"), [(0, 6), (1, 6), (5, 2), (6, 1), (7, 0)])
def test_since(filled: Shelf, seconds: int, expected: int) -> None:
    since = NOW + timedelta(seconds=seconds)

    assert len(seqs(filled, Place(filled.custodian_id), since=since)) == expected


def test_since_finds_what_was_written_while_the_clock_was_back(filled: Shelf) -> None:
    filled.written = -10
    filled.put(patient("p2"))
    since = NOW + timedelta(seconds=6)
    filled.written = 20
    filled.put(patient("p3"))

    assert seqs(filled, Place(filled.custodian_id), since=since) == [8, 6]


def test_newest(filled: Shelf) -> None:
    with filled.database.read() as session:
        newest = history.newest(session, Place(filled.custodian_id, "Patient"))
        assert history.newest(session, Place(filled.custodian_id, "Goal")) is None

    assert newest is not None
    assert (newest.seq, newest.last_updated) == (5, NOW + timedelta(seconds=5))


@pytest.mark.parametrize("level", ["system", "type"])
@pytest.mark.parametrize("statement", ["page", "total", "newest"])
def test_no_level_sorts_all_versions_for_a_page(filled: Shelf, level: str, statement: str) -> None:
    prepared = getattr(history._LEVELS[level], statement)
    with filled.database.read() as session:
        sql, names = prepared.on(session.connection.dialect)
        words = " ".join(explain(session, sql, [1] * len(names)))

    assert "TEMP B-TREE" not in words
    assert "Sort" not in words
    # PostgreSQL may count the few rows here by either index.
    if filled.dialect == "sqlite":
        assert ("ix_versions_type" in words) == (level == "type")
