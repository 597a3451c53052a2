"""Every row of 42 CFR Part 2 that software can carry: rule -> what is decided."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fhirbridge.consent.classes import CLASSES, COUNSELING_NOTES
from fhirbridge.consent.decision import Permit, Withhold, decide
from fhirbridge.consent.disclosure import Disclosure
from fhirbridge.consent.labels import Labels
from fhirbridge.consent.policy import load_policy
from fhirbridge.consent.recipient import Recipient
from fhirbridge.consent.written import WrittenConsent
from fhirbridge.errors import Misconfigured
from fhirbridge.jsontypes import JsonObject
from tests.unit.consent.support import (
    ADULT,
    CLINIC,
    MINOR,
    PAYER,
    POLICY,
    SISTER,
    asked,
    consent,
    deny,
    policy,
    written,
)

TPO = consent()
RELEASE = consent(kind="release", recipients=("Springfield Example Clinic",), purposes=("TREAT",))
FAMILY = consent(
    kind="family",
    recipients=("Ann Example (sister)",),
    purposes=("SUPNWK",),
    classes=("appointments",),
)
NOTES = consent(
    kind="sud-counseling-notes",
    recipients=("Springfield Example Clinic",),
    purposes=("TREAT",),
    classes=("notes", "counseling-notes"),
)
EMERGENCY = {"purpose": "ETREAT", "reason": "unconscious", "actor": "Dr. E, Example ER"}
STRANGER = Recipient(name="Somebody Else Hospital", classes=("TREATER",))


def codes(decision: Permit | Withhold) -> set[str]:
    return {reason.code for reason in decision.reasons}


def without(name: str) -> JsonObject:
    """The TPO consent without one element."""
    provision = {key: value for key, value in TPO["provision"].items() if key != name}
    return {**{key: value for key, value in TPO.items() if key != name}, "provision": provision}


# id of the row in domain.md section 3, what is asked, of which consents -> what is decided
PERMITTED: dict[str, tuple[Disclosure, list[WrittenConsent]]] = {
    "2 a complete consent names the recipient": (asked(), [written(RELEASE)]),
    "2 event instead of a date": (
        asked(),
        [
            written(
                consent(
                    kind="release",
                    recipients=("springfield  example CLINIC",),
                    purposes=("TREAT",),
                    provision={
                        **RELEASE["provision"],
                        "period": {
                            "extension": [
                                {"url": "x/StructureDefinition/expires-event", "valueString": "e"}
                            ]
                        },
                    },
                )
            )
        ],
    ),
    "4 TPO by class, treating provider": (asked(), [written(TPO)]),
    "4 TPO by class, payer": (asked(recipient=PAYER, purpose="HPAYMT"), [written(TPO)]),
    "4 TPO needs no end": (asked(), [written(without("period"))]),
    "4 coordination of care is treatment": (asked(purpose="COC"), [written(TPO)]),
    "10 progress summary": (
        asked("progress"),
        [written(consent(classes=("progress-summary",)))],
    ),
    "11 counseling notes by their own consent": (asked(COUNSELING_NOTES), [written(NOTES)]),
    "12 before the revocation": (
        asked(at=datetime(2026, 2, 1, tzinfo=UTC)),
        [written(TPO, ended_at=datetime(2026, 3, 1, tzinfo=UTC))],
    ),
    "14 emergency without consent": (asked(**EMERGENCY), []),
    "14 emergency despite a restriction": (asked(**EMERGENCY), [written(deny())]),
    "18 another class is restricted": (
        asked(),
        [written(TPO), written(deny(**{"class": [{"code": "labs"}]}))],
    ),
    "19 minor and parent signed together": (
        asked(birth_date=MINOR),
        [written(consent(roles=("patient", "parent")))],
    ),
    "19 minor and parent signed apart": (
        asked(birth_date=MINOR),
        [
            written(TPO),
            written(
                consent(id="c2", roles=("guardian",)),
                confirmed=frozenset({"signer-authority"}),
            ),
        ],
    ),
    "19 adult signs alone": (asked(birth_date=ADULT), [written(TPO)]),
    "20 guardian with proof": (
        asked(),
        [written(consent(roles=("guardian",), sourceReference={"reference": "Contract/1"}))],
    ),
    "5 attested consent from elsewhere": (asked(), [written(TPO, origin="attested")]),
    "directory": (asked("directory"), []),
    "family sees appointments": (
        asked("appointments", recipient=SISTER, purpose="SUPNWK"),
        [written(FAMILY)],
    ),
    "7 the consent that permits": (asked("consent", reference="Consent/c1"), [written(TPO)]),
    "labels within the permit": (
        asked(labels=Labels("R", frozenset({"SUD", "42CFRPart2"}))),
        [
            written(
                consent(
                    provision={
                        **TPO["provision"],
                        "securityLabel": [{"code": "SUD"}, {"code": "PSY"}],
                    }
                )
            )
        ],
    ),
}

WITHHELD: dict[str, tuple[Disclosure, list[WrittenConsent], str]] = {
    "1 nothing is signed": (asked(), [], "no-consent"),
    "1 identity too": (asked("identity"), [], "no-consent"),
    "2 status": (asked(), [written(consent(status="proposed"))], "consent-status"),
    "2 no recipients": (asked(), [written(without("actor"))], "consent-incomplete"),
    "2 no purpose": (asked(), [written(without("purpose"))], "consent-incomplete"),
    "2 no description": (asked(), [written(without("class"))], "consent-incomplete"),
    "2 no signature": (asked(), [written(without("performer"))], "consent-incomplete"),
    "2 no date": (asked(), [written(without("dateTime"))], "consent-incomplete"),
    "2 no discloser": (asked(), [written(without("organization"))], "consent-incomplete"),
    "3 no statements": (asked(), [written(without("extension"))], "consent-incomplete"),
    "4 not in the class": (
        asked(recipient=SISTER, purpose="TREAT"),
        [written(TPO)],
        "not-covered-actor",
    ),
    "4 not for this purpose": (asked(purpose="PATRQT"), [written(TPO)], "not-covered-purpose"),
    "5 not attested": (asked(), [written(TPO, origin="other")], "consent-not-attested"),
    "9 proceedings": (asked(purpose="HLEGAL"), [written(TPO)], "purpose-never"),
    "9 combined with proceedings": (
        asked(),
        [written(consent(purposes=("TREAT", "HPAYMT", "HOPERAT", "HLEGAL")))],
        "consent-incomplete",
    ),
    "9 a consent to proceedings": (
        asked(),
        [written(consent(kind="legal-proceedings", purposes=("TREAT",)))],
        "consent-kind",
    ),
    "10 class": (asked("labs"), [written(TPO)], "not-covered-class"),
    "10 one of two classes": (asked("labs+medications"), [written(TPO)], "not-covered-class"),
    "10 what no class names": (asked("other"), [written(TPO)], "not-covered-class"),
    "11 not by TPO": (asked(COUNSELING_NOTES), [written(TPO)], "counseling-notes"),
    "11 not by `notes`": (
        asked(COUNSELING_NOTES),
        [written(consent(classes=(*CLASSES, "counseling-notes")))],
        "counseling-notes",
    ),
    "11 the notes' consent covers nothing else": (
        asked("notes"),
        [written(NOTES)],
        "counseling-notes",
    ),
    "11 combined": (
        asked(COUNSELING_NOTES),
        [written(consent(kind="sud-counseling-notes", classes=("counseling-notes",)))],
        "consent-incomplete",
    ),
    "12 revoked": (
        asked(),
        [written(TPO, ended_at=datetime(2026, 3, 1, tzinfo=UTC))],
        "consent-revoked",
    ),
    "12 revoked in the resource": (
        asked(),
        [
            written(
                consent(
                    extension=[
                        *TPO["extension"],
                        {
                            "url": "x/StructureDefinition/revoked-at",
                            "valueDateTime": "2026-05-01T00:00:00Z",
                        },
                    ]
                )
            )
        ],
        "consent-revoked",
    ),
    "13 expired": (
        asked(at=datetime(2027, 2, 1, tzinfo=UTC)),
        [written(TPO)],
        "consent-expired",
    ),
    "13 not signed yet": (
        asked(at=datetime(2025, 2, 1, tzinfo=UTC)),
        [written(TPO)],
        "consent-not-yet",
    ),
    "13 verification failed": (
        asked(),
        [written(consent(verification=[{"verified": False}]))],
        "consent-unreadable",
    ),
    "13 another scope": (
        asked(),
        [written(consent(scope={"coding": [{"code": "research"}]}))],
        "consent-unreadable",
    ),
    "14 no reason": (asked(**{**EMERGENCY, "reason": " "}), [], "emergency-reason"),
    "14 no actor": (asked(**{**EMERGENCY, "actor": ""}), [], "emergency-actor"),
    "14 not medical": (asked(**EMERGENCY, recipient=PAYER), [], "emergency-recipient"),
    "14 counseling notes": (asked(COUNSELING_NOTES, **EMERGENCY), [], "counseling-notes"),
    "15 audit": (asked(purpose="HACCRED"), [written(TPO)], "purpose-on-premises"),
    "16 research": (asked(purpose="HRESCH"), [written(TPO)], "purpose-never"),
    "18 restriction": (asked(), [written(TPO), written(deny())], "denied"),
    "18 restriction from elsewhere": (
        asked(),
        [written(TPO), written(deny(), origin="other")],
        "denied",
    ),
    "18 restriction in terms unknown": (
        asked(),
        [written(TPO), written(deny(**{"class": [{"code": "secrets"}]}))],
        "denied-unclear",
    ),
    "19 minor alone": (asked(birth_date=MINOR), [written(TPO)], "minor-signature"),
    "19 parent alone": (
        asked(birth_date=MINOR),
        [written(consent(roles=("parent",)))],
        "minor-signature",
    ),
    "19 no view for parents": (
        asked(recipient=Recipient("A Parent", classes=("PARENT",)), birth_date=MINOR),
        [written(consent(recipients=("A Parent",), roles=("parent",)))],
        "minor-signature",
    ),
    "19 a parent signed for an adult": (
        asked(birth_date=ADULT),
        [written(consent(roles=("parent",)))],
        "minor-signature",
    ),
    "20 guardian without proof": (
        asked(),
        [written(consent(roles=("guardian",)))],
        "consent-incomplete",
    ),
    "22 a notice that was read": (
        asked(),
        [written(consent(kind="notice-acknowledgment"))],
        "consent-kind",
    ),
    "24 fundraising": (asked(purpose="FUNDRAISING"), [written(TPO)], "purpose-never"),
    "7 another consent": (
        asked("consent", reference="Consent/c9"),
        [written(TPO)],
        "other-consent",
    ),
    "labels above the permit": (
        asked(labels=Labels("R", frozenset({"SUD", "HIV"}))),
        [written(consent(provision={**TPO["provision"], "securityLabel": [{"code": "SUD"}]}))],
        "not-covered-securityLabel",
    ),
    "a nested exception": (
        asked(),
        [
            written(
                consent(
                    provision={
                        **TPO["provision"],
                        "provision": [{"type": "deny", "class": [{"code": "medications"}]}],
                    }
                )
            )
        ],
        "denied",
    ),
}


@pytest.mark.parametrize("case", PERMITTED.values(), ids=PERMITTED.keys())
def test_what_is_permitted(case: tuple[Disclosure, list[WrittenConsent]]) -> None:
    decision = decide(case[1], case[0], POLICY)

    assert isinstance(decision, Permit), decision


@pytest.mark.parametrize("case", WITHHELD.values(), ids=WITHHELD.keys())
def test_what_is_withheld(case: tuple[Disclosure, list[WrittenConsent], str]) -> None:
    decision = decide(case[1], case[0], POLICY)

    assert isinstance(decision, Withhold)
    assert case[2] in codes(decision)
    assert all(reason.text and reason.change for reason in decision.reasons)


def test_a_reason_names_consent_provision_and_class() -> None:
    decision = decide([written(TPO)], asked("labs"), POLICY)

    reason = decision.reasons[0]
    assert (reason.consent, reason.provision, reason.detail) == (
        "Consent/c1",
        "Consent.provision",
        "labs",
    )


def test_an_exception_may_permit_what_is_denied_around_it() -> None:
    only = consent(
        provision={"type": "deny", "provision": [{**TPO["provision"], "type": "permit"}]}
    )

    assert isinstance(decide([written(only)], asked(), POLICY), Permit)
    assert isinstance(decide([written(only)], asked(recipient=SISTER), POLICY), Withhold)


@pytest.mark.parametrize(
    ("disclosure", "expected"),
    [
        (asked(), "hipaa"),
        (asked(recipient=Recipient("C", classes=("TREATER", "PART2"))), "consent"),
        (asked(recipient=Recipient("P", classes=("PAYOR",)), purpose="HPAYMT"), "contractors"),
        (asked(recipient=STRANGER), "none"),
    ],
    ids=["8 covered entity", "8 Part 2 program", "8 lawful holder", "8 anybody else"],
)
def test_redisclosure_depends_on_the_recipient(disclosure: Disclosure, expected: str) -> None:
    decision = decide([written(TPO)], disclosure, POLICY)

    assert isinstance(decision, Permit)
    assert decision.redisclosure == expected


def test_other_programs_may_disclose_for_treatment_without_consent() -> None:
    elsewhere = policy(is_part2=False)

    assert isinstance(decide([], asked(), elsewhere), Permit)
    assert isinstance(decide([written(deny())], asked(), elsewhere), Withhold)
    assert isinstance(decide([], asked(COUNSELING_NOTES), elsewhere), Withhold)
    assert isinstance(decide([], asked(purpose="SUPNWK"), elsewhere), Withhold)


def test_a_purpose_of_the_clinic_is_not_one_of_the_family() -> None:
    assert isinstance(decide([written(FAMILY)], asked("appointments"), POLICY), Withhold)
    assert isinstance(
        decide([written(FAMILY)], asked("medications", recipient=SISTER, purpose="SUPNWK"), POLICY),
        Withhold,
    )


def test_organizations_are_known_by_identifier_and_by_reference() -> None:
    npi = ("http://hl7.org/fhir/sid/us-npi", "1234567893")
    clinic = Recipient("Another Name", identifiers=(npi,))
    by_reference = consent(
        provision={
            **TPO["provision"],
            "actor": [{"reference": {"reference": "Organization/o9"}}],
        }
    )
    known = {"Organization/o9": Recipient("Example", identifiers=(npi,))}

    found = decide([written(by_reference)], asked(recipient=clinic, recipients=known), POLICY)
    missed = decide([written(by_reference)], asked(recipient=CLINIC, recipients=known), POLICY)

    assert isinstance(found, Permit)
    assert isinstance(missed, Withhold)


def test_a_rule_about_minors_says_where_it_was_read(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    rule: JsonObject = {"majority": 18, "alone_from": 14}
    read = {"source": "740 ILCS 110/4", "as_of": "2026-01-01"}

    for sound in (False, True):
        file.write_text(json.dumps({"minors": {"IL": {**rule, **(read if sound else {})}}}))
        load_policy.cache_clear()
        if sound:
            assert load_policy(file, state="IL").minor_rule.alone_from == 14
        else:
            with pytest.raises(Misconfigured, match="minors"):
                load_policy(file)
