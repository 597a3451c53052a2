"""Take every identifying value out of a document, so that only its structure is sent. Pure.

Kept: codes that are in our tables or well-formed, numbers, booleans, times of day, time zones and
recurrence. Replaced: names, identifiers (consistently), addresses, telephone numbers, links and
all free text. Dates are moved by whole weeks, so that weekdays and distances stay.
Source: 45 CFR 164.514(b)(2), the identifiers of the safe harbour method.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import available_timezones

from fhirbridge.jsontypes import Json, JsonObject, NativeNode
from fhirbridge.native import documents

_BIRTH_DATE = "1990-01-01"
_LINK = "https://example.org/removed"
REPLACEMENTS: Mapping[str, str] = {  # by the name of the field
    "phone": "+12175550100",
    "safePhone": "+12175550100",
    "email": "person@example.org",
    "direct": "person@direct.example.org",
    "family": "Nobody",
    "given": "Pat",
}
_OWN_IDS = frozenset({"recordId", "enrollmentId", "planId", "referralId", "mrn", "number"})
_LEFT_OUT = frozenset(
    {"npi", "priorMrns", "address", "prefix", "suffix", "preferred", "sudCounselingNotesRef"}
)
_UNTIL = re.compile(r"UNTIL=(\d{8})(T\d{6}Z?)?")
_RRULE = re.compile(r"[A-Z0-9=;,+-]{1,200}")


def strip(document: JsonObject, *, weeks: int) -> JsonObject:
    """A document of the same structure that tells nothing of anybody.

    `weeks` is how far dates are moved back; it is to be chosen at random and not kept.
    Raises InvalidDocument if the document is not accepted in the first place.
    """
    kind = documents.kind_of(document)
    loaded = documents.load(kind, document)
    doubtful = {path for issue in loaded.issues for path in issue.expression}
    cleaner = _Cleaner(timedelta(weeks=weeks), frozenset(doubtful))
    node = documents.shape(kind)
    cleaner.learn_ids(loaded.data, node)
    cleaned: JsonObject = cleaner.clean(loaded.data, node, path="$", name="")
    cleaned["schema"] = loaded.data["schema"]
    cleaned["sourceSystem"] = "sandbox"
    return cleaned


@dataclass(slots=True)
class _Cleaner:
    shift: timedelta
    doubtful: frozenset[str]
    ids: dict[str, str] = field(default_factory=dict)
    texts: int = 0

    def learn_ids(
        self, value: Json, node: NativeNode, name: str = "", *, is_key: bool = False
    ) -> None:
        """Give every identifier in the document a new one, before references to it are met."""
        if node.kind == "object":
            for child, below in node.fields.items():
                if child in value:
                    self.learn_ids(value[child], below, child)
        elif node.kind == "list" and node.item is not None:
            keys = (node.key or "").split("+")
            for item in value:
                if node.item.kind == "object":
                    for key in keys:
                        part = node.item.fields.get(key)
                        if part is not None and part.kind == "string" and key in item:
                            self.learn_ids(item[key], part, key, is_key=True)
                self.learn_ids(item, node.item)
        elif node.kind == "string" and (is_key or name in _OWN_IDS) and isinstance(value, str):
            self.ids.setdefault(value, f"id-{len(self.ids) + 1}")

    def clean(self, value: Json, node: NativeNode, *, path: str, name: str) -> Json:
        """The value without anything that identifies; fields that have no neutral form go."""
        if node.kind == "object":
            return self._clean_object(value, node, path)
        if node.kind == "list" and node.item is not None:
            return [
                self.clean(item, node.item, path=f"{path}[{index}]", name=name)
                for index, item in enumerate(value)
            ]
        return self._clean_leaf(value, node, path, name)

    def _clean_object(self, value: JsonObject, node: NativeNode, path: str) -> JsonObject:
        return {
            child: self.clean(value[child], below, path=f"{path}.{child}", name=child)
            for child, below in node.fields.items()
            if child in value and (child not in _LEFT_OUT or below.required)
        }

    def _clean_leaf(self, value: Json, node: NativeNode, path: str, name: str) -> Json:
        if node.kind in ("integer", "decimal", "boolean", "time"):
            return value
        if name == "birthDate":
            return _BIRTH_DATE
        if node.kind in ("date", "datetime", "localdatetime"):
            return self._moved(str(value))
        if node.kind == "code":
            return "other" if path in self.doubtful and not node.codes else value
        if node.kind == "uri":
            return _LINK
        return self._clean_text(str(value), name)

    def _clean_text(self, text: str, name: str) -> str:
        if text in self.ids:
            return self.ids[text]
        if name == "tz":
            return text if text in available_timezones() else "UTC"
        if name == "rrule" and _RRULE.fullmatch(text):
            return _UNTIL.sub(self._moved_until, text)
        if name in REPLACEMENTS:
            return REPLACEMENTS[name]
        self.texts += 1
        return f"Text {self.texts}"

    def _moved(self, text: str) -> str:
        """A date, local date-time or date-time, moved back; its offset and time of day stay."""
        day, rest = text[:10], text[10:]
        return (date.fromisoformat(day) - self.shift).isoformat() + rest

    def _moved_until(self, match: re.Match[str]) -> str:
        day = datetime.strptime(match.group(1), "%Y%m%d") - self.shift
        return f"UNTIL={day:%Y%m%d}{match.group(2) or ''}"
