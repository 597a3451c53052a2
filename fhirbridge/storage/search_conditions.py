"""Search clauses -> SQL over the index tables.

Every clause that can be looked up becomes a `Source`: rows of an index, and which column holds
the key of the resource. A source can lead a query, or be asked about one resource.
"""

from itertools import count
from typing import TypeAlias

from fhirbridge.fhir.definitions import definitions
from fhirbridge.records import record
from fhirbridge.search.clauses import (
    AnyOf,
    Chain,
    Clause,
    Has,
    Identity,
    Link,
    Missing,
    OfType,
    SearchClause,
    Together,
)
from fhirbridge.search.parameter_types.date import DateCriterion
from fhirbridge.search.parameter_types.token import TokenCriterion
from fhirbridge.search.scope import Scope
from fhirbridge.search.values import IDENTIFIER, TEXT
from fhirbridge.storage.fragments import Sql, joined, one_of
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.search_criteria import (
    date_condition,
    matches,
    table_of,
    table_of_parameter,
)
from fhirbridge.storage.visibility import visible

# resource types; () means all
Types: TypeAlias = tuple[str, ...]

REFERENCES = "index_references"
ID = "Resource._id"
LAST_UPDATED = "Resource._lastUpdated"


@record()
class Source:
    """Rows that match a clause: `SELECT key FROM tables WHERE where`."""

    tables: str
    key: str
    where: Sql

    def keys(self) -> Sql:
        """The keys of all matching resources, as a subquery."""
        text = f"SELECT {self.key} FROM {self.tables} WHERE {self.where.text}"  # noqa: S608
        return Sql(text, self.where.parameters)

    def holds_for(self, key: str) -> Sql:
        """Whether the resource in the column `key` is among them."""
        text = (
            f"EXISTS (SELECT 1 FROM {self.tables}"  # noqa: S608
            f" WHERE {self.where.text} AND {self.key} = {key})"
        )
        return Sql(text, self.where.parameters)


