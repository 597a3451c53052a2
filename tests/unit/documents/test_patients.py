"""Patients from outside who may be ours: linked by equal identifiers, else by a person."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.cli.patient import command
from fhirbridge.config import Settings
from fhirbridge.documents import patients, stored
from fhirbridge.errors import InvalidContent, NotFound
from fhirbridge.fhir import wire
from fhirbridge.storage import resources
from fhirbridge.storage.patient_links import PatientLink
from tests.unit.documents.desk import document, later

PERSON = document("enrollment")["patient"]
OTHER = "from-outside"


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    built = bridges.build(Settings(database_url=f"sqlite:///{tmp_path}/patients.db"))
    yield built
    built.close()


@pytest.fixture
def ours(bridge: Bridge) -> str:
    """The id of the patient of our enrollment."""
    data = wire.parse(wire.dump(document("enrollment")))
    return stored.accept(bridge, "enrollment", data).received.patient.partition("/")[2]


def arrive(bridge: Bridge, *, identity: str = OTHER, **elements: Any) -> None:
    """A Patient from an EHR, with the name and birth date of ours unless told otherwise."""
    patient = {
        "resourceType": "Patient",
        "name": [{"family": PERSON["name"]["family"].upper(), "given": PERSON["name"]["given"]}],
        "birthDate": PERSON["birthDate"],
        **elements,
    }
    kept = {name: value for name, value in patient.items() if value is not None}
    with bridge.database.transaction() as session:
        circumstances = stored.circumstances_of(bridge)
        resources.create(session, circumstances, kept, resource_id=identity)


def read(bridge: Bridge, patient_id: str) -> dict[str, Any]:
    with bridge.database.read() as session:
        version = resources.read(session, bridge.custodian.id, "Patient", patient_id)
    assert version is not None
    return wire.parse(version.content)


def links(bridge: Bridge, patient_id: str) -> list[str]:
    return [one["other"]["reference"] for one in read(bridge, patient_id).get("link", [])]


def told(found: list[PatientLink]) -> list[tuple[str, str, str]]:
    return [(one.patient_id, one.other_id, one.state) for one in found]


class TestLooking:
    def test_equal_identifier_links(self, bridge: Bridge, ours: str) -> None:
        identifier = read(bridge, ours)["identifier"][0]
        arrive(bridge, identifier=[{k: identifier[k] for k in ("system", "value")}], birthDate=None)

        found = patients.look(bridge)

        assert told(found) == [(ours, OTHER, "linked")]
        assert links(bridge, ours) == [f"Patient/{OTHER}"]
        assert links(bridge, OTHER) == [f"Patient/{ours}"]

    @pytest.mark.parametrize(
        "elements",
        [
            {},
            {"name": None, "telecom": [{"system": "phone", "value": PERSON["phone"]}]},
            {"identifier": [{"system": "urn:other", "value": PERSON["mrn"]}]},
        ],
        ids=["name and birth date", "phone and birth date", "value of another system"],
    )
    def test_likeness_is_a_candidate_only(
        self, bridge: Bridge, ours: str, elements: dict[str, Any]
    ) -> None:
        arrive(bridge, **elements)

        found = patients.look(bridge)

        assert told(found) == [(ours, OTHER, "candidate")]
        assert links(bridge, ours) == links(bridge, OTHER) == []

    @pytest.mark.parametrize(
        "elements",
        [
            {"birthDate": "1991-08-15"},
            {"birthDate": "1991"},
            {"birthDate": None},
            {"name": [{"family": PERSON["name"]["family"], "given": ["Twin"]}]},
            {"name": None},
        ],
        ids=["other day", "year only", "no birth date", "twin", "no name"],
    )
    def test_too_little_is_nothing(
        self, bridge: Bridge, ours: str, elements: dict[str, Any]
    ) -> None:
        arrive(bridge, **elements)

        assert patients.look(bridge) == []

    def test_two_patients_from_outside_are_not_ours_to_compare(self, bridge: Bridge) -> None:
        arrive(bridge, identity="one")
        arrive(bridge, identity="two")

        assert patients.look(bridge) == []


class TestDeciding:
    @pytest.fixture(autouse=True)
    def candidate(self, bridge: Bridge, ours: str) -> None:
        arrive(bridge)
        patients.look(bridge)

    def test_person_links_and_takes_it_back(self, bridge: Bridge, ours: str) -> None:
        before = read(bridge, ours)
        patients.link(bridge, OTHER, ours, by="c.doe")
        assert links(bridge, ours) == [f"Patient/{OTHER}"]

        decided = patients.unlink(bridge, ours, OTHER, by="c.doe")

        assert (decided.state, decided.decided_by) == ("separate", "c.doe")
        assert {**read(bridge, ours), "meta": 0} == {**before, "meta": 0}
        assert links(bridge, OTHER) == []

    def test_what_was_decided_is_not_proposed_again(self, bridge: Bridge, ours: str) -> None:
        patients.unlink(bridge, ours, OTHER, by="c.doe")

        assert told(patients.look(bridge)) == [(ours, OTHER, "separate")]

    def test_link_survives_the_next_version_of_the_document(
        self, bridge: Bridge, ours: str
    ) -> None:
        patients.link(bridge, ours, OTHER, by="c.doe")
        newer = later(document("enrollment"), patient={**PERSON, "language": "es"})

        stored.accept(bridge, "enrollment", wire.parse(wire.dump(newer)))

        assert links(bridge, ours) == [f"Patient/{OTHER}"]

    def test_patient_must_exist(self, bridge: Bridge, ours: str) -> None:
        with pytest.raises(NotFound):
            patients.link(bridge, ours, "nobody", by="c.doe")
        with pytest.raises(InvalidContent):
            patients.link(bridge, ours, ours, by="c.doe")

    def test_commands(self, bridge: Bridge, ours: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FHIRBRIDGE_DATABASE_URL", bridge.settings.database_url)
        run = CliRunner().invoke

        listed = json.loads(run(command, ["candidates", "--json"]).stdout)
        linked = run(command, ["link", f"Patient/{ours}", OTHER, "--by", "c.doe"]).stdout
        shown = run(command, ["candidates"]).stdout
        taken_back = run(command, ["unlink", ours, f"Patient/{OTHER}", "--by", "c.doe"]).stdout

        assert [one["state"] for one in listed] == ["candidate"]
        assert linked == f"Patient/{ours} Patient/{OTHER} linked\n"
        assert "same name and birth date" in shown
        assert PERSON["name"]["family"] not in shown
        assert taken_back.endswith("separate\n")
