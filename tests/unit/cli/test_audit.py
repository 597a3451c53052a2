"""`audit` at the command line: who was told what about whom, for people."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.documents.stored import accept
from fhirbridge.storage import audit
from fhirbridge.storage.keys import key_of
from tests.unit.cli.running import native, run

PLAN = native("aftercare-plan/mother-of-two")


@pytest.fixture
def bridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bridge]:
    url = f"sqlite:///{tmp_path}/p.db"
    monkeypatch.setenv("FHIRBRIDGE_DATABASE_URL", url)
    built = bridges.build(Settings(database_url=url))
    yield built
    built.close()


@pytest.fixture
def patient(bridge: Bridge) -> str:
    """A patient of whom an emergency was told, beside a code system that is nobody's."""
    name = accept(bridge, "aftercare-plan", json.loads(PLAN.read_bytes())).received.patient
    told = {"recipient": "Mercy Health", "purpose": "ETREAT", "reason": "r", "actor": "Dr. Roe"}
    entries = [
        ("emergency", frozenset({key_of(name)}), told | {"resources": [name]}),
        ("permit", frozenset(), told | {"resources": ["CodeSystem/a"]}),
    ]
    with bridge.database.transaction() as session:
        made = [
            audit.event(
                bridge.custodian.id,
                recorded_at=bridge.now(),
                action="read",
                decision=decision,
                patient_keys=keys,
                entry=entry,
            )
            for decision, keys, entry in entries
        ]
        audit.append(session, tuple(made))
    return name


def test_an_emergency_is_reviewed_by_who_asked_for_whom_and_why(patient: str) -> None:
    [_, row] = run("audit", "reviews").out.decode().splitlines()

    assert all(word in row for word in ("Mercy Health", "Dr. Roe", patient, "1 Patient"))


def test_a_breach_lists_the_patients_and_nothing_that_is_nobodys(patient: str) -> None:
    [_, row] = run("audit", "breach", "--since", "2020-01-01").out.decode().splitlines()

    assert patient in row
    assert "CodeSystem" not in row


def test_an_accounting_for_nobody_says_so(patient: str) -> None:
    number = json.loads(PLAN.read_bytes())["patient"]["mrn"]

    found = run("audit", "accounting", "--patient", number, "--json")
    nobody = run("audit", "accounting", "--patient", "PL-0")

    assert [each["recipient"] for each in found.json] == ["Mercy Health"]
    assert "No patient with this id or identifier is stored." in nobody.err


@pytest.mark.parametrize("option", ["--since", "--until"])
def test_a_time_that_cannot_be_read_names_its_option(bridge: Bridge, option: str) -> None:
    done = run("audit", "breach", "--since", "2020-01-01", option, "yesterday")

    assert done.code == 2
    assert option in done.err
    assert "2026-04-01" in done.err
