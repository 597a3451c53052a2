"""Invariants of questionnaires, terminology and capability resources.

Source: R4, the page of each resource
"""

from collections.abc import Callable, Iterator, Mapping

from fhirbridge.fhir.validation.terms import are_distinct, count, has, items, values
from fhirbridge.jsontypes import JsonObject

_SIMPLE_QUESTIONS = frozenset(
    {"boolean", "decimal", "integer", "string", "text", "url", "open-choice"}
)
_CHOICE_QUESTIONS = frozenset(
    {"choice", "open-choice", "decimal", "integer", "date", "dateTime", "time", "string"}
    | {"quantity"}
)


def _link_ids(value: JsonObject) -> Iterator[str]:
    for item in items(value, "item"):
        if "linkId" in item:
            yield item["linkId"]
        yield from _link_ids(item)


def _codes(value: JsonObject) -> Iterator[str]:
    for concept in items(value, "concept"):
        yield concept["code"]
        yield from _codes(concept)


def _group_and_display(item: JsonObject) -> bool:
    kind = item.get("type")
    return (kind != "group" or "item" in item) and (kind != "display" or "item" not in item)


def _is_display(item: JsonObject) -> bool:
    return item.get("type") == "display"


def _kind_is_kept(statement: JsonObject) -> Mapping[str, bool]:
    kind = statement.get("kind")
    implementation, software = "implementation" in statement, "software" in statement
    return {
        "instance": kind != "instance" or implementation,
        "capability": kind != "capability" or (software and not implementation),
        "requirements": kind != "requirements" or not (software or implementation),
    }


def _kind(name: str) -> Callable[[JsonObject], bool]:
    return lambda statement: _kind_is_kept(statement)[name]


def _is_described(statement: JsonObject) -> bool:
    return has(statement, "description", "software", "implementation")


def _stratifiers_are_one_kind(measure: JsonObject) -> bool:
    return all(
        has(stratifier, "code", "description", "criteria") != ("component" in stratifier)
        for stratifier in items(measure, "group", "stratifier")
    )


def _strata_are_one_kind(report: JsonObject) -> bool:
    return all(
        ("value" in stratum) != ("component" in stratum)
        for stratum in items(report, "group", "stratifier", "stratum")
    )


CONFORMANCE_RULES: Mapping[str, Mapping[str, Callable[[JsonObject], bool]]] = {
    "CapabilityStatement": {
        "cpb-1": lambda v: has(v, "rest", "messaging", "document"),
        "cpb-2": _is_described,
        "cpb-3": lambda v: not items(v, "messaging", "endpoint") or v.get("kind") == "instance",
        "cpb-7": lambda v: are_distinct(
            (document.get("profile"), document.get("mode")) for document in items(v, "document")
        ),
        "cpb-14": _kind("instance"),
        "cpb-15": _kind("capability"),
        "cpb-16": _kind("requirements"),
    },
    "CapabilityStatement.rest": {
        "cpb-9": lambda v: are_distinct(values(v, "resource", "type")),
    },
    "CapabilityStatement.rest.resource": {
        "cpb-12": lambda v: are_distinct(values(v, "searchParam", "name")),
    },
    "CodeSystem": {"csd-1": lambda v: are_distinct(_codes(v))},
    "ConceptMap.group.element.target": {
        "cmd-1": lambda v: has(v, "comment") or v.get("equivalence") not in ("narrower", "inexact"),
    },
    "ConceptMap.group.unmapped": {
        "cmd-2": lambda v: v.get("mode") != "fixed" or has(v, "code"),
        "cmd-3": lambda v: v.get("mode") != "other-map" or has(v, "url"),
    },
    "Measure": {"mea-1": _stratifiers_are_one_kind},
    "MeasureReport": {
        "mrp-1": lambda v: v.get("type") != "data-collection" or "group" not in v,
        "mrp-2": _strata_are_one_kind,
    },
    "MessageDefinition.focus": {
        "md-1": lambda v: v.get("max", "*") == "*" or int(v["max"]) > 0,
    },
    "NamingSystem": {
        "nsd-1": lambda v: v.get("kind") != "root" or "uuid" not in values(v, "uniqueId", "type"),
        "nsd-2": lambda v: are_distinct(
            unique_id.get("type")
            for unique_id in items(v, "uniqueId")
            if unique_id.get("preferred") is True
        ),
    },
    "OperationDefinition.parameter": {
        "opd-1": lambda v: has(v, "type", "part"),
        "opd-2": lambda v: not has(v, "searchType") or v.get("type") == "string",
        "opd-3": lambda v: (
            not has(v, "targetProfile") or v.get("type") in ("Reference", "canonical")
        ),
    },
    "Questionnaire": {"que-2": lambda v: are_distinct(_link_ids(v))},
    "Questionnaire.item": {
        "que-1": _group_and_display,
        "que-3": lambda v: not _is_display(v) or "code" not in v,
        "que-4": lambda v: not ("answerOption" in v and has(v, "answerValueSet")),
        "que-5": lambda v: (
            v.get("type") in _CHOICE_QUESTIONS or not has(v, "answerValueSet", "answerOption")
        ),
        "que-6": lambda v: not _is_display(v) or not has(v, "required", "repeats"),
        "que-8": lambda v: v.get("type") not in ("group", "display") or "initial" not in v,
        "que-9": lambda v: not _is_display(v) or not has(v, "readOnly"),
        "que-10": lambda v: v.get("type") in _SIMPLE_QUESTIONS or not has(v, "maxLength"),
        "que-11": lambda v: not ("answerOption" in v and "initial" in v),
        "que-12": lambda v: count(v, "enableWhen") <= 2 or has(v, "enableBehavior"),
        "que-13": lambda v: v.get("repeats") is True or count(v, "initial") <= 1,
    },
    "Questionnaire.item.enableWhen": {
        "que-7": lambda v: v.get("operator") != "exists" or has(v, "answerBoolean"),
    },
    "SearchParameter": {
        "spd-1": lambda v: not has(v, "xpath") or has(v, "xpathUsage"),
        "spd-2": lambda v: not has(v, "chain") or v.get("type") == "reference",
    },
    "TerminologyCapabilities": {
        "tcp-2": _is_described,
        "tcp-3": _kind("instance"),
        "tcp-4": _kind("capability"),
        "tcp-5": _kind("requirements"),
    },
    "TerminologyCapabilities.codeSystem": {
        "tcp-1": lambda v: (
            count(v, "version") <= 1 or all(has(version, "code") for version in items(v, "version"))
        ),
    },
    "ValueSet.compose.include": {
        "vsd-1": lambda v: has(v, "valueSet", "system"),
        "vsd-2": lambda v: not has(v, "concept", "filter") or has(v, "system"),
        "vsd-3": lambda v: not ("concept" in v and "filter" in v),
    },
    "ValueSet.expansion.contains": {
        "vsd-6": lambda v: has(v, "code", "display"),
        "vsd-9": lambda v: has(v, "code") or v.get("abstract") is True,
        "vsd-10": lambda v: not has(v, "code") or has(v, "system"),
    },
}
