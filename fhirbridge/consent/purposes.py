"""Purposes of use and classes of recipients: what means the same, and what includes what.

Source: v3-ActReason (PurposeOfUse); 42 CFR 2.31(a)(4), 2.33
"""

from collections.abc import Mapping
from functools import lru_cache

from fhirbridge.consent.recipient import Recipient

TREAT, PAYMENT, OPERATIONS = "TREAT", "HPAYMT", "HOPERAT"
TPO = frozenset({TREAT, PAYMENT, OPERATIONS})
EMERGENCIES = frozenset({"ETREAT", "BTG"})
LEGAL = "HLEGAL"
# Nobody is told anything for these (42 CFR 2.31, 2.52): there is no consent we could carry out.
NEVER = frozenset({LEGAL, "HMARKT", "FUNDRAISING", "HRESCH", "CLINTRCH", "PUBHLTH"})
# Auditors and evaluators work on the premises; they get no copies (42 CFR 2.53).
ON_PREMISES = frozenset({"HACCRED", "HCOMPL"})

_NAMES = 4096  # that are remembered as they are compared

_PARENTS: Mapping[str, str] = {
    "BTG": "TREAT",
    "CAREMGT": "TREAT",
    "COC": "TREAT",
    "ETREAT": "TREAT",
    "POPHLTH": "TREAT",
    "COVAUTH": "HPAYMT",
    "COVERAGE": "HPAYMT",
    "ELIGDTRM": "HPAYMT",
    "ELIGVER": "HPAYMT",
    "REMITADV": "HPAYMT",
    "DISASTER": "TREAT",
    "FAMRQT": "PATRQT",
    "PWATRNY": "PATRQT",
    "SUPNWK": "PATRQT",
}
# How a written consent names a class of recipients -> the code of the class.
_RECIPIENT_CLASSES: Mapping[str, str] = {
    "treating-providers": "TREATER",
    "my treating providers": "TREATER",
    "treating providers": "TREATER",
    "prov": "TREATER",
    "treater": "TREATER",
    "health-plans": "PAYOR",
    "health plans": "PAYOR",
    "third-party-payers": "PAYOR",
    "third-party payers": "PAYOR",
    "payor": "PAYOR",
    "program-operators": "OPERATOR",
    "people helping to operate this program": "OPERATOR",
    "operator": "OPERATOR",
    "parent": "PARENT",
    "guardian": "PARENT",
    "family": "FAMILY",
}


def includes(general: str, purpose: str) -> bool:
    """True if a permit for `general` is one for `purpose` too: it is the same or a kind of it."""
    return purpose == general or _PARENTS.get(purpose) == general


@lru_cache(maxsize=_NAMES)
def class_code(name: str) -> str:
    """The code of a class of recipients by the words of a consent; "" for a name."""
    return _RECIPIENT_CLASSES.get(folded(name), "")


def is_of_class(recipient: Recipient, code: str) -> bool:
    """True if a recipient belongs to a class, whichever of its words its settings use."""
    return any((class_code(each) or each) == code for each in recipient.classes)


@lru_cache(maxsize=_NAMES)
def folded(name: str) -> str:
    """A name as it is compared: blanks and case do not matter."""
    return " ".join(name.split()).casefold()


def is_same(one: Recipient, other: Recipient) -> bool:
    """True if both are one organization: a shared identifier tells, or the name where one of them
    has no identifier."""
    if one.identifiers and other.identifiers:
        return bool(set(one.identifiers) & set(other.identifiers))
    return bool(one.name) and folded(one.name) == folded(other.name)
