"""What holds for all consents: order never matters, a deny never widens, nothing is random."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fhirbridge.consent.classes import CLASSES
from fhirbridge.consent.decision import Permit, decide
from fhirbridge.consent.labels import CONFIDENTIALITY, Labels
from fhirbridge.consent.provisions import RESOURCE_TYPES
from fhirbridge.consent.recipient import Recipient
from fhirbridge.fhir.primitives import Bounds
from fhirbridge.jsontypes import JsonObject
from tests.unit.consent.support import ADULT, CLINIC, MINOR, NOW, POLICY, asked, consent, written

_NAMES = st.sampled_from(["treating-providers", "health-plans", CLINIC.name, "Other Clinic"])
_PURPOSES = st.sampled_from(["TREAT", "HPAYMT", "HOPERAT", "COC", "SUPNWK", "ETREAT"])
_CLASSES = st.sampled_from([*CLASSES, "unknown"])
_LABELS = st.sampled_from(["SUD", "PSY", "HIV", "R"])


def _conditions() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "actor": st.lists(_NAMES.map(lambda n: {"reference": {"display": n}}), max_size=2),
            "purpose": st.lists(_PURPOSES.map(lambda c: {"code": c}), max_size=2),
            "class": st.lists(_CLASSES.map(lambda c: {"code": c}), max_size=3),
            "action": st.lists(
                st.sampled_from(["disclose", "correct"]).map(lambda c: {"coding": [{"code": c}]}),
                max_size=2,
            ),
            "securityLabel": st.lists(
                _LABELS.map(lambda c: {"code": c, "system": CONFIDENTIALITY if c == "R" else "x"}),
                max_size=2,
            ),
            "period": st.sampled_from([{"end": "2026-05-01"}, {"start": "2026-01-01"}, {}]),
        },
    )


_provisions = st.recursive(
    st.builds(
        lambda kind, own: {"type": kind, **own}, st.sampled_from(["permit", "deny"]), _conditions()
    ),
    lambda inner: st.builds(
        lambda kind, own, nested: {"type": kind, **own, "provision": nested},
        st.sampled_from(["permit", "deny"]),
        _conditions(),
        st.lists(inner, max_size=2),
    ),
    max_leaves=4,
)
_consents = st.builds(
    lambda number, kind, provision, roles: consent(
        id=f"c{number}", kind=kind, provision=provision, roles=roles
    ),
    st.integers(0, 9),
    st.sampled_from(["tpo", "release", "sud-counseling-notes", "family"]),
    _provisions,
    st.sampled_from([("patient",), ("parent",), ("patient", "parent")]),
)
_disclosures = st.builds(
    lambda content_class, purpose, labels, born, name, classes: asked(
        content_class,
        purpose=purpose,
        labels=labels,
        birth_date=born,
        recipient=Recipient(name, classes=classes),
        reason="r",
        actor="a",
    ),
    st.sampled_from([*CLASSES, "other", "counseling-notes"]),
    _PURPOSES,
    st.sampled_from([None, Labels(), Labels("R", frozenset({"SUD", "HIV"}))]),
    st.sampled_from([None, ADULT, MINOR]),
    st.sampled_from([CLINIC.name, "Other Clinic", "x"]),
    st.sampled_from([(), ("TREATER",), ("PAYOR",)]),
)
_many = st.lists(_consents, max_size=4)


@settings(max_examples=40, deadline=None)
@given(_many, _disclosures, st.randoms(use_true_random=False))
def test_the_order_of_consents_does_not_matter(
    consents: list[JsonObject], disclosure: Any, random: Any
) -> None:
    read = [written(each) for each in consents]
    shuffled = list(read)
    random.shuffle(shuffled)

    one, other = decide(read, disclosure, POLICY), decide(shuffled, disclosure, POLICY)

    assert type(one) is type(other)
    assert {r.code for r in one.reasons} == {r.code for r in other.reasons}


@settings(max_examples=40, deadline=None)
@given(_many, _disclosures, _provisions)
def test_another_deny_never_widens(
    consents: list[JsonObject], disclosure: Any, provision: JsonObject
) -> None:
    read = [written(each) for each in consents]
    restriction = written(consent(id="d", provision={**provision, "type": "deny"}), origin="other")

    before = decide(read, disclosure, POLICY)
    after = decide([*read, restriction], disclosure, POLICY)

    assert isinstance(before, Permit) or not isinstance(after, Permit)


@settings(max_examples=40, deadline=None)
@given(_many, _disclosures, _conditions())
def test_an_exception_that_denies_never_widens(
    consents: list[JsonObject], disclosure: Any, conditions: JsonObject
) -> None:
    narrowed = [
        {
            **each,
            "provision": {
                **each["provision"],
                "provision": [
                    *each["provision"].get("provision", ()),
                    {"type": "deny", **conditions},
                ],
            },
        }
        for each in consents
    ]

    before = decide([written(each) for each in consents], disclosure, POLICY)
    after = decide([written(each) for each in narrowed], disclosure, POLICY)

    assert isinstance(before, Permit) or not isinstance(after, Permit)


@settings(max_examples=40, deadline=None)
@given(_many, _disclosures)
def test_consents_from_elsewhere_permit_nothing(
    consents: list[JsonObject], disclosure: Any
) -> None:
    decision = decide([written(each, origin="other") for each in consents], disclosure, POLICY)

    assert not isinstance(decision, Permit) or decision.is_emergency


_OF_RESOURCES = st.fixed_dictionaries(
    {},
    optional={
        "code": st.just([{"coding": [{"system": "s", "code": "c"}]}]),
        "data": st.sampled_from(["instance", "related", "dependents"]).map(
            lambda meaning: [{"meaning": meaning, "reference": {"reference": "Goal/g"}}]
        ),
        "dataPeriod": st.sampled_from([{"end": "2026-01-01"}, {"start": "2026-01-01"}, {}]),
        "class": st.sampled_from(["Goal", "Observation"]).map(
            lambda code: [{"system": RESOURCE_TYPES, "code": code}]
        ),
    },
)
_exceptions = st.lists(
    st.builds(
        lambda kind, own, about: {"type": kind, **own, **about},
        st.sampled_from(["permit", "deny"]),
        _conditions(),
        _OF_RESOURCES,
    ),
    max_size=3,
)
_facts = st.fixed_dictionaries(
    {
        "labels": st.sampled_from([Labels(), Labels("R", frozenset({"SUD", "HIV"}))]),
        "resource_type": st.sampled_from(["Goal", "Condition"]),
        "reference": st.sampled_from(["Goal/g", "Goal/h"]),
        "codes": st.sampled_from([frozenset(), frozenset({("s", "c")})]),
        "references": st.sampled_from([frozenset(), frozenset({"Goal/g"})]),
        "recorded": st.sampled_from([None, Bounds(NOW, NOW)]),
    }
)


@settings(max_examples=100, deadline=None)
@given(_many, _exceptions, _disclosures, _facts)
def test_what_a_class_permits_holds_for_each_resource_of_it(
    consents: list[JsonObject], exceptions: list[JsonObject], disclosure: Any, facts: Any
) -> None:
    """So that only those of a withheld class need to be read."""
    read = [
        written({**each, "provision": {**each["provision"], "provision": exceptions}})
        for each in consents
    ]
    of_class = replace(disclosure, labels=None)

    whole = decide(read, of_class, POLICY)
    single = decide(read, replace(of_class, **facts), POLICY)

    assert isinstance(single, Permit) or not isinstance(whole, Permit)