class Builder:
    """Makes the SQL of clauses for one custodian and one scope, with unique table aliases."""

    def __init__(self, custodian_id: int, scope: Scope, *, dialect: str) -> None:
        self._custodian_id = custodian_id
        self._scope = scope
        self._dialect = dialect
        self._aliases = count(1)

    def alias(self, letter: str) -> str:
        """A table alias that this query does not use yet."""
        return f"{letter}{next(self._aliases)}"

    def visible(self, alias: str) -> list[Sql]:
        """The conditions on a row of any table: this custodian's, and inside the scope."""
        return visible(alias, self._custodian_id, self._scope, dialect=self._dialect)

    def pointing(self, alias: str) -> list[Sql]:
        """Where not everything may be seen: that a row of `index_references` shows its target.

        So it does if that is the patient whose row it is, elsewhere, or inside the scope.
        """
        if not self._scope.is_limited:
            return []
        target = self.alias("r")
        seen = joined(
            [
                Sql(f"{target}.reference_key = {alias}.target_key"),
                *self.visible(target),
                Sql(f"NOT {target}.deleted"),
            ],
            "AND",
        )
        text = (
            f"({alias}.target_key = {alias}.patient_key"  # noqa: S608
            f" OR ({alias}.patient_key = -1 AND {alias}.target_type = 'Patient')"
            f" OR NOT EXISTS (SELECT 1 FROM resources r WHERE r.custodian_id = ?"
            f" AND r.reference_key = {alias}.target_key)"
            f" OR EXISTS (SELECT 1 FROM resources {target} WHERE {seen.text}))"
        )
        return [Sql(text, (self._custodian_id, *seen.parameters))]

    def condition(self, clause: SearchClause, key: str, types: Types) -> Sql:
        """Whether a clause on resources of `types` holds for the one in the column `key`."""
        if isinstance(clause, Missing):
            found = joined([each.holds_for(key) for each in self._present(clause, types)], "OR")
            return Sql(f"NOT {found.text}", found.parameters) if clause.missing else found
        if isinstance(clause, AnyOf):
            return joined([self.condition(each, key, types) for each in clause.clauses], "OR")
        if isinstance(clause, Clause) and clause.negated:
            found = self._values(clause, types).holds_for(key)
            return Sql(f"NOT {found.text}", found.parameters)
        if isinstance(clause, Chain):
            # The plus keeps SQLite from trying every target for every row.
            return self._chain(clause, target="+{}.target_key").holds_for(key)
        source = self.source(clause, types)
        assert source is not None  # noqa: S101  (the rest can lead)
        return source.holds_for(key)

    def source(self, clause: SearchClause, types: Types) -> Source | None:
        """The rows that match a clause; None for a clause that cannot be looked up."""
        match clause:
            case Clause(negated=False):
                return self._values(clause, types)
            case Chain():
                return self._chain(clause)
            case Has():
                return self._has(clause)
            case Together():
                return self._together(clause)
            case Identity(references=references):
                alias = self.alias("r")
                keys = [key_of(reference) for reference in references]
                return self._resources(alias, one_of(f"{alias}.reference_key", keys))
            case AnyOf():
                return self._any_of(clause, types)
            case OfType():
                return self._of_type(clause, self.alias("r"))
            case _:
                return None

    def _resources(self, alias: str, condition: Sql) -> Source:
        where = [*self.visible(alias), condition, Sql(f"NOT {alias}.deleted")]
        return Source(f"resources {alias}", f"{alias}.key", joined(where, "AND"))

    def _values(self, clause: Clause, types: Types) -> Source:
        name = clause.parameter.name
        alias = self.alias("r" if name in (ID, LAST_UPDATED) else "x")
        if name == ID:
            codes = [each.code for each in clause.criteria if isinstance(each, TokenCriterion)]
            parts = [
                one_of(f"{alias}.resource_type", _names_of(types)),
                one_of(f"{alias}.resource_id", codes),
            ]
            return self._resources(alias, joined(parts, "AND"))
        if name == LAST_UPDATED:
            column = f"{alias}.last_updated"
            sets = [
                [
                    date_condition(each, column, column)
                    for each in criteria
                    if isinstance(each, DateCriterion)
                ]
                for criteria in (clause.criteria, *clause.also)
            ]
            conditions = [joined(parts, "OR") for parts in sets]
            # The index on the time starts with the type.
            of_types = one_of(f"{alias}.resource_type", _names_of(types))
            return self._resources(alias, joined([of_types, *conditions], "AND"))
        return Source(
            f"{table_of(clause)} {alias}", f"{alias}.resource_key", self._row(clause, alias)
        )

    def _row(self, clause: Clause, alias: str) -> Sql:
        """The condition on one index row."""
        is_reference = table_of(clause) == REFERENCES
        return joined(
            [
                *self.visible(alias),
                one_of(f"{alias}.parameter", [key_of(name) for name in clause.names]),
                matches(clause, alias),
                *(self.pointing(alias) if is_reference else ()),
            ],
            "AND",
        )

    def _present(self, clause: Missing, types: Types) -> list[Source]:
        if clause.parameter.name in (ID, LAST_UPDATED):
            return [self._resources(self.alias("r"), Sql("1 = 1"))]
        # A reference may be an identifier only, a coded element may have nothing but text.
        places = [(table_of_parameter(clause.parameter), "")]
        if clause.parameter.type == "reference":
            places.append(("index_tokens", IDENTIFIER))
        if clause.parameter.type == "token":
            places.append(("index_strings", TEXT))
        sources = []
        for table, suffix in places:
            alias = self.alias("x")
            keys = [key_of(name + suffix) for name in clause.names]
            where = [*self.visible(alias), one_of(f"{alias}.parameter", keys)]
            where += self.pointing(alias) if table == REFERENCES else []
            sources.append(
                Source(f"{table} {alias}", f"{alias}.resource_key", joined(where, "AND"))
            )
        return sources

    def _chain(self, clause: Chain, target: str = "{}.target_key") -> Source:
        alias = self.alias("x")
        column = target.format(alias)
        targets = [self._described(link, "reference_key") for link in clause.links]
        inner = f"{column} IN ({' UNION ALL '.join(each.text for each in targets)})"
        where = [
            *self.visible(alias),
            one_of(f"{alias}.parameter", [key_of(name) for name in clause.names]),
            Sql(inner, tuple(value for each in targets for value in each.parameters)),
        ]
        return Source(f"index_references {alias}", f"{alias}.resource_key", joined(where, "AND"))

    def _has(self, clause: Has) -> Source:
        alias, referrer = self.alias("r"), self.alias("x")
        described = self._described(clause.link, "key")
        where = joined(
            [
                *self.visible(referrer),
                Sql(f"{referrer}.parameter = ?", (key_of(clause.name),)),
                Sql(f"{referrer}.resource_key IN ({described.text})", described.parameters),
            ],
            "AND",
        )
        inner = (
            f"{alias}.reference_key IN (SELECT {referrer}.target_key"  # noqa: S608
            f" FROM index_references {referrer} WHERE {where.text})"
        )
        return self._resources(alias, Sql(inner, where.parameters))

    def _described(self, link: Link, column: str) -> Sql:
        """One column of all resources that a link describes, looked up in its index first."""
        alias = self.alias("r")
        found = self._of_type(OfType(link.resource_type, (link.clause,)), alias)
        text = f"SELECT {alias}.{column} FROM {found.tables} WHERE {found.where.text}"  # noqa: S608
        return Sql(text, found.where.parameters)

    def _of_type(self, clause: OfType, alias: str) -> Source:
        """The resources of a type, those that match the first clause looked up in its index."""
        types = (clause.resource_type,)
        found = self._resources(alias, Sql(f"{alias}.resource_type = ?", types))
        tables, key, where = found.tables, found.key, [found.where]
        remaining = clause.clauses
        source = self.source(remaining[0], types) if remaining else None
        if source is not None:
            remaining = remaining[1:]
            tables = f"{source.tables} CROSS JOIN {tables}"
            where = [source.where, Sql(f"{key} = {source.key}"), *where]
        where += [self.condition(each, key, types) for each in remaining]
        return Source(tables, key, joined(where, "AND"))

    def _together(self, clause: Together) -> Source:
        tables, conditions = [], []
        first = ""
        for part in clause.parts:
            alias = self.alias("x")
            condition = self._row(part, alias)
            if first:
                same = (
                    f"{alias}.resource_key = {first}.resource_key"
                    f" AND {alias}.ordinal = {first}.ordinal"
                )
                condition = joined([Sql(same), condition], "AND")
            first = first or alias
            tables.append(f"{table_of(part)} {alias}")
            conditions.append(condition)
        return Source(", ".join(tables), f"{first}.resource_key", joined(conditions, "AND"))

    def _any_of(self, clause: AnyOf, types: Types) -> Source | None:
        sources = [self.source(each, types) for each in clause.clauses]
        found = [source for source in sources if source is not None]
        return self._union(found) if len(found) == len(sources) else None

    def _union(self, sources: list[Source]) -> Source:
        if len(sources) == 1:
            return sources[0]
        alias = self.alias("u")
        parts = [source.keys() for source in sources]
        text = " UNION ".join(f"{part.text}" for part in parts)
        # The first column of a UNION gives the name.
        inner = f"(SELECT 0 AS key WHERE 1 = 0 UNION {text}) {alias}"
        parameters = tuple(value for part in parts for value in part.parameters)
        return Source(inner, f"{alias}.key", Sql("1 = 1", parameters))


def _names_of(types: Types) -> Types:
    return types or tuple(sorted(definitions().resource_types))
