"""What would be lost on each rung, at one partner: for a dry run and for `partner diff`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fhirbridge.fhir import bundles
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.partners.abilities import Abilities
from fhirbridge.partners.plan import plan
from fhirbridge.partners.planned import Held, Rung, SendPlan

NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RungShown:
    """One rung: whether this partner offers it, whether it is taken, and what is lost on it."""

    rung: Rung
    offered: bool
    chosen: bool
    losses: tuple[str, ...]

    def to_json(self) -> JsonObject:
        """The rung for programs."""
        return {
            "rung": self.rung.value,
            "offered": self.offered,
            "chosen": self.chosen,
            "losses": list(self.losses),
        }


def rungs(
    bundle: Resource, abilities: Abilities, *, held: Mapping[str, Held] | None = None
) -> list[RungShown]:
    """All rungs from transaction to paper, as they would be at this partner."""
    chosen = plan(bundle, abilities, held=held).rung
    shown = []
    for rung in Rung:
        made = _only(bundle, abilities, rung, held)
        offered = made.rung is rung
        losses = made.losses if offered else ("The partner does not offer this.",)
        shown.append(RungShown(rung, offered, rung is chosen, tuple(losses)))
    return shown


def _only(
    bundle: Resource, abilities: Abilities, rung: Rung, held: Mapping[str, Held] | None
) -> SendPlan:
    """The plan as if the partner offered this rung at best."""
    less = abilities
    order = list(Rung)
    if order.index(rung) > order.index(Rung.TRANSACTION):
        less = replace(less, transaction=False)
    if order.index(rung) > order.index(Rung.BATCH):
        less = replace(less, batch=False)
    if order.index(rung) > order.index(Rung.CONDITIONAL_CREATE):
        if not abilities.known:  # then everything is hoped for
            hoped = frozenset(str(one["resourceType"]) for one in bundles.resources_of(bundle))
            less = replace(less, known=True, create=hoped, find=hoped, types=hoped)
        less = replace(less, conditional_create=NONE)
    if order.index(rung) > order.index(Rung.SEARCH_THEN_CREATE):
        less = replace(less, create=less.create & {"DocumentReference", "Task"})
    if order.index(rung) > order.index(Rung.DOCUMENT):
        less = replace(less, create=NONE)
    return plan(bundle, less, held=held)


def differences(bundle: Resource, abilities: Abilities) -> list[str]:
    """What the Bundle needs that the CapabilityStatement does not offer, in sentences."""
    if not abilities.known:
        return ["The partner's capabilities are not known; probe it first."]
    found = []
    version = abilities.fhir_version
    if version and not version.startswith("4.0"):
        found.append(f"The partner speaks FHIR {version}; this is R4 (4.0.1).")
    counts: dict[str, int] = {}
    for resource in bundles.resources_of(bundle):
        counts[resource["resourceType"]] = counts.get(resource["resourceType"], 0) + 1
    for name, count in sorted(counts.items()):
        if name not in abilities.types:
            found.append(f"{name} ({count}): the partner does not have this type.")
        elif name not in abilities.create:
            found.append(f"{name} ({count}): cannot be created.")
        else:
            missing = [
                words
                for words, there in (
                    ("no conditional create", name in abilities.conditional_create),
                    ("no search by identifier", name in abilities.find),
                    ("no update", name in abilities.update),
                )
                if not there
            ]
            if missing:
                found.append(f"{name} ({count}): {', '.join(missing)}.")
    return found
