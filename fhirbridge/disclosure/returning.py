"""What a caller writes who saw only a part: the hidden rest stays as it was.

Source: design.md section 9 (writes are no oracle)
"""

from fhirbridge.consent.redaction import removed_elements
from fhirbridge.fhir.narrative import narrate
from fhirbridge.jsontypes import Json, Resource

_KEPT = ("resourceType", "id", "meta", "text")


def with_hidden(written: Resource, stored: Resource, shown: Resource) -> Resource:
    """The resource as it is to be stored: what was written, and what the writer could not see.

    Labels that were only added on the way out are not taken for labels of the writer.
    """
    whole = dict(written)
    hidden = removed_elements(stored, shown)
    for name, value in hidden.items():
        if name not in _KEPT:
            whole[name] = _joined(whole.get(name), value, shown.get(name))
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
        return stored
    seen = shown if isinstance(shown, list) else []
    given = written if isinstance(written, list) else []
    return [*given, *(item for item in stored if item not in seen)]


def _own_meta(written: Json, stored: Json, shown: Json) -> Resource:
    meta = dict(written) if isinstance(written, dict) else {}
    before = stored.get("security", []) if isinstance(stored, dict) else []
    added = shown.get("security", []) if isinstance(shown, dict) else []
    given = meta.pop("security", [])
    security = [*before, *(each for each in given if each not in added and each not in before)]
    return {**meta, "security": security} if security else meta
