"""What a FHIR server says it can do, out of its CapabilityStatement. Pure.

Source: R4 capabilitystatement.html (rest.interaction, rest.resource).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from fhirbridge.jsontypes import JsonObject, Resource


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a partner offers. `known` is False when it could not be asked: then all is hoped for."""

    known: bool = False
    transaction: bool = True
    batch: bool = True
    types: frozenset[str] = frozenset()
    create: frozenset[str] = frozenset()
    conditional_create: frozenset[str] = frozenset()
    update: frozenset[str] = frozenset()
    update_create: frozenset[str] = frozenset()  # an update that may create
    delete: frozenset[str] = frozenset()
    find: frozenset[str] = frozenset()  # search_type with the parameter `identifier`
    parameters: frozenset[str] = frozenset()  # `Type?name` that can be searched
    software: str = ""
    fhir_version: str = ""

    def can_create(self, resource_type: str) -> bool:
        """True if resources of this type can be created, as far as is known."""
        return not self.known or resource_type in self.create

    def can_create_conditionally(self, resource_type: str) -> bool:
        """True if If-None-Exist is honoured for this type, as far as is known."""
        return not self.known or resource_type in self.conditional_create

    def can_find(self, resource_type: str) -> bool:
        """True if resources of this type can be searched by identifier, as far as is known."""
        return not self.known or resource_type in self.find

    def can_update(self, resource_type: str) -> bool:
        """True if resources of this type can be updated, as far as is known."""
        return not self.known or resource_type in self.update

    def can_search(self, resource_type: str, name: str) -> bool:
        """True if this search parameter of the type is offered; never only hoped for."""
        return f"{resource_type}?{name}" in self.parameters

    def can_place(self, resource_type: str) -> bool:
        """True if a resource of this type can be put under an id of ours; never only hoped for."""
        return resource_type in self.update_create


def abilities_of(capability: Resource | None) -> Abilities:
    """Read a CapabilityStatement; None, or one without a server part, is "not known"."""
    rests = [one for one in _objects(capability, "rest") if one.get("mode") == "server"]
    if capability is None or not rests:
        return Abilities()
    system = {code for rest in rests for code in _codes(rest)}
    resources = {str(one.get("type")): one for rest in rests for one in _objects(rest, "resource")}
    software = capability.get("software")

    def offering(code: str) -> frozenset[str]:
        return frozenset(name for name, one in resources.items() if code in set(_codes(one)))

    create = offering("create")
    update = offering("update")
    searchable = offering("search-type")
    return Abilities(
        known=True,
        transaction="transaction" in system,
        batch="batch" in system,
        types=frozenset(resources),
        create=create,
        conditional_create=frozenset(
            name for name in create if resources[name].get("conditionalCreate") is True
        ),
        update=update,
        update_create=frozenset(
            name for name in update if resources[name].get("updateCreate") is True
        ),
        delete=offering("delete"),
        find=frozenset(
            name
            for name in searchable
            if any(
                one.get("name") == "identifier" for one in _objects(resources[name], "searchParam")
            )
        ),
        parameters=frozenset(
            f"{name}?{one.get('name')}"
            for name in searchable
            for one in _objects(resources[name], "searchParam")
        ),
        software=str(software.get("name") or "") if isinstance(software, dict) else "",
        fhir_version=str(capability.get("fhirVersion") or ""),
    )


def _objects(parent: JsonObject | None, name: str) -> list[JsonObject]:
    children = (parent or {}).get(name)
    return [one for one in children if isinstance(one, dict)] if isinstance(children, list) else []


def _codes(parent: JsonObject) -> Iterator[str]:
    for interaction in _objects(parent, "interaction"):
        yield str(interaction.get("code"))
