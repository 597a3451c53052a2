import pytest

from fhirbridge.fhir.definitions import constraints, definitions


def test_all_resource_types_of_r4_are_known() -> None:
    assert len(definitions().resource_types) == 146
    assert "Resource" not in definitions().resource_types
    assert "DomainResource" not in definitions().resource_types


@pytest.mark.parametrize(
    ("type_name", "path", "expected_type", "is_list", "minimum"),
    [
        ("CarePlan", "status", "code", False, 1),
        ("CarePlan", "activity", "BackboneElement", True, 0),
        ("CarePlan", "activity.detail.code.coding.system", "uri", False, 0),
        ("CarePlan", "activity.detail.scheduledTiming.repeat.count", "positiveInt", False, 0),
        ("CarePlan", "extension.valueCodeableConcept.text", "string", False, 0),
        ("CarePlan", "period._start", "Element", False, 0),
        ("CarePlan", "period._start.extension.valueCode", "code", False, 0),
        ("CarePlan", "contained.id", "id", False, 0),
        ("ServiceRequest", "occurrenceTiming", "Timing", False, 0),
        ("Questionnaire", "item.item.item.linkId", "string", False, 1),
        ("Observation", "component.referenceRange.low.value", "decimal", False, 0),
        ("Bundle", "entry.link.relation", "string", False, 1),
        ("Condition", "onsetAge.value", "decimal", False, 0),
        ("Patient", "text.div", "xhtml", False, 1),
        ("Appointment", "participant.status", "code", False, 1),
    ],
)
def test_resolve_finds_the_element(
    type_name: str, path: str, expected_type: str, is_list: bool, minimum: int
) -> None:
    element = definitions().resolve(type_name, path.split("."))

    assert element is not None
    assert (element.type, element.is_list, element.min) == (expected_type, is_list, minimum)


@pytest.mark.parametrize(
    ("type_name", "path"),
    [
        ("CarePlan", "nonsense"),
        ("CarePlan", "activity.nonsense"),
        ("CarePlan", "status.nonsense"),
        ("CarePlan", "_subject"),
        ("CarePlan", "activity.detail.scheduled"),
        ("NoSuchType", "id"),
    ],
)
def test_resolve_of_what_does_not_exist_is_none(type_name: str, path: str) -> None:
    assert definitions().resolve(type_name, path.split(".")) is None


def test_order_follows_the_specification() -> None:
    elements = definitions().elements("CarePlan")

    names = list(elements)
    assert names[:4] == ["id", "meta", "implicitRules", "language"]
    assert names.index("text") < names.index("identifier") < names.index("status")
    assert [elements[name].order for name in names] == sorted(
        elements[name].order for name in names
    )


def test_targets_and_codes_are_given() -> None:
    subject = definitions().resolve("CarePlan", ["subject"])
    intent = definitions().resolve("CarePlan", ["intent"])

    assert subject is not None
    assert set(subject.targets) == {"Patient", "Group"}
    assert intent is not None
    assert intent.codes == {"proposal", "plan", "order", "option"}


def test_every_element_leads_to_a_known_type() -> None:
    known = definitions()

    for type_name in known.resource_types | known.data_types:
        waiting, seen = [type_name], set()
        while waiting:
            current = waiting.pop()
            for element in known.elements(current).values():
                if element.children not in seen:
                    seen.add(element.children)
                    waiting.append(element.children)


def test_constraints_keep_words_and_places() -> None:
    cpl_3 = constraints()["CarePlan.activity"]["cpl-3"]

    assert cpl_3.on == ("CarePlan.activity",)
    assert constraints()["Task"]["inv-1"].human.startswith("Last modified date")
    assert cpl_3.human == "Provide a reference or detail, not both"
