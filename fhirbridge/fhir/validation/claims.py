"""The profiles that resources claim in `meta.profile`, in a Bundle each entry's and each contained.

Source: R4 resource.html#Meta (profile); design.md section 7
"""

from collections.abc import Iterator
from dataclasses import replace

from fhirbridge.errors import Issue
from fhirbridge.fhir.bundles import entries_of
from fhirbridge.fhir.validation.profiles import check_profile, is_known
from fhirbridge.jsontypes import Json, Resource


def check_claims(resource: Resource, *, ours: bool, is_sound: bool = True) -> list[Issue]:
    """What keeps resources from satisfying the known profiles that they claim.

    Errors (422) with `ours`, for what we made ourselves; warnings for what others sent, because
    their claim may mean a version that we do not know.
    """
    claims = [
        (place, claimant, url)
        for place, claimant in _claimants(resource, str(resource.get("resourceType")))
        for url in _claims(claimant)
    ]
    types = _types(resource) if claims else {}
    return [
        replace(
            issue,
            severity="error" if ours else "warning",
            expression=tuple(_below(place, path) for path in issue.expression),
        )
        for place, claimant, url in claims
        for issue in check_profile(claimant, url, types=types, is_sound=is_sound)
    ]


def _claims(resource: Resource) -> list[str]:
    meta = resource.get("meta")
    claimed = meta.get("profile") if isinstance(meta, dict) else None
    listed = claimed if isinstance(claimed, list) else []
    return [url for url in listed if isinstance(url, str) and is_known(url)]


def _claimants(value: Json, place: str) -> Iterator[tuple[str, Resource]]:
    if not isinstance(value, dict):
        return
    yield place, value
    inner = value.get("contained")
    for index, item in enumerate(inner if isinstance(inner, list) else ()):
        yield from _claimants(item, f"{place}.contained[{index}]")
    if value.get("resourceType") == "Bundle":
        listed = value.get("entry")
        for index, entry in enumerate(listed if isinstance(listed, list) else ()):
            inside = entry.get("resource") if isinstance(entry, dict) else None
            yield from _claimants(inside, f"{place}.entry[{index}].resource")


def _types(resource: Resource) -> dict[str, str]:
    """What the fullUrls of a Bundle, and the fragments of a resource, lead to."""
    found = {
        entry.full_url: str(entry.resource.get("resourceType"))
        for entry in entries_of(resource)
        if entry.full_url and entry.resource is not None
    }
    inner = resource.get("contained")
    for contained in inner if isinstance(inner, list) else ():
        if isinstance(contained, dict) and isinstance(contained.get("id"), str):
            found[f"#{contained['id']}"] = str(contained.get("resourceType"))
    return found


def _below(place: str, path: str) -> str:
    """A path that starts at a resource, from where that resource stands."""
    _, dot, rest = path.partition(".")
    return f"{place}{dot}{rest}"
