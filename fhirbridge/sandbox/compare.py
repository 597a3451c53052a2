"""What a server made of a resource: what it dropped and what it changed. Pure.

What R4 lets a server write (id, version, time, narrative) and another way of writing the same
value (an absolute link, another offset, more digits) is no difference.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from fhirbridge.jsontypes import Json, JsonObject, Resource
from fhirbridge.partners.verdict import relative

_SERVERS_OWN = frozenset({"id", "text", "meta"})
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")

Kind = Literal["dropped", "changed"]


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """One element that did not come back as it was sent; no value is kept."""

    path: str
    kind: Kind


def compare(sent: Resource, stored: Resource) -> list[Difference]:
    """Differences between what was sent and what is read back, as FHIRPaths.

    Elements that the server added are no difference.
    """
    resource_type = str(sent.get("resourceType"))
    found: list[Difference] = []
    for name, value in sent.items():
        if name not in _SERVERS_OWN:
            found += _compare(value, stored.get(name), f"{resource_type}.{name}")
    found += _compare_meta(sent.get("meta") or {}, stored.get("meta") or {}, resource_type)
    return found


def _compare_meta(sent: JsonObject, stored: JsonObject, resource_type: str) -> list[Difference]:
    """Tags, labels and profiles are sets, to which a server may add."""
    found = []
    for name in ("profile", "security", "tag"):
        kept = stored.get(name) or []
        if any(not any(_same(one, other) for other in kept) for one in sent.get(name) or []):
            found.append(Difference(f"{resource_type}.meta.{name}", "dropped"))
    if "source" in sent and "source" not in stored:
        found.append(Difference(f"{resource_type}.meta.source", "dropped"))
    return found


def _compare(sent: Json, stored: Json, path: str) -> list[Difference]:
    if stored is None:
        return [] if sent is None else [Difference(path, "dropped")]
    if isinstance(sent, dict) and isinstance(stored, dict):
        return [
            difference
            for name, value in sent.items()
            for difference in _compare(value, stored.get(name), f"{path}.{name}")
        ]
    if isinstance(sent, list) and isinstance(stored, list):
        return _compare_lists(sent, stored, path)
    return [] if _same(sent, stored) else [Difference(path, "changed")]


def _compare_lists(sent: list[Json], stored: list[Json], path: str) -> list[Difference]:
    """Items are told apart by place, unless the server only sorted them otherwise."""
    if len(sent) == len(stored) and all(
        any(not _compare(one, other, path) for other in stored) for one in sent
    ):
        return []
    found: list[Difference] = []
    for index, value in enumerate(sent):
        other = stored[index] if index < len(stored) else None
        found += _compare(value, other, f"{path}[{index}]")
    return found


def _same(sent: Json, stored: Json) -> bool:
    if isinstance(sent, dict | list):
        return not _compare(sent, stored, "")
    if isinstance(sent, bool) or isinstance(stored, bool):
        return sent is stored
    if isinstance(sent, str) and isinstance(stored, str):
        return sent == stored or _same_link(sent, stored) or _same_instant(sent, stored)
    if isinstance(sent, int | float | Decimal) and isinstance(stored, int | float | Decimal):
        return Decimal(str(sent)) == Decimal(str(stored))
    return bool(sent == stored)


def _same_link(sent: str, stored: str) -> bool:
    return bool(relative(sent)) and relative(sent) == relative(stored)


def _same_instant(sent: str, stored: str) -> bool:
    if not (_INSTANT.match(sent) and _INSTANT.match(stored)):
        return False
    try:
        moments = [datetime.fromisoformat(text) for text in (sent, stored)]
    except ValueError:
        return False
    aware = all(moment.tzinfo for moment in moments)
    return aware and moments[0] == moments[1]
