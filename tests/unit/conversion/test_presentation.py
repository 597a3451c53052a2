"""Text and claims: made after mapping, and again whenever a resource changes."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.config import DEFAULT_BASE
from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.mappings import Mappings, load_mappings
from fhirbridge.conversion.model import ToFhir
from fhirbridge.conversion.own_codes import own_codes
from fhirbridge.conversion.presentation import Presentation, Presented
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.conversion.to_native import to_native
from fhirbridge.fhir import wire
from fhirbridge.fhir.validation.profiles import US_CORE
from fhirbridge.mapping.engine_made import bare
from fhirbridge.native import documents
from fhirbridge.workflow.reasons import REASONS
from fhirbridge.workflow.words import REFERRAL

FIXTURES = Path(__file__).parents[3] / "fixtures"
GOAL = {
    "resourceType": "Goal",
    "id": "g",
    "lifecycleStatus": "active",
    "description": {"text": "I stay sober."},
    "subject": {"reference": "urn:uuid:p"},
}
PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"family": "Delgado"}]}
NURSE = {"resourceType": "Practitioner", "id": "n", "name": [{"family": "Okafor"}]}
DRUG = {
    "resourceType": "MedicationRequest",
    "id": "m",
    "medicationCodeableConcept": {"text": "Naltrexone"},
}
PLAN = {
    "resourceType": "CarePlan",
    "id": "c",
    "status": "active",
    "intent": "plan",
    "subject": {"reference": "Patient/p"},
    "author": {"reference": "urn:uuid:n"},
    "goal": [{"reference": "urn:uuid:g"}],
    "activity": [{"reference": {"reference": "MedicationRequest/m"}}],
}
CLAIM = f"{US_CORE}us-core-goal|6.1.0"


def presentation(version: str = "6.1.0") -> Presentation:
    classes = (
        (PATIENT, "identity"),
        (NURSE, "identity"),
        (GOAL, "treatment-plan"),
        (PLAN, "treatment-plan"),
        (DRUG, "medications"),
    )
    resources = [Presented(f"urn:uuid:{r['id']}", r, c) for r, c in classes]
    return Presentation(resources, version)


@cache
def mappings() -> Mappings:
    return load_mappings(base=DEFAULT_BASE)


def converted(case: str, **options: Any) -> ToFhir:
    data = wire.parse((FIXTURES / case / "native.json").read_bytes())
    document = documents.load(documents.kind_of(data), data)
    return to_fhir(document, mappings()[document.kind], Identity(), **options)


class TestText:
    def test_names_resources_of_its_class_and_the_directory_only(self) -> None:
        text = presentation().present(PLAN, "treatment-plan")["text"]["div"]

        assert "I stay sober." in text
        assert "Okafor" in text
        assert "Naltrexone" not in text
        assert "Delgado" not in text

    def test_says_what_the_resource_says_now(self) -> None:
        before = presentation().present(GOAL, "treatment-plan")

        after = presentation().present({**before, "lifecycleStatus": "cancelled"}, "treatment-plan")

        assert "cancelled" in after["text"]["div"]
        assert "active" not in after["text"]["div"]

    def test_of_somebody_else_stays_only_when_asked(self) -> None:
        theirs = {"status": "additional", "div": "<div>by hand</div>"}

        kept = presentation().present({**GOAL, "text": theirs}, "", keep_text=True)
        replaced = presentation().present({**GOAL, "text": theirs}, "")

        assert kept["text"] == theirs
        assert replaced["text"]["status"] == "generated"

    def test_comes_with_every_resource_of_every_document(self) -> None:
        for kind in documents.KINDS:
            bundle = converted(f"{kind}/maximal").bundle
            assert all(entry["resource"]["text"]["div"] for entry in bundle["entry"])


class TestClaims:
    def test_version_is_that_of_the_setting(self) -> None:
        made = presentation("9.0.0").present(GOAL, "")

        assert made["meta"]["profile"] == [f"{US_CORE}us-core-goal|9.0.0"]

    def test_none_are_made_if_nobody_wants_them(self) -> None:
        assert "meta" not in presentation("none").present(GOAL, "")

    def test_resource_that_fails_one_version_claims_nothing(self) -> None:
        made = presentation("9.0.0").present({**GOAL, "subject": {"reference": "Group/g"}}, "")

        assert "meta" not in made

    def test_claims_of_others_stay_and_ours_are_made_anew(self) -> None:
        foreign = "https://elsewhere.example/goal"
        claims = [f"{US_CORE}us-core-goal|7.0.0", foreign]

        made = presentation().present({**GOAL, "meta": {"profile": claims, "source": "x"}}, "")

        assert made["meta"] == {"profile": [foreign, CLAIM], "source": "x"}


class TestBare:
    def test_takes_off_what_presenting_put_on(self) -> None:
        assert bare(presentation().present(GOAL, "")) == GOAL

    @pytest.mark.parametrize(
        "theirs",
        [
            {"text": {"status": "additional", "div": "<div>x</div>"}},
            {"text": {"status": "generated", "div": "<div>x</div>", "id": "a"}},
            {"meta": {"profile": ["https://elsewhere.example/goal"]}},
        ],
        ids=["narrative with more", "narrative with an id", "foreign claim"],
    )
    def test_leaves_what_others_made(self, theirs: Any) -> None:
        assert bare({**GOAL, **theirs}) == {**GOAL, **theirs}


class TestDecode:
    def test_does_not_list_our_text_and_claims(self) -> None:
        made = converted("aftercare-plan/minimal")

        result = to_native(made.bundle, mappings()["aftercare-plan"])

        assert [i for i in result.issues if i.severity != "information"] == []

    @pytest.mark.parametrize(
        ("change", "place"),
        [
            ({"text": {"status": "additional", "div": "<div>x</div>"}}, "CarePlan.text"),
            ({"meta": {"profile": ["https://x.example/p"]}}, "CarePlan.meta.profile"),
        ],
    )
    def test_lists_text_and_claims_of_others(self, change: Any, place: str) -> None:
        bundle = converted("aftercare-plan/minimal").bundle
        plan = next(
            entry["resource"]
            for entry in bundle["entry"]
            if entry["resource"]["resourceType"] == "CarePlan"
        )
        plan.update(change)

        result = to_native(bundle, mappings()["aftercare-plan"])

        found = {path.partition("[")[0] for issue in result.issues for path in issue.expression}
        assert place in found


def test_lineage_names_the_engine_as_the_maker() -> None:
    made = converted("aftercare-plan/minimal", explain=True)

    rules = {(e.path.partition("[")[0], e.rule, e.native) for e in made.lineage}

    assert ("CarePlan.text.div", "narrative", "") in rules
    assert ("CarePlan.text.status", "narrative", "") in rules
    assert ("CarePlan.meta.profile", "profile", "") in rules


class TestOwnCodes:
    def test_closed_and_open_systems_are_told_apart(self) -> None:
        own = own_codes(mappings())

        assert own.accepts(f"{own.prefix}sex", "female")
        assert not own.accepts(f"{own.prefix}sex", "no-such-code")
        assert own.accepts(f"{own.prefix}modality", "something-new")
        assert not own.accepts(f"{own.prefix}no-such-system", "x")

    def test_codes_of_the_engine_are_known(self) -> None:
        own = own_codes(mappings())
        statuses = [row.business_status for row in REFERRAL.values()]
        written = [
            ("document-state", "withdrawn"),
            ("tag", "sandbox"),
            ("tag", "probe"),
            ("task-parameter", "visit"),
            ("task-parameter", "outcome-summary"),
            *(("referral-answer-reason", reason) for reason in REASONS),
            *(("referral-status", one[3:]) for one in statuses if one.startswith("fb:")),
        ]

        refused = [one for one in written if not own.accepts(f"{own.prefix}{one[0]}", one[1])]

        assert refused == []
