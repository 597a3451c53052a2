"""What a caller writes who saw only a part: the hidden rest stays as it was.

Source: design.md section 9 (writes are no oracle)
"""

from fhirbridge.consent.classes import DIRECTORY
from fhirbridge.consent.redaction import removed_elements
from fhirbridge.fhir.narrative import narrate
from fhirbridge.jsontypes import Json, Resource
from fhirbridge.storage.versions import ResourceVersion

_KEPT = ("resourceType", "id", "meta", "text")
ONLY_CUSTODIAN = "Only the custodian deletes patients, and what records of several may refer to."


def is_shared(version: ResourceVersion) -> bool:
    """True for what records may refer to that the caller cannot see: directories, and patients.

    Whether it could be deleted would tell of them.
    """
    return version.content_class == DIRECTORY or version.resource_type == "Patient"


def has_birth_date_of(written: Resource, stored: Resource) -> bool:
    """True unless a birth date, or what is said about it, was changed."""
    names = ("birthDate", "_birthDate")
    return all(written.get(name) == stored.get(name) for name in names)


def with_hidden(written: Resource, stored: Resource, shown: Resource) -> Resource:
    """The resource as it is to be stored: what was written, and what the writer could not see.

    Labels that were only added on the way out are not taken for labels of the writer.
    """
    whole = dict(written)
    hidden = removed_elements(stored, shown)
    for name, value in hidden.items():
        if name not in _KEPT:
            seen = shown.get(name)
            whole[name] = (
                value if whole.get(name) == seen else _joined(whole.get(name), value, seen)
            )
    if hidden and "text" in stored:
        whole["text"] = narrate(whole)
    elif written.get("text") == shown.get("text") and "text" in stored:
        whole["text"] = stored["text"]
    meta = _own_meta(written.get("meta"), stored.get("meta"), shown.get("meta"))
    if meta:
        return {**whole, "meta": meta}
    whole.pop("meta", None)
    return whole


def _joined(written: Json, stored: Json, shown: Json) -> Json:
    if not isinstance(stored, list):
        # Whom it names would else be seen to stay away where another one is hidden.
        is_reference = isinstance(stored, dict) and "reference" in stored
        return written if is_reference and written is not None and shown is None else stored
    seen = shown if isinstance(shown, list) else []
    given = written if isinstance(written, list) else []
    partly: list[Json] = []  # as stored, in the order of `seen`
    hidden: list[Json] = []
    for item in stored:
        is_next = len(partly) < len(seen) and _is_part(seen[len(partly)], item)
        (partly if is_next else hidden).append(item)
    if len(partly) < len(seen):
        return stored
    return [*_restored(given, partly, seen), *hidden]


def _restored(given: list[Json], partly: list[Json], seen: list[Json]) -> list[Json]:
    """Items with what the writer could not see of them: of the same item, else of that place."""
    left = list(range(len(seen)))
    pairs: dict[int, int] = {}
    for index, item in enumerate(given):
        same = next((number for number in left if seen[number] == item), None)
        if same is not None:
            pairs[index] = same
            left.remove(same)
    for index in range(len(given)):
        if index not in pairs and index in left:
            pairs[index] = index
    return [
        _item(item, partly[pairs[index]], seen[pairs[index]]) if index in pairs else item
        for index, item in enumerate(given)
    ]


def _item(written: Json, stored: Json, shown: Json) -> Json:
    if written == shown:
        return stored
    if not (isinstance(written, dict) and isinstance(stored, dict) and isinstance(shown, dict)):
        return written
    whole = dict(written)
    for name, value in stored.items():
        if name not in shown:
            whole[name] = value
        elif isinstance(value, list) and value != shown[name]:
            whole[name] = _joined(whole.get(name), value, shown[name])
    return whole


def _is_part(shown: Json, stored: Json) -> bool:
    """True if `shown` may be what was left of `stored`."""
    if isinstance(shown, dict) and isinstance(stored, dict):
        return all(name in stored and _is_part(each, stored[name]) for name, each in shown.items())
    if isinstance(shown, list) and isinstance(stored, list):
        return all(any(_is_part(one, other) for other in stored) for one in shown)
    return bool(shown == stored)


def _own_meta(written: Json, stored: Json, shown: Json) -> Resource:
    meta = dict(written) if isinstance(written, dict) else {}
    before = stored.get("security", []) if isinstance(stored, dict) else []
    added = shown.get("security", []) if isinstance(shown, dict) else []
    given = meta.pop("security", [])
    security = [*before, *(each for each in given if each not in added and each not in before)]
    return {**meta, "security": security} if security else meta
