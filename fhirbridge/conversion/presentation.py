"""What a resource gets when mapping is done: claims to US Core profiles, and its text.

A profile is claimed in the version of the setting `uscore_version`, and only where the resource
satisfies it in every version that we know, because partners validate against different ones.

The text names other resources only if they have the same content class, or are people and places
of a directory, which may leave without a patient. So whatever consent withholds, no text of another
class tells it; within a class, whoever withholds an element or a resource presents the rest again.
Source: design.md sections 7 and 9; domain.md 1.1
"""

from collections.abc import Iterable
from dataclasses import dataclass

from fhirbridge.fhir.narrative import narrate
from fhirbridge.fhir.validation.profiles import satisfied
from fhirbridge.fhir.wording import Others
from fhirbridge.jsontypes import Resource
from fhirbridge.mapping.engine_made import bare
from fhirbridge.mapping.lineage import Explanation
from fhirbridge.mapping.model import Entry

DEFAULT_USCORE = "6.1.0"
NO_USCORE = "none"
# Source: design.md section 7, what leaves without a patient
_DIRECTORY = frozenset(
    {"HealthcareService", "Location", "Organization", "Practitioner", "PractitionerRole"}
)


@dataclass(frozen=True, slots=True)
class Presented:
    """One resource of a document: its fullUrl, itself, and the content class of its entry."""

    full_url: str
    resource: Resource
    content_class: str


class Presentation:
    """Presents the resources of one document; it knows what each of them may name."""

    __slots__ = ("_named", "_resources", "_types", "_version")

    def __init__(self, resources: Iterable[Presented], uscore_version: str) -> None:
        self._resources = tuple(resources)
        self._version = uscore_version
        self._named: dict[str, Others] = {}
        self._types = {one.full_url: str(one.resource["resourceType"]) for one in self._resources}

    def present(
        self, resource: Resource, content_class: str, *, keep_text: bool = False
    ) -> Resource:
        """The resource with claims and text; `keep_text` leaves a text that is there.

        The argument is not changed.
        """
        plain = bare(resource)
        claims = [] if self._version == NO_USCORE else satisfied(plain, types=self._types)
        meta = dict(plain.get("meta", {}))
        profiles = [*meta.get("profile", ()), *(f"{url}|{self._version}" for url in claims)]
        if profiles:
            meta["profile"] = profiles
        head = {"resourceType": plain["resourceType"], "id": plain.get("id"), "meta": meta}
        kept = plain.get("text") if keep_text else None
        text = kept or narrate(plain, self._names(content_class))
        first = {name: value for name, value in head.items() if value}
        return {
            **first,
            "text": text,
            **{n: v for n, v in plain.items() if n not in (*first, "text")},
        }

    def _names(self, content_class: str) -> Others:
        if content_class not in self._named:
            self._named[content_class] = Others(
                {
                    reference: one.resource
                    for one in self._resources
                    if one.content_class == content_class
                    or one.resource["resourceType"] in _DIRECTORY
                    for reference in (one.full_url, _reference(one.resource))
                }
            )
        return self._named[content_class]


def explanations(resource: Resource, entry: Entry) -> list[Explanation]:
    """Why the text and the claims of a presented resource are there."""
    meta = resource.get("meta", {})
    found = [("text.status", "narrative"), ("text.div", "narrative")]
    found += [(f"meta.profile[{i}]", "profile") for i, _ in enumerate(meta.get("profile", ()))]
    return [
        Explanation(
            resource=_reference(resource),
            path=f"{entry.type}.{path}",
            rule=rule,
            place=str(entry.place),
            layer=entry.place.layer,
            content_class=entry.content_class,
            codec=rule,
        )
        for path, rule in found
    ]


def _reference(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource.get('id')}"
