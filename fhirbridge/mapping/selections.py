"""The named selections that `where` may use: which native anchors an entry or `each` is about.

Selections of one group divide the items among them: of every item, exactly one of the group is
true. So a native field may be read once by each of them, and nothing is read twice or not at all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fhirbridge.jsontypes import JsonObject

# Kinds of plan items (domain.md 4.2) that somebody else provides and can be asked for.
_SERVICES = frozenset(
    [
        "outpatient-therapy",
        "psychiatry",
        "medication-management",
        "mat",
        "primary-care",
        "recovery-coaching",
        "peer-support",
        "sober-living",
        "case-management",
        "family-therapy",
        "life-skills",
        "vocational",
        "financial",
        "drug-testing",
        "legal",
        "education",
        "step-up-return",
    ]
)
# Kinds that the patient does, for which nobody writes an order (domain.md 4.5 on meetings).
_OWN_ACTIVITIES = frozenset(
    ["support-group", "sponsor", "alumni", "wellness", "digital-tool", "check-in", "volunteering"]
)
_RISKS = frozenset({"si-history", "self-harm", "nonsuicidal-self-harm"})
_CRAVINGS = frozenset({"craving", "craving-alcohol", "craving-drugs"})


@dataclass(frozen=True, slots=True)
class Selection:
    """One selection: the group that it divides with others, and its test of a native object.

    The test gets the object and the document it stands in. An object with one of the fields
    `without` is never selected, so nothing has to read them there.
    """

    group: str
    test: Callable[[JsonObject, JsonObject], bool]
    without: frozenset[str] = frozenset()


def is_service(item: JsonObject) -> bool:
    """True for a plan item that is a service to be ordered; it becomes a ServiceRequest.

    A referral makes it one, and of a kind that we do not know, that somebody provides it.
    """
    if item.get("referralId") is not None or item.get("kind") in _SERVICES:
        return True
    return item.get("kind") not in _OWN_ACTIVITIES and (
        item.get("provider") is not None or item.get("contact") is not None
    )


def is_risk(plan: JsonObject) -> bool:
    """True for a safety plan that is needed because of the person's own past."""
    return plan.get("indicated") is True and plan.get("reason") in _RISKS


def is_craving(trigger: JsonObject) -> bool:
    """True for a trigger that is a craving, of alcohol, of drugs, or not said of what."""
    return trigger.get("category") in _CRAVINGS


def is_own_facility(organization: JsonObject, document: JsonObject) -> bool:
    """True for a requester or recipient that is the document's own facility: one identity.

    An Organization is known by its NPI, else by its name (design.md section 5).
    """
    facility = document.get("facility") or {}
    own = facility.get("npi") or facility.get("name")
    return own is not None and own == (organization.get("npi") or organization.get("org"))


SELECTIONS: Mapping[str, Selection] = {
    "service": Selection("plan item", lambda item, _: is_service(item)),
    "own-activity": Selection(
        "plan item", lambda item, _: not is_service(item), frozenset({"referralId"})
    ),
    "at-risk": Selection("risk", lambda plan, _: is_risk(plan)),
    "not-at-risk": Selection("risk", lambda plan, _: not is_risk(plan)),
    "craving": Selection("craving", lambda trigger, _: is_craving(trigger)),
    "no-craving": Selection("craving", lambda trigger, _: not is_craving(trigger)),
    "own-facility": Selection("organization", is_own_facility),
    "another-organization": Selection(
        "organization", lambda one, document: not is_own_facility(one, document)
    ),
}


def group_of(names: set[str], field: str = "") -> bool:
    """True when the named selections are all of one group, together taking every item.

    With `field`: every item that has this field.
    """
    groups = {SELECTIONS[name].group for name in names if name}
    if "" in names or len(groups) != 1:
        return False
    (group,) = groups
    needed = {
        name
        for name, one in SELECTIONS.items()
        if one.group == group and not (field and field in one.without)
    }
    return names == needed
