"""Conditions that are decided for each hit, as it leaves: `_lastUpdated` and `_security`.

The database knows when anything changed, and the labels that a sender gave. The caller knows when
something changed that it may see, which is never later, and the labels that we compute. What the
database finds is therefore only what may match.
Source: R4 search.html#lastUpdated, search.html#security; design.md section 9
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeGuard

from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir import wire
from fhirbridge.search.clauses import AnyOf, Chain, Clause, Has, Missing, OfType, SearchClause
from fhirbridge.search.criteria import Criterion
from fhirbridge.search.parameter_types.date import DateCriterion
from fhirbridge.search.parameter_types.prefixes import Prefix
from fhirbridge.search.parameter_types.token import TokenCriterion
from fhirbridge.search.query import SearchQuery
from fhirbridge.storage.instants import to_millis
from fhirbridge.storage.versions import ResourceVersion

LAST_UPDATED = "Resource._lastUpdated"
_SECURITY = "Resource._security"
_ID = "Resource._id"
# Those that a later time can only meet better.
_RISING = frozenset({Prefix.GE, Prefix.GT, Prefix.SA})

# All of them must be met, each by one of its criteria.
Criteria: TypeAlias = tuple[tuple[DateCriterion, ...], ...]


@dataclass(frozen=True, slots=True)
class PerHit:
    """A search in two: the database answers `query`, the rest is decided for each hit.

    `newest_first` None: it is not sorted by time.
    """

    query: SearchQuery
    times: Criteria = ()
    labels: tuple[Clause | Missing, ...] = ()
    newest_first: bool | None = None

    def holds(self, version: ResourceVersion) -> bool:
        """Whether a version as it leaves is meant."""
        if self.times:
            moment = to_millis(version.last_updated)
            if not all(any(_holds(one, moment) for one in group) for group in self.times):
                return False
        if not self.labels:
            return True
        meta = wire.parse(version.content).get("meta", {})
        found = [
            (each.get("system", ""), each.get("code", "")) for each in meta.get("security", ())
        ]
        return all(_has_label(clause, found) for clause in self.labels)

    def is_after(self, mark: str, version: ResourceVersion) -> bool:
        """Whether a version comes after the mark of a page, which `mark_of` made.

        Raises InvalidContent for another mark.
        """
        if not mark:
            return True
        moment, _, reference = mark.partition(" ")
        if not moment.lstrip("-").isdigit():
            raise _refused("The mark of the page is that of another search.")
        place = (int(moment), reference)
        return place_of(version) < place if self.newest_first else place_of(version) > place


def place_of(version: ResourceVersion) -> tuple[int, str]:
    """Where a version stands in the order of times; those of one moment by their ids."""
    return to_millis(version.last_updated), version.reference


def mark_of(version: ResourceVersion) -> str:
    """The mark of a page that ends with this version."""
    moment, reference = place_of(version)
    return f"{moment} {reference}"


def split(query: SearchQuery) -> PerHit:
    """Take what is decided for each hit out of a search, and the order by time.

    Raises InvalidContent where they are mixed with what the database alone can answer.
    """
    kept: list[SearchClause] = []
    criteria: list[tuple[DateCriterion, ...]] = []
    labels: list[Clause | Missing] = []
    for clause in query.clauses:
        if isinstance(clause, Clause | Missing) and clause.names == (_SECURITY,):
            labels.append(clause)
            continue
        if not _is_timed(clause):
            if name := _mentioned(clause):
                words = "Only for the custodian's own systems can it stand in a chain."
                raise _refused(words, name)
            kept.append(clause)
            continue
        groups = tuple(map(_dates, (clause.criteria, *clause.also)))
        criteria += groups
        rising = [group for group in groups if all(one.prefix in _RISING for one in group)]
        if rising:
            kept.append(replace(clause, criteria=rising[0], also=tuple(rising[1:])))
    names = [key.parameter.name for key in query.sort]
    if _SECURITY in names:
        raise _refused("Only the custodian's own systems sort by it.", _SECURITY)
    if LAST_UPDATED not in names:
        return PerHit(replace(query, clauses=tuple(kept)), tuple(criteria), tuple(labels))
    if names[0] != LAST_UPDATED or set(names[1:]) - {_ID}:
        raise _refused("It sorts alone.")
    asked = replace(query, clauses=tuple(kept), sort=())
    return PerHit(asked, tuple(criteria), tuple(labels), query.sort[0].descending)


def _is_timed(clause: SearchClause) -> TypeGuard[Clause]:
    return isinstance(clause, Clause) and clause.parameter.name == LAST_UPDATED


def _dates(criteria: Sequence[Criterion]) -> tuple[DateCriterion, ...]:
    return tuple(each for each in criteria if isinstance(each, DateCriterion))


def _mentioned(clause: SearchClause) -> str:
    """What a condition asks inside of it that the database does not know as the caller does."""
    match clause:
        case Clause(parameter=parameter) if parameter.name in (LAST_UPDATED, _SECURITY):
            return parameter.name
        case Missing(parameter=parameter) if parameter.name == _SECURITY:
            return parameter.name
        case Chain(links=links):
            return next(filter(None, (_mentioned(link.clause) for link in links)), "")
        case Has(link=link):
            return _mentioned(link.clause)
        case AnyOf(clauses=clauses) | OfType(clauses=clauses):
            return next(filter(None, map(_mentioned, clauses)), "")
        case _:
            return ""


def _holds(criterion: DateCriterion, at: int) -> bool:
    first, last = criterion.low, criterion.high
    match criterion.prefix:
        case Prefix.EQ | Prefix.AP:
            return first <= at <= last
        case Prefix.NE:
            return not first <= at <= last
        case Prefix.GT | Prefix.SA:
            return at > last
        case Prefix.LT | Prefix.EB:
            return at < first
        case Prefix.GE:
            return at >= first
        case Prefix.LE:
            return at <= last


def _has_label(clause: Clause | Missing, found: list[tuple[str, str]]) -> bool:
    if isinstance(clause, Missing):
        return clause.missing != bool(found)
    wanted = [each for each in clause.criteria if isinstance(each, TokenCriterion)]
    has_any = any(
        each.system in (None, system) and each.code in (None, code)
        for each in wanted
        for system, code in found
    )
    return has_any != clause.negated


def _refused(why: str, name: str = LAST_UPDATED) -> InvalidContent:
    text = f"'{name.rpartition('.')[-1]}' cannot be used like this here. {why}"
    return InvalidContent(Issue("not-supported", text))
