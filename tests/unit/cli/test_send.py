"""`send` at the command line: what the dry run tells, and what is refused."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.consent.recipient import Recipient
from fhirbridge.documents.stored import accept
from fhirbridge.handoffs import partners
from fhirbridge.operations import consents
from fhirbridge.partners.registry import Partner
from tests.unit.cli.running import bundle as made_of
from tests.unit.cli.running import native, run

PLAN = native("aftercare-plan/mother-of-two")
HOSPITAL = Partner(
    "hospital",
    "https://ehr.example.org/fhir",
    recipient=Recipient("Example Hospital", classes=("TREATER",), covered_entity=True),
)


@pytest.fixture
def bridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bridge]:
    url = f"sqlite:///{tmp_path}/p.db"
    monkeypatch.setenv("FHIRBRIDGE_DATABASE_URL", url)
    built = bridges.build(Settings(database_url=url))
    with built.database.transaction() as session:
        partners.save(session, built, HOSPITAL)
    yield built
    built.close()


def test_a_dry_run_after_the_consent_was_revoked_says_that_it_is_refused(bridge: Bridge) -> None:
    received = accept(bridge, "aftercare-plan", json.loads(PLAN.read_bytes())).received
    for reference in received.written:
        if reference.startswith("Consent/"):
            consents.revoke(bridge, reference.removeprefix("Consent/"), by="officer")

    done = run("send", PLAN, "--to", "hospital", "--dry-run")

    assert done.code == 3
    assert "The consent was revoked or has ended." in done.err


def test_a_dry_run_says_to_whom_by_which_consent_and_why_something_stays(bridge: Bridge) -> None:
    done = run("send", PLAN, "--to", "hospital", "--dry-run")
    lines = done.out.decode().splitlines()

    assert done.code == 0
    assert lines[0].startswith("to Example Hospital, for treatment, by Consent/")
    assert "withheld: 1 Observation (progress): The consent does not describe this" in lines[2]
    assert "What would change it: a consent whose description includes it." in lines[2]
    assert "* document" in lines or "* paper" in lines or "* transaction" in lines


def test_a_purpose_that_is_none_is_wrong_usage(bridge: Bridge) -> None:
    done = run("send", PLAN, "--to", "hospital", "--purpose", "TREATMENT")

    assert done.code == 2
    assert "'TREAT'" in done.err


def test_a_bundle_is_no_document(bridge: Bridge) -> None:
    done = run("send", made_of("aftercare-plan/mother-of-two"), "--to", "hospital")

    assert done.code == 1
    assert "convert --reverse" in done.err
