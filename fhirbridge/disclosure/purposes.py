"""Purposes for which someone may ask: codes of v3-ActReason below PurposeOfUse.

Source: http://terminology.hl7.org/CodeSystem/v3-ActReason, 42 CFR 2.51 (emergencies)
"""

from collections.abc import Mapping
from types import MappingProxyType

SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
OID = "urn:oid:2.16.840.1.113883.5.8"

PURPOSES: Mapping[str, str] = MappingProxyType(
    {
        "TREAT": "treatment",
        "COC": "coordination of care",
        "CAREMGT": "care management",
        "HPAYMT": "healthcare payment",
        "COVAUTH": "coverage authorization",
        "ELIGDTRM": "eligibility determination",
        "HOPERAT": "healthcare operations",
        "PATRQT": "patient requested",
        "FAMRQT": "family requested",
        "SUPNWK": "support network",
        "HLEGAL": "legal",
        "HRESCH": "healthcare research",
        "PUBHLTH": "public health",
        "ETREAT": "emergency treatment",
        "BTG": "break the glass",
    }
)

# Who asks for one of these says why, and which person it is.
EMERGENCIES = frozenset({"ETREAT", "BTG"})
