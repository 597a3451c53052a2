"""Matching of ranges: dates, numbers, quantities, and composites of them."""

import pytest

from tests.unit.storage.shelf import Shelf, patient, plan


class TestDate:
    """Five plans: a day, a month, an open end, an open beginning, an instant."""

    @pytest.fixture(autouse=True)
    def plans(self, shelf: Shelf) -> None:
        shelf.put(plan("a", period={"start": "2026-05-10", "end": "2026-05-10"}))
        shelf.put(plan("b", period={"start": "2026-05", "end": "2026-05"}))
        shelf.put(plan("c", period={"start": "2026-05-10"}))
        shelf.put(plan("d", period={"end": "2026-05-09"}))
        moment = "2026-05-10T23:30:00-07:00"
        shelf.put(plan("e", period={"start": moment, "end": moment}))
        shelf.put(plan("f"))

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("date=2026-05-10", "a"),
            ("date=2026-05-11", "e"),
            ("date=2026-05", "abe"),
            ("date=2026", "abe"),
            ("date=ne2026-05", "cd"),
            ("date=gt2026-05-10", "bce"),
            ("date=ge2026-05-10", "abce"),
            ("date=lt2026-05-10", "bd"),
            ("date=le2026-05-10", "abcd"),
            ("date=sa2026-05-10", "e"),
            ("date=eb2026-05-10", "d"),
            ("date=ap2026-05-10", "abcde"),
            ("date=2026-05-11T02:30", "e"),
            ("date=2026-05-11T06:30:00Z", "e"),
            ("date=2026-05-11T06:30:00 00:00", "e"),
            ("date:missing=true", "f"),
            ("date=ge2026-05-10&date=lt2026-05-11", "abc"),
        ],
    )
    def test_finds(self, shelf: Shelf, text: str, expected: str) -> None:
        assert shelf.found("CarePlan", text) == set(expected)

    def test_two_bounds_may_be_met_by_two_values(self, shelf: Shelf) -> None:
        days = ["2026-01-01", "2026-12-31"]
        shelf.put(
            {
                "resourceType": "CarePlan",
                "id": "t",
                "status": "active",
                "intent": "plan",
                "subject": {"reference": "Patient/p1"},
                "activity": [
                    {
                        "detail": {
                            "status": "scheduled",
                            "scheduledPeriod": {"start": day, "end": day},
                        }
                    }
                    for day in days
                ],
            }
        )

        assert shelf.ids("CarePlan", "activity-date=lt2026-03&activity-date=gt2026-06") == ["t"]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("birthdate=ge1980&birthdate=lt1981", "abc"),
            ("birthdate=gt1980-05-10", "acd"),
            ("birthdate=ge1980-05-10", "abcd"),
            ("birthdate=eb1980-05-11", "b"),
            ("birthdate=sa1980-05-10", "d"),
            ("birthdate=lt1980-05-10,gt1981", "acd"),
        ],
    )
    def test_points_have_their_precision(self, shelf: Shelf, text: str, expected: str) -> None:
        dates = {"a": "1980", "b": "1980-05-10", "c": "1980-05", "d": "1982-01-01"}
        shelf.put(*(patient(name, birthDate=date) for name, date in dates.items()))

        assert shelf.found("Patient", text) == set(expected)

    def test_last_updated_is_an_instant(self, shelf: Shelf) -> None:
        assert shelf.ids("CarePlan", "_lastUpdated=gt2026-03-02T12:00:04Z") == ["e", "f"]
        assert shelf.ids("CarePlan", "_lastUpdated=2026-03-02T12:00:04Z") == ["d"]
        assert shelf.ids("CarePlan", "_lastUpdated:missing=true") == []
        between = "_lastUpdated=ge2026-03-02T12:00:02Z&_lastUpdated=lt2026-03-02T12:00:04Z"
        assert shelf.ids("CarePlan", between) == ["b", "c"]


class TestNumberAndQuantity:
    @pytest.fixture(autouse=True)
    def observations(self, shelf: Shelf) -> None:
        ucum = {"system": "http://unitsofmeasure.org", "code": "mg", "unit": "milligram"}
        for name, value in {"a": 99.4, "b": 99.5, "c": 100, "d": 100.4, "e": 100.5}.items():
            shelf.put(
                {
                    "resourceType": "Observation",
                    "id": name,
                    "status": "final",
                    "code": {"coding": [{"code": name}]},
                    "valueQuantity": {"value": value, **ucum},
                }
            )
        open_ended = {"value": 200, "comparator": ">", "unit": "points"}
        shelf.put(
            {
                "resourceType": "Observation",
                "id": "f",
                "status": "final",
                "code": {"text": "score"},
                "valueQuantity": open_ended,
                "component": [
                    {
                        "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
                        "valueQuantity": {"value": 120, **ucum},
                    },
                    {
                        "code": {"coding": [{"system": "http://loinc.org", "code": "8462-4"}]},
                        "valueQuantity": {"value": 80, **ucum},
                    },
                ],
            }
        )
        shelf.put(
            {
                "resourceType": "RiskAssessment",
                "id": "r",
                "status": "final",
                "subject": {"reference": "Patient/p"},
                "prediction": [{"probabilityDecimal": 0.25}],
            }
        )

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("value-quantity=100", "bcd"),
            ("value-quantity=100.0", "c"),
            ("value-quantity=ne100", "aef"),
            ("value-quantity=1e2", "abcde"),
            ("value-quantity=gt100", "def"),
            ("value-quantity=ge100", "cdef"),
            ("value-quantity=lt99.5", "a"),
            ("value-quantity=le99.5", "ab"),
            ("value-quantity=sa100.4", "ef"),
            ("value-quantity=eb99.5", "a"),
            ("value-quantity=ap92", "abcde"),
            ("value-quantity=100|http://unitsofmeasure.org|mg", "bcd"),
            ("value-quantity=100||mg", "bcd"),
            ("value-quantity=100||milligram", "bcd"),
            ("value-quantity=100||kg", ""),
            ("value-quantity=0.100|http://unitsofmeasure.org|g", "bcd"),
            ("value-quantity=0.1000|http://unitsofmeasure.org|g", "c"),
            ("value-quantity=lt99500|http://unitsofmeasure.org|ug", "a"),
            ("value-quantity=100|http://unitsofmeasure.org|mL", ""),
            ("value-quantity=0.0994|http://unitsofmeasure.org|g,300||points", "a"),
            ("component-code-value-quantity=8480-6$0.120|http://unitsofmeasure.org|g", "f"),
            ("value-quantity=gt300||points", "f"),
            ("component-code-value-quantity=8480-6$120", "f"),
            ("component-code-value-quantity=8480-6$80", ""),
            ("component-code-value-quantity=http://loinc.org|8462-4$lt90", "f"),
            ("code-value-quantity=a$99.4", "a"),
            ("code-value-quantity=a$99.5,b$99.5", "b"),
            ("combo-code-value-quantity=c$100", "c"),
            ("combo-code-value-quantity=8462-4$80||mg", "f"),
        ],
    )
    def test_finds(self, shelf: Shelf, text: str, expected: str) -> None:
        assert shelf.found("Observation", text) == set(expected)

    def test_numbers_have_implied_precision(self, shelf: Shelf) -> None:
        assert shelf.ids("RiskAssessment", "probability=0.3") == ["r"]
        assert shelf.ids("RiskAssessment", "probability=0.30") == []
        assert shelf.ids("RiskAssessment", "probability=gt0.2") == ["r"]
