"""A send plan as data: the rung, the entries in waves, and what is done with each."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal
from urllib.parse import parse_qsl

from fhirbridge.jsontypes import JsonObject, Resource


class Rung(StrEnum):
    """A way of sending, from the safest to the most laborious."""

    TRANSACTION = "transaction"
    BATCH = "batch"
    CONDITIONAL_CREATE = "conditional-create"
    SEARCH_THEN_CREATE = "search-then-create"
    DOCUMENT = "document"
    PAPER = "paper"


Action = Literal["create", "update", "keep", "match", "drop"]


@dataclass(frozen=True, slots=True)
class Held:
    """A resource that the partner has from an earlier version, and whether it is still the same;
    `version` is the partner's own, as we wrote it last ("" if that is not known)."""

    location: str
    unchanged: bool
    version: str = ""


@dataclass(frozen=True, slots=True)
class PlannedEntry:
    """One entry and what is done with it.

    `search` is its ifNoneExist; `location` where the partner holds it already (update, keep);
    `conditional` and `findable` that the partner honours If-None-Exist and can be searched by
    identifier for this type; `deferred` the fullUrls whose links are written only after all is
    there; `differs` that the partner holds an older content, and `version` what we wrote last.
    """

    full_url: str
    resource: Resource
    action: Action
    search: str = ""
    location: str = ""
    conditional: bool = False
    findable: bool = True
    deferred: frozenset[str] = frozenset()
    differs: bool = False
    version: str = ""

    @property
    def resource_type(self) -> str:
        """The type of the resource."""
        return str(self.resource["resourceType"])

    @property
    def token(self) -> str:
        """`system|value` of the identifier it is known by, or "" if there is none."""
        return dict(parse_qsl(self.search)).get("identifier", "")

    @property
    def lookup(self) -> str:
        """The token where the partner can be asked for it, else ""."""
        return self.token if self.findable else ""

    @property
    def is_repeatable(self) -> bool:
        """True if writing it twice makes no second one."""
        return self.action == "update" or bool(self.search and self.conditional)

    @property
    def identifier(self) -> JsonObject:
        """The same as an Identifier, {} if there is none."""
        system, bar, value = self.token.rpartition("|")
        if not value:
            return {}
        return {"system": system, "value": value} if bar and system else {"value": value}


@dataclass(frozen=True, slots=True)
class SendPlan:
    """What would be sent, in waves; every wave links only to earlier ones."""

    rung: Rung
    waves: tuple[tuple[PlannedEntry, ...], ...]
    matches: tuple[PlannedEntry, ...] = ()
    kept: tuple[PlannedEntry, ...] = ()
    dropped: tuple[PlannedEntry, ...] = ()
    losses: tuple[str, ...] = ()
    relinks: bool = False

    @property
    def entries(self) -> tuple[PlannedEntry, ...]:
        """All entries that are written, in order."""
        return tuple(entry for wave in self.waves for entry in wave)

    @property
    def everything(self) -> tuple[PlannedEntry, ...]:
        """Every entry of the Bundle, also those that are not written."""
        return (*self.entries, *self.matches, *self.kept, *self.dropped)

    def to_json(self) -> JsonObject:
        """The plan for people and programs: types, counts and ways; nothing of the record."""
        return {
            "rung": self.rung.value,
            "requests": 1 if self.rung is Rung.TRANSACTION else len(self.waves),
            "entries": [
                {
                    "fullUrl": one.full_url,
                    "resourceType": one.resource_type,
                    "action": one.action,
                    "ifNoneExist": bool(one.search and one.conditional),
                }
                for one in self.everything
            ],
            "counts": dict(sorted(Counter(e.resource_type for e in self.entries).items())),
            "losses": list(self.losses),
        }
