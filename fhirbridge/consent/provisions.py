"""Consent.provision with its nested exceptions, as one flat list; and what each of them covers.

A provision holds where its own conditions and those of everything around it hold; the innermost
one that holds decides. What cannot be understood is `MAYBE`: that never permits and always denies.
Source: R4 consent-definitions.html#Consent.provision
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import IntEnum
from typing import Literal

from fhirbridge.consent.classes import NAMED, class_named
from fhirbridge.consent.disclosure import Disclosure
from fhirbridge.consent.labels import CONFIDENTIALITY, Labels, rank
from fhirbridge.consent.purposes import class_code, folded, includes, is_of_class
from fhirbridge.consent.recipient import Recipient
from fhirbridge.fhir.primitives import Bounds, period_bounds
from fhirbridge.fhir.references import is_plain
from fhirbridge.jsontypes import Json, JsonObject

RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
# Those who disclose or sign; the other actors of a provision receive.
_NOT_RECIPIENTS = frozenset({"AUT", "AUTHEN", "CST", "DPOWATT", "ENT", "GRANTOR", "INF", "WIT"})
_DISCLOSING = frozenset({"access", "disclose"})
_EVER = Bounds(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


class Match(IntEnum):
    """Whether a condition holds. The smallest of several is what holds for all of them."""

    NO = 0
    MAYBE = 1
    YES = 2


@dataclass(frozen=True, slots=True)
class Actor:
    """One actor: the name, the reference and the identifier by which it is given."""

    name: str = ""
    reference: str = ""
    identifier: tuple[str, str] | None = None
    roles: tuple[str, ...] = ()

    def is_recipient(self) -> bool:
        """False for those who disclose, sign or witness."""
        return not _NOT_RECIPIENTS.intersection(self.roles)

    def match(self, disclosure: Disclosure) -> Match:
        """Whether this actor is the recipient."""
        recipient = disclosure.recipient
        if self.identifier and self.identifier in recipient.identifiers:
            return Match.YES
        code = class_code(self.name) or next(filter(None, map(class_code, self.roles)), "")
        if code and is_of_class(recipient, code):
            return Match.YES
        if self.name and folded(self.name) == folded(recipient.name):
            return Match.YES
        if not self.reference:
            return Match.NO if self.name or self.identifier else Match.MAYBE
        named = disclosure.recipients.get(self.reference)
        if named is None:
            return Match.MAYBE
        same = folded(named.name) == folded(recipient.name)
        return Match.YES if same or _share(named, recipient) else Match.NO


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """One provision with its own conditions; an empty tuple does not limit.

    `place` is its FHIRPath, `path` its position in the tree: `(0, 2)` is an exception of `(0,)`.
    """

    place: str
    path: tuple[int, ...]
    type: Literal["permit", "deny", ""] = ""
    period: Bounds = _EVER
    period_is_known: bool = True
    actors: tuple[Actor, ...] = ()
    purposes: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    classes: tuple[tuple[str, str], ...] = ()
    codes: tuple[tuple[str, str], ...] = ()
    security_labels: tuple[tuple[str, str], ...] = ()
    data: tuple[tuple[str, str], ...] = ()  # (meaning, reference)
    data_period: Bounds | None = None

    @property
    def is_about_resources(self) -> bool:
        """True if it must be asked about each resource, not about a class of content."""
        by_type = any(system == RESOURCE_TYPES for system, _ in self.classes)
        limited = self.codes or self.security_labels or self.data or self.data_period
        return bool(limited or by_type)

    def matches(self, disclosure: Disclosure) -> Iterator[tuple[str, Match]]:
        """Each condition that there is, by the name of its element."""
        if self.period != _EVER or not self.period_is_known:
            inside = self.period.start <= disclosure.at < self.period.end
            known = Match.YES if inside else Match.NO
            yield "period", known if self.period_is_known else Match.MAYBE
        if self.actors:
            found = [actor.match(disclosure) for actor in self.actors if actor.is_recipient()]
            yield "actor", max(found, default=Match.MAYBE)
        if self.purposes:
            yield "purpose", _purpose(self, disclosure.purpose)
        if self.actions:
            does = _DISCLOSING.intersection(self.actions)
            yield "action", Match.YES if does else Match.NO
        if self.classes:
            yield "class", _classes(self.classes, disclosure)
        if self.codes:
            yield "code", _codes(self.codes, disclosure)
        if self.security_labels:
            yield "securityLabel", _labels(self, disclosure.labels)
        if self.data:
            yield "data", max(_data(each, disclosure) for each in self.data)
        if self.data_period is not None:
            of_data = disclosure.recorded
            inside = of_data is not None and self.data_period.contains(of_data)
            apart = of_data is not None and not self.data_period.overlaps(of_data)
            yield "dataPeriod", Match.YES if inside else Match.NO if apart else Match.MAYBE

    def match(self, disclosure: Disclosure) -> Match:
        """How surely all of its own conditions hold."""
        least = Match.YES
        for _, match in self.matches(disclosure):
            if match is Match.NO:
                return match
            least = min(least, match)
        return least


def flatten(consent: JsonObject, zone: tzinfo) -> tuple[Provision, ...]:
    """Every provision of a Consent, outermost first, exceptions after what they except."""
    root = consent.get("provision")
    return tuple(_flat(root, "Consent.provision", (0,), zone)) if isinstance(root, dict) else ()


def covering(provisions: Sequence[Provision], disclosure: Disclosure) -> Iterator["Covered"]:
    """The innermost provisions that hold, and how surely; a deny holds if it may."""
    found: dict[tuple[int, ...], Match] = {}
    for provision in provisions:
        outer = found.get(provision.path[:-1], Match.YES)
        found[provision.path] = min(outer, provision.match(disclosure))
    for provision in provisions:
        match = found[provision.path]
        if match == Match.NO or not provision.type:
            continue
        # an exception that may hold leaves its deny, but not its permit
        sure = (Match.YES,) if provision.type == "permit" else (Match.MAYBE, Match.YES)
        if match in sure and not _is_excepted(provision, provisions, found):
            yield Covered(provision, match)


@dataclass(frozen=True, slots=True)
class Covered:
    """A provision that decides, and whether that is sure."""

    provision: Provision
    match: Match


def _is_excepted(
    provision: Provision, provisions: Sequence[Provision], found: dict[tuple[int, ...], Match]
) -> bool:
    """True if an exception of it holds: surely, if that is a permit."""
    depth = len(provision.path)
    for other in provisions:
        inside = len(other.path) > depth and other.path[:depth] == provision.path
        if inside and other.type:
            needed = Match.YES if other.type == "permit" else Match.MAYBE
            if found[other.path] >= needed:
                return True
    return False


def _purpose(provision: Provision, purpose: str) -> Match:
    covers = any(includes(each, purpose) for each in provision.purposes)
    if provision.type == "deny":  # to deny one kind of treatment is to doubt all of it
        covers = covers or any(includes(purpose, each) for each in provision.purposes)
    return Match.YES if covers else Match.NO


def _classes(classes: tuple[tuple[str, str], ...], disclosure: Disclosure) -> Match:
    found = Match.NO
    for system, code in classes:
        if system == RESOURCE_TYPES:
            if not disclosure.resource_type:
                found = max(found, Match.MAYBE)
            elif code == disclosure.resource_type:
                return Match.YES
        elif class_named(code) == disclosure.content_class:
            return Match.YES
        elif class_named(code) not in NAMED:
            found = Match.MAYBE
    return found


def _codes(codes: tuple[tuple[str, str], ...], disclosure: Disclosure) -> Match:
    if disclosure.labels is None:
        return Match.MAYBE
    return Match.YES if disclosure.codes.intersection(codes) else Match.NO


def _labels(provision: Provision, labels: Labels | None) -> Match:
    """A permit covers up to its level and only its sensitivities; a deny from its level up."""
    if labels is None:
        return Match.MAYBE
    levels = [rank(code) for system, code in provision.security_labels if system == CONFIDENTIALITY]
    others = {code for system, code in provision.security_labels if system != CONFIDENTIALITY}
    if provision.type == "deny":
        high = bool(levels) and rank(labels.level) >= min(levels)
        return Match.YES if high or others & labels.codes else Match.NO
    low = not levels or rank(labels.level) <= max(levels)
    inside = not others or labels.sensitivities <= others
    return Match.YES if low and inside else Match.NO


def _data(data: tuple[str, str], disclosure: Disclosure) -> Match:
    meaning, reference = data
    if not disclosure.reference or not is_plain(reference):
        return Match.MAYBE
    if reference == disclosure.reference:
        return Match.YES
    if meaning == "instance":
        return Match.NO
    if meaning in ("related", "dependents") and reference in disclosure.references:
        return Match.YES
    return Match.NO if meaning == "related" else Match.MAYBE


def _share(one: Recipient, other: Recipient) -> bool:
    return bool(set(one.identifiers).intersection(other.identifiers))


def _flat(node: JsonObject, place: str, path: tuple[int, ...], zone: tzinfo) -> Iterator[Provision]:
    period, known = _period(node.get("period"), zone)
    data_period, data_known = _period(node.get("dataPeriod"), zone)
    kind = node.get("type")
    yield Provision(
        place=place,
        path=path,
        type="permit" if kind == "permit" else "deny" if kind == "deny" else "",
        period=period,
        period_is_known=known and data_known,
        actors=tuple(_actor(each) for each in _objects(node.get("actor"))),
        purposes=tuple(str(each.get("code")) for each in _objects(node.get("purpose"))),
        actions=tuple(code for each in _objects(node.get("action")) for _, code in _codings(each)),
        classes=tuple(_pair(each) for each in _objects(node.get("class"))),
        codes=tuple(pair for each in _objects(node.get("code")) for pair in _codings(each)),
        security_labels=tuple(_pair(each) for each in _objects(node.get("securityLabel"))),
        data=tuple(
            (str(each.get("meaning")), str(_object(each.get("reference")).get("reference")))
            for each in _objects(node.get("data"))
        ),
        data_period=data_period if "dataPeriod" in node else None,
    )
    for index, child in enumerate(_objects(node.get("provision"))):
        yield from _flat(child, f"{place}.provision[{index}]", (*path, index), zone)


def _period(period: Json, zone: tzinfo) -> tuple[Bounds, bool]:
    if not isinstance(period, dict):
        return _EVER, True
    try:
        return period_bounds(period, zone), True
    except (ValueError, TypeError):
        return _EVER, False


def _actor(actor: JsonObject) -> Actor:
    reference = _object(actor.get("reference"))
    identifier = _object(reference.get("identifier"))
    return Actor(
        name=str(reference.get("display") or ""),
        reference=str(reference.get("reference") or ""),
        identifier=(str(identifier.get("system") or ""), str(identifier["value"]))
        if "value" in identifier
        else None,
        roles=tuple(code for _, code in _codings(_object(actor.get("role")))),
    )


def _codings(concept: JsonObject) -> list[tuple[str, str]]:
    return [_pair(each) for each in _objects(concept.get("coding"))]


def _pair(coding: JsonObject) -> tuple[str, str]:
    return str(coding.get("system") or ""), str(coding.get("code") or "")


def _objects(value: Json) -> list[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}
