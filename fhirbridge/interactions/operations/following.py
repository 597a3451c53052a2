"""Follows references from resources to what is stored here. Source: R4 references.html"""

from collections.abc import Callable, Iterable

from fhirbridge.fhir import wire
from fhirbridge.interactions.context import Context
from fhirbridge.jsontypes import Resource
from fhirbridge.storage import integrity, resources
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import ResourceVersion

MAX_FOLLOWED = 1000


def follow(
    session: Session,
    context: Context,
    sources: Iterable[Resource],
    *,
    wanted: Callable[[str], bool] = lambda _: True,
    levels: int = 1,
) -> list[ResourceVersion]:
    """What the sources refer to, each resource once, deleted ones left out.

    `wanted` says which resource types are followed, `levels` how far. After MAX_FOLLOWED
    resources it ends.
    """
    found: dict[str, ResourceVersion] = {}
    waiting = list(sources)
    seen: set[str] = set()
    for _ in range(levels):
        following: list[Resource] = []
        for target in _targets(waiting, context):
            resource_type, _, resource_id = target.partition("/")
            if target in seen or not wanted(resource_type) or len(found) >= MAX_FOLLOWED:
                continue
            seen.add(target)
            version = context.show(
                session, resources.read(session, context.custodian_id, resource_type, resource_id)
            )
            if version is not None and not version.deleted:
                found[target] = version
                following.append(wire.parse(version.content))
        waiting = following
    return list(found.values())


def _targets(sources: list[Resource], context: Context) -> dict[str, None]:
    """The local references of all sources, in order, each once."""
    return dict.fromkeys(
        found.target
        for source in sources
        for found in integrity.local_references(source, context.bases)
    )
