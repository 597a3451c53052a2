"""Dates without a zone are read in the configured one, in the index and in the query alike.

Source: fhir-rest.md section 3 (hours off), R4 search.html#date
"""

import pytest

from fhirbridge.config import Settings
from tests.conformance.support import Api, patient


@pytest.fixture(params=["Etc/GMT+8", "Pacific/Kiritimati"], ids=["-08:00", "+14:00"])
def offset(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def settings(database_url: str, offset: str) -> Settings:
    return Settings(auth="none", database_url=database_url, timezone=offset)


def test_day_is_that_of_the_zone(api: Api, offset: str) -> None:
    sign = "-08:00" if offset == "Etc/GMT+8" else "+14:00"
    subject = {"subject": {"reference": api.created(patient(birthDate="1990-05-01"))}}
    for start in (f"2026-05-01T00:00:00{sign}", f"2026-05-01T23:59:59{sign}", "2026-05-01"):
        plan = {"resourceType": "CarePlan", "status": "active", "intent": "plan", **subject}
        api.created({**plan, "created": start})
        api.created({**plan, "period": {"start": start, "end": start}})

    for date, count in (("2026-05-01", 3), ("2026-04-30", 0), ("2026-05-02", 0), ("2026-05", 3)):
        assert api.total(f"/CarePlan?date={date}") == count
    assert api.total(f"/CarePlan?date=ge2026-05-01T00:00:00{sign}".replace("+", "%2B")) == 3
    assert api.total(f"/CarePlan?date=gt2026-05-01T23:59:59{sign}".replace("+", "%2B")) == 0
    assert api.total("/CarePlan?date=lt2026-05-01") == 0
    assert api.total("/Patient?birthdate=1990-05-01") == 1
