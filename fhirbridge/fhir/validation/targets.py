"""References: their form, the types that may stand behind them, and contained targets.

Source: R4 references.html, invariant ref-1
"""

from fhirbridge.fhir import references
from fhirbridge.fhir.validation.findings import Findings, Path
from fhirbridge.jsontypes import JsonObject


def check_reference(
    value: JsonObject, targets: frozenset[str], path: Path, found: Findings
) -> None:
    """Report a literal reference whose type may not stand here, and a `#id` without target.

    Only what the reference itself or the contained resource says is checked; absolute URLs may
    point to servers of any kind.
    """
    text = value.get("reference")
    if not isinstance(text, str):
        _check_declared(value, targets, path, found)
        return
    if text.startswith("#"):
        _check_fragment(text[1:], targets, path, found)
        return
    if not targets or text.startswith(("urn:", "http:", "https:")):
        return
    reference = references.parse(text)
    if reference.resource_type and reference.resource_type not in targets:
        _refuse(targets, path, found)


def _check_declared(
    value: JsonObject, targets: frozenset[str], path: Path, found: Findings
) -> None:
    declared = value.get("type")
    if targets and isinstance(declared, str) and declared.isalpha() and declared not in targets:
        _refuse(targets, path, found)


def _check_fragment(fragment: str, targets: frozenset[str], path: Path, found: Findings) -> None:
    container = found.container
    if not fragment:  # "#" is the containing resource
        resource_type = container.get("resourceType")
    else:
        contained = container.get("contained")
        matches = [
            resource
            for resource in (contained if isinstance(contained, list) else [])
            if isinstance(resource, dict) and resource.get("id") == fragment
        ]
        if not matches:
            found.add(
                "invariant",
                "A reference that begins with # must name a contained resource (ref-1).",
                (path, "reference"),
                rule="ref-1",
            )
            return
        resource_type = matches[0].get("resourceType")
    if targets and isinstance(resource_type, str) and resource_type not in targets:
        _refuse(targets, path, found)


def _refuse(targets: frozenset[str], path: Path, found: Findings) -> None:
    found.add(
        "invariant",
        f"The reference must be to {' or '.join(sorted(targets))}.",
        path,
        rule="reference-target",
    )
