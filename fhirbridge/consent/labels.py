"""Security labels: how sensitive a resource is, from what it says and from whose record it is.

They are computed, kept out of the stored JSON, and merged into `meta.security` when a resource
leaves. What a sender put there stays; only the level of confidentiality may become higher.
Source: R4 security-labels.html; 42 CFR 2.12; domain.md section 2, rule 8
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fhirbridge.consent.classes import COUNSELING_NOTES, DIRECTORY, content_class
from fhirbridge.jsontypes import Json, JsonObject, Resource

ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
OBSERVATION_VALUE = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"

LEVELS = ("U", "L", "M", "N", "R", "V")
# What kind of sensitivity a label names; the others say what to do, or which law holds.
SENSITIVITIES = frozenset(
    {"BH", "ETH", "ETHUD", "HIV", "MH", "OPIOIDUD", "PSY", "PSYTHPN", "SDV", "SUD"}
)
PART2 = "42CFRPart2"


@dataclass(frozen=True, slots=True)
class Labels:
    """Level of confidentiality and codes of v3-ActCode."""

    level: str = "N"
    codes: frozenset[str] = frozenset()

    @property
    def sensitivities(self) -> frozenset[str]:
        """The codes that name a sensitivity."""
        return self.codes & SENSITIVITIES


_ALCOHOL = frozenset({"SUD", "ETH", "ETHUD"})
_OPIOID = frozenset({"SUD", "ETH", "OPIOIDUD"})
_DRUG = frozenset({"SUD", "ETH"})
_PSYCHIATRY = frozenset({"PSY", "MH"})
_HIV = frozenset({"HIV"})
_VIOLENCE = frozenset({"SDV"})

# ICD-10-CM, by the start of the code
_DIAGNOSES: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = (
    (re.compile(r"F10|K70|Z71\.4|Z81\.1"), _ALCOHOL),
    (re.compile(r"F11|T40\.[0-4]"), _OPIOID),
    (re.compile(r"F1[2-9]|Z71\.5|Z81\.[34]|Z63\.72"), _DRUG),
    (re.compile(r"F[2-9]|R45\.8[58]|Z91\.5|T14\.91|Z86\.5"), _PSYCHIATRY),
    (re.compile(r"B20|Z21|R75|O98\.7|Z20\.6"), _HIV),
    (re.compile(r"T7[46]|Z69|Y07"), _VIOLENCE),
)


def _codes(text: str, labels: frozenset[str]) -> dict[str, frozenset[str]]:
    return dict.fromkeys(text.split(), labels)


_FINDINGS: Mapping[str, frozenset[str]] = {
    **_codes(
        "66590003 7200002 713583005 714829008 713862009 191813001 15167005 191884001 228365005"
        " 300939009",
        _ALCOHOL,
    ),
    **_codes("75544000 724653003 1081000119105 191821007 5602001 310653000", _OPIOID),
    **_codes(
        "31956009 191833002 85005007 191839003 426873000 21647008 191845006 427327003 2403008"
        " 66214007 417298001 712542001 712543006 712545004 712546003 792901003 1254709001",
        _DRUG,
    ),
    **_codes(
        "35489007 197480006 21897009 47505003 13746004 6471006 82313006 225444004 401277000",
        _PSYCHIATRY,
    ),
    **_codes("86406008 165816005", _HIV),
}
# naltrexone serves both; methadone and buprenorphine are for opioids
_DRUGS: Mapping[str, frozenset[str]] = {
    **_codes("637213 1483744 7243 82819 602", _DRUG),
    **_codes("1010600 351265 864706 2639021 1819 6813", _OPIOID),
}
# HCPCS: services for alcohol and drugs; opioid treatment programs
_SERVICES = re.compile(r"H00(0[1-9]|1[0-6]|2[0-2]|4[7-9]|50)|H2034|H2035|H2036|T1006|T1007|T1012")
_OPIOID_SERVICES = re.compile(r"H0020|G20(6[7-9]|7[0-9]|80)")
_HCPCS = ("HCPCS", "hcpcs")


def labels_of(resource: Resource, *, is_part2: bool, of_class: str = "") -> Labels:
    """The labels of a resource as it stands in our store.

    `is_part2`: the custodian is a program under 42 CFR Part 2, or it is unknown. A directory has
    none of its own. `of_class` is the class under which it is stored, if that is known.
    """
    codes: set[str] = set()
    of_class = of_class or content_class(resource)
    if of_class != DIRECTORY:
        for system, code in codings_of(resource):
            codes.update(_sensitive(system, code))
        if is_part2:
            codes.update(("SUD", PART2))
    if of_class == COUNSELING_NOTES:
        codes.add("PSYTHPN")
    given = dict(_given(resource))
    codes.update(code for code, system in given.items() if system == ACT_CODE)
    level = "V" if "PSYTHPN" in codes else "R" if codes & (SENSITIVITIES | {PART2}) else "N"
    sent = [code for code, system in given.items() if system == CONFIDENTIALITY]
    return Labels(max([level, *sent], key=rank), frozenset(codes))


def rank(level: str) -> int:
    """How confidential a level is; an unknown one is the highest."""
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)


def merged(resource: Resource, labels: Labels, *, more: tuple[str, ...] = ()) -> Resource:
    """The resource with its labels in `meta.security`; `more` are codes for this disclosure.

    Labels of a sender stay as they are, with all their fields. A lower level of theirs gives way.
    """
    meta = resource.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    given = meta.get("security")
    security: list[Json] = []
    known: set[tuple[str, str]] = set()
    for coding in given if isinstance(given, list) else ():
        if not isinstance(coding, dict):
            continue
        pair = (str(coding.get("system")), str(coding.get("code")))
        if pair[0] == CONFIDENTIALITY and rank(pair[1]) < rank(labels.level):
            continue
        known.add(pair)
        security.append(coding)
    wanted = [(CONFIDENTIALITY, labels.level)] if labels.level != "N" or labels.codes else []
    wanted += [(ACT_CODE, code) for code in (*sorted(labels.codes), *more)]
    for system, code in wanted:
        if (system, code) not in known:
            known.add((system, code))
            security.append({"system": system, "code": code})
    if not security:
        return resource
    return {**resource, "meta": {**meta, "security": security}}


def redacted(resource: Resource) -> Resource:
    """The resource with the label that elements were taken out of it.

    Source: v3-ObservationValue, code REDACTED (a security alteration, as SUBSETTED is)
    """
    meta = resource.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    label = {"system": OBSERVATION_VALUE, "code": "REDACTED"}
    given = meta.get("security")
    security = [*(given if isinstance(given, list) else ()), label]
    return {**resource, "meta": {**meta, "security": security}}


def codings_of(value: Json) -> Iterator[tuple[str, str]]:
    """Every (system, code) in a resource, wherever it stands."""
    if isinstance(value, dict):
        code = value.get("code")
        if isinstance(code, str) and isinstance(value.get("system"), str):
            yield value["system"], code
        for name, child in value.items():
            if isinstance(child, dict | list) and name not in ("text", "meta"):
                yield from codings_of(child)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list):
                yield from codings_of(item)


def _sensitive(system: str, code: str) -> frozenset[str]:
    if system == ICD10CM:
        return next((found for start, found in _DIAGNOSES if start.match(code)), frozenset())
    if system == SNOMED:
        return _FINDINGS.get(code, frozenset())
    if system == RXNORM:
        return _DRUGS.get(code, frozenset())
    if any(name in system for name in _HCPCS):
        if _OPIOID_SERVICES.fullmatch(code):
            return _OPIOID
        return _DRUG if _SERVICES.fullmatch(code) else frozenset()
    if system.endswith("/CodeSystem/plan-kind") and code == "safety":
        return _PSYCHIATRY
    return frozenset()


def _given(resource: Resource) -> Iterator[tuple[str, str]]:
    meta = resource.get("meta")
    security = meta.get("security") if isinstance(meta, dict) else None
    listed: list[JsonObject] = [
        each for each in security or () if isinstance(each, dict) and "code" in each
    ]
    for coding in listed:
        yield str(coding["code"]), str(coding.get("system", ""))
