"""References: their form, the types that may stand behind them, and contained targets.

Source: R4 references.html, invariant ref-1
"""

import re
from collections.abc import Mapping, Sequence

from fhirbridge.fhir import references
from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.primitives import MAX_TEXT, PRIMITIVES
from fhirbridge.fhir.validation.findings import Checker, Findings, Path
from fhirbridge.jsontypes import Json, JsonObject

_LIKE_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}", re.ASCII)
_is_string = PRIMITIVES["string"].accepts


def reference_to(targets: Sequence[str], form: Checker) -> Checker:
    """The checker of an element that is a Reference to one of the types; to any if none is given.

    `form` checks what all References have in common.
    """
    wanted = frozenset(targets)
    allowed = wanted or definitions().resource_types

    def check(value: Json, path: Path, found: Findings) -> None:
        if not _is_plain(value, allowed, found.entries):
            form.check(value, path, found)
            if isinstance(value, dict):
                _check_target(value, wanted, path, found)

    return Checker(check)


def _is_plain(value: Json, targets: frozenset[str], entries: Mapping[str, str]) -> bool:
    """True for what most references are: a literal to a target, perhaps with a display.

    It is relative, the fullUrl of an entry of the Bundle, whose types are `entries`, or the URN of
    something that is not here.
    """
    if not isinstance(value, dict):
        return False
    text = value.get("reference")
    if not isinstance(text, str) or not text.isprintable() or len(text) > MAX_TEXT:
        return False
    target = entries.get(text) or text.partition("/")[0]
    if target not in targets and not target.startswith("urn:"):
        return False
    return len(value) == 1 or (len(value) == 2 and _is_string(value.get("display")))


def _check_target(value: JsonObject, targets: frozenset[str], path: Path, found: Findings) -> None:
    """Report a literal reference whose type may not stand here, and a `#id` without target.

    The type is known from the text, the contained resource or the entry of the Bundle. Other
    absolute URLs may point to servers of any kind.
    """
    text = value.get("reference")
    if not isinstance(text, str):
        _check_declared(value, targets, path, found)
        return
    if text.startswith("#"):
        _check_fragment(text[1:], targets, path, found)
        return
    if not targets or text.partition("/")[0] in targets:
        return
    if text in found.entries:
        if found.entries[text] and found.entries[text] not in targets:
            _refuse(targets, path, found)
        return
    reference = references.parse(text)
    is_of_type = reference.kind in ("relative", "conditional")
    if is_of_type and reference.resource_type not in targets:
        _refuse(targets, path, found)
    elif reference.kind == "unknown" and _LIKE_RELATIVE.fullmatch(text):
        _refuse(targets, path, found)  # its type is none of R4, such as Patinet/1


def _check_declared(
    value: JsonObject, targets: frozenset[str], path: Path, found: Findings
) -> None:
    declared = value.get("type")
    if targets and isinstance(declared, str) and declared.isalpha() and declared not in targets:
        _refuse(targets, path, found)


def _check_fragment(fragment: str, targets: frozenset[str], path: Path, found: Findings) -> None:
    if not fragment:  # "#" is the containing resource
        resource_type = found.container_type
    elif fragment in found.contained:
        resource_type = found.contained[fragment]
    else:
        found.add(
            "invariant",
            "A reference that begins with # must name a contained resource (ref-1).",
            (path, "reference"),
            rule="ref-1",
        )
        return
    if targets and resource_type and resource_type not in targets:
        _refuse(targets, path, found)


def _refuse(targets: frozenset[str], path: Path, found: Findings) -> None:
    found.add(
        "invariant",
        f"The reference must be to {' or '.join(sorted(targets))}.",
        path,
        rule="reference-target",
    )
