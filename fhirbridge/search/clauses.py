"""Search conditions as data: what `search.conditions` reads and storage carries out.

Source: R4 search.html#modifiers, search.html#chaining, search.html#has, search.html#composite
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from fhirbridge.fhir.search_parameters import SearchParameter
from fhirbridge.records import record
from fhirbridge.search.criteria import Criterion
from fhirbridge.search.parameter_types.reference import ReferenceCriterion


@record()
class Clause:
    """Any index value under one of `names` matches any of the criteria; `negated`: none does.

    `also` are further sets of criteria, one of each of which the same value must match.
    """

    parameter: SearchParameter
    names: tuple[str, ...]
    criteria: tuple[Criterion, ...]
    negated: bool = False
    also: tuple[tuple[Criterion, ...], ...] = ()


@record()
class Missing:
    """The resource has no value for a parameter, or with `missing=False`, has one."""

    parameter: SearchParameter
    names: tuple[str, ...]
    missing: bool


@record()
class Link:
    """A clause on resources of one type."""

    resource_type: str
    clause: "SearchClause"


@record()
class Chain:
    """A reference points to a resource that one of the links describes."""

    names: tuple[str, ...]
    links: tuple[Link, ...]


@record()
class Has:
    """A resource that the link describes points here by its reference parameter `name`."""

    name: str
    link: Link


@record()
class Together:
    """All parts match in the same repetition of the base element of a composite parameter."""

    parts: tuple[Clause, ...]


@record()
class AnyOf:
    """At least one of the clauses holds."""

    clauses: tuple["SearchClause", ...]


@record()
class Identity:
    """The resource is one of these (`CarePlan/1`)."""

    references: tuple[str, ...]


@record()
class OfType:
    """A resource of the type for which all clauses hold, in a search that is on all types."""

    resource_type: str
    clauses: tuple["SearchClause", ...]


SearchClause: TypeAlias = Clause | Missing | Chain | Has | Together | AnyOf | Identity | OfType


def merged(clauses: Sequence[SearchClause]) -> tuple[SearchClause, ...]:
    """Join conditions on the same parameter where a resource has one index row at most.

    `date=ge2026-01-01&date=lt2026-02-01` is then one range of the index and not two.
    """
    found: list[SearchClause] = []
    by_names: dict[tuple[str, ...], int] = {}
    for clause in clauses:
        if not isinstance(clause, Clause) or clause.negated or not _has_one_row(clause.parameter):
            found.append(clause)
        elif clause.names in by_names:
            position = by_names[clause.names]
            known = found[position]
            assert isinstance(known, Clause)  # noqa: S101  (by construction)
            found[position] = replace(known, also=(*known.also, clause.criteria))
        else:
            by_names[clause.names] = len(found)
            found.append(clause)
    return tuple(found)


def weight(clause: SearchClause) -> int:
    """How many values a clause compares with, all alternatives taken together."""
    match clause:
        case Clause(names=names):
            criteria = [each for group in (clause.criteria, *clause.also) for each in group]
            return len(names) + sum(
                len(each.targets) if isinstance(each, ReferenceCriterion) else 1
                for each in criteria
            )
        case Chain(links=links):
            return sum(weight(link.clause) for link in links)
        case Has(link=link):
            return weight(link.clause)
        case Together(parts=parts):
            return sum(weight(part) for part in parts)
        case AnyOf(clauses=clauses) | OfType(clauses=clauses):
            return sum(weight(each) for each in clauses)
        case Identity(references=references):
            return len(references)
        case Missing(names=names):
            return len(names)


def _has_one_row(parameter: SearchParameter) -> bool:
    """A coded element has a row for each coding, a quantity for code and unit."""
    return parameter.is_single and parameter.type in ("date", "number")
