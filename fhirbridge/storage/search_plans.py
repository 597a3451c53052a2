"""How a search is carried out: which clause leads, what rows are sorted by, and the SQL of it.

SQLite keeps the order of tables across CROSS JOIN: the leading clause comes first.
"""

from collections.abc import Sequence
from typing import Any

from fhirbridge.records import record
from fhirbridge.search.clauses import AnyOf, Chain, Clause, Identity, SearchClause, Together
from fhirbridge.search.query import SearchQuery, SortKey
from fhirbridge.search.scope import Scope
from fhirbridge.storage.fragments import Sql, joined, one_of
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.search_conditions import ID, LAST_UPDATED, Builder
from fhirbridge.storage.search_criteria import table_of_parameter
from fhirbridge.storage.search_leading import leading_clause
from fhirbridge.storage.search_ranges import order_of
from fhirbridge.storage.session import Session

# Above all dates, keys and numbers that are likely; what has no value is sorted with them.
_HIGHEST = 2**62
_LAST_TEXT = "\U0010ffff"
# parameter type -> the columns for the ascending and the descending order
_SORT_COLUMNS: dict[str, tuple[str, str]] = {
    "token": ("code", "code"),
    "string": ("normalized", "normalized"),
    "date": ("low", "high"),
    "reference": ("target_key", "target_key"),
    "number": ("low", "high"),
    "quantity": ("low", "high"),
    "uri": ("uri", "uri"),
}
_TEXTS = frozenset({"token", "string", "uri"})


@record()
class OrderColumn:
    """A column of the page by which it is sorted; `expression` says what it is.

    `is_text`: it holds texts, else numbers.
    """

    name: str
    expression: Sql
    descending: bool
    is_text: bool

    @property
    def direction(self) -> str:
        """What follows the name in ORDER BY."""
        return " DESC" if self.descending else ""


@record()
class Plan:
    """`SELECT … FROM tables WHERE where`, `key` being the expression of the resource's key.

    `is_direct`: the order needs nothing but columns of `tables`, so that an index can give it.
    `repeats`: one resource may come in several rows. `led_by`: the place of the leading clause
    among those of the query, -1 for none.
    """

    tables: str
    key: str
    where: Sql
    order: tuple[OrderColumn, ...]
    is_direct: bool
    repeats: bool
    led_by: int

    def page(self, after: Sequence[Any], limit: int) -> Sql:
        """The order columns and `key` of up to `limit` resources that come after a row."""
        return self._direct(after, limit) if self.is_direct else self._sorted(after, limit)

    def count(self, limit: int | None) -> Sql:
        """The number of matches, not counted much beyond `limit`."""
        key = f"DISTINCT {self.key}" if self.repeats else "1"
        bound = "" if limit is None else f" LIMIT {limit + 1}"
        inner = f"SELECT {key} FROM {self.tables} WHERE {self.where.text}{bound}"  # noqa: S608
        return Sql(f"SELECT COUNT(*) FROM ({inner}) c", self.where.parameters)  # noqa: S608

    def _direct(self, after: Sequence[Any], limit: int) -> Sql:
        where = [self.where]
        if after:
            where.append(_beyond([c.expression.text for c in self.order], self.order, after))
        condition = joined(where, "AND")
        columns = ", ".join(f"{c.expression.text} AS {c.name}" for c in self.order)
        group = ", ".join(dict.fromkeys([*(c.expression.text for c in self.order), self.key]))
        grouping = f" GROUP BY {group}" if self.repeats else ""
        order = ", ".join(f"{c.expression.text}{c.direction}" for c in self.order)
        text = (
            f"SELECT {columns}, {self.key} AS key FROM {self.tables}"  # noqa: S608
            f" WHERE {condition.text}{grouping} ORDER BY {order} LIMIT ?"
        )
        return Sql(text, (*condition.parameters, limit))

    def _sorted(self, after: Sequence[Any], limit: int) -> Sql:
        columns = ", ".join(f"{c.expression.text} AS {c.name}" for c in self.order)
        parameters = [value for c in self.order for value in c.expression.parameters]
        parameters += self.where.parameters
        condition = Sql("1 = 1")
        if after:
            condition = _beyond([f"q.{c.name}" for c in self.order], self.order, after)
        order = ", ".join(f"q.{c.name}{c.direction}" for c in self.order)
        text = (
            f"SELECT q.* FROM (SELECT {columns}, d.key AS key"  # noqa: S608
            f" FROM (SELECT DISTINCT {self.key} AS key FROM {self.tables}"
            f" WHERE {self.where.text}) d CROSS JOIN resources o WHERE o.key = d.key) q"
            f" WHERE {condition.text} ORDER BY {order} LIMIT ?"
        )
        return Sql(text, (*parameters, *condition.parameters, limit))


def make_plan(
    session: Session,
    query: SearchQuery,
    scope: Scope,
    *,
    custodian_id: int,
    led_by: int | None = None,
) -> Plan:
    """Decide how to carry out a query; may count how much the clauses match to do so.

    `led_by` is that of the plan of the page before: where it fits the query, it leads again,
    whatever was written meanwhile, or pages would go on in another order.
    """
    builder = Builder(custodian_id, scope, dialect=session.connection.dialect.name)
    leading = leading_clause(session, builder, query, led_by)
    if leading is None:
        tables, key = "resources r", "r.key"
        where = [*builder.visible("r"), Sql("NOT r.deleted")]
        remaining = query.clauses
        if query.types:
            where.append(one_of("r.resource_type", query.types))
    else:
        clause, source = leading
        tables, key = source.tables, source.key
        where = [source.where]
        remaining = tuple(each for each in query.clauses if each is not clause)
        if scope.is_limited or (query.types and not _says_type(clause)):
            tables = f"{tables} CROSS JOIN resources r"
            where += [Sql(f"r.key = {key}"), *builder.visible("r")]
            if query.types:
                where.append(one_of("r.resource_type", query.types))
    where += [builder.condition(each, key, query.types) for each in remaining]
    ranged = order_of(*leading, query) if leading else ()
    is_direct = bool(ranged) or not query.sort
    if leading is None:
        is_direct = all(_is_column(each) for each in query.sort)
    return Plan(
        tables=tables,
        key=key,
        where=joined(where, "AND"),
        order=_order(
            builder, query, key if is_direct else "d.key", is_led=leading is not None, ranged=ranged
        ),
        is_direct=is_direct,
        repeats=leading is not None and not ranged,
        led_by=query.clauses.index(leading[0]) if leading else -1,
    )


def _says_type(clause: SearchClause) -> bool:
    """True if only resources of the searched type can match, whatever the type is."""
    match clause:
        case Clause(names=names) | Chain(names=names):
            return names == (LAST_UPDATED,) or not any(
                name.startswith("Resource.") for name in names
            )
        case Together() | Identity():
            return True
        case AnyOf(clauses=clauses):
            return all(_says_type(each) for each in clauses)
        case _:
            return False


def _is_column(key: SortKey) -> bool:
    return key.parameter.name in (ID, LAST_UPDATED)


def _order(
    builder: Builder, query: SearchQuery, key: str, *, is_led: bool, ranged: Sequence[str]
) -> tuple[OrderColumn, ...]:
    row = "o" if key == "d.key" else "r"
    descending = query.sort[-1].descending if query.sort else False
    if ranged:
        names = (*ranged, key)
        return tuple(OrderColumn(f"o{n}", Sql(c), descending, False) for n, c in enumerate(names))
    columns = [
        OrderColumn(
            f"o{number}",
            _sort_expression(builder, each, row, key),
            each.descending,
            is_text=each.parameter.name != LAST_UPDATED and each.parameter.type in _TEXTS,
        )
        for number, each in enumerate(query.sort)
    ]
    # The last key is unique, and runs in the direction of the one before, as its index does.
    last = Sql(key)
    by_id = not is_led and not query.sort and len(query.types) == 1
    if by_id:
        last = Sql("r.resource_id")
    return (*columns, OrderColumn("last_key", last, descending, is_text=by_id))


def _sort_expression(builder: Builder, sort: SortKey, row: str, key: str) -> Sql:
    parameter = sort.parameter
    if parameter.name == ID:
        return Sql(f"{row}.resource_id")
    if parameter.name == LAST_UPDATED:
        return Sql(f"{row}.last_updated")
    alias = builder.alias("s")
    low, high = _SORT_COLUMNS[parameter.type]
    # As an expression, or an index in the order of the values would be read from its end.
    plain = f"{alias}.{high if sort.descending else low}"
    value = f"{plain} || ''" if parameter.type in _TEXTS else f"+{plain}"
    column = f"{'MAX' if sort.descending else 'MIN'}({value})"
    where = joined(
        [
            Sql(f"{alias}.resource_key = {key}"),
            one_of(f"{alias}.parameter", [key_of(name) for name in sort.names]),
            *builder.visible(alias),
            *(builder.pointing(alias) if parameter.type == "reference" else ()),
        ],
        "AND",
    )
    # Resources without a value come last in both directions.
    missing: str | int = _HIGHEST * (-1 if sort.descending else 1)
    if parameter.type in _TEXTS:
        missing = "" if sort.descending else _LAST_TEXT
    text = (
        f"COALESCE((SELECT {column} FROM {table_of_parameter(parameter)} {alias}"  # noqa: S608
        f" WHERE {where.text}), ?)"
    )
    return Sql(text, (*where.parameters, missing))


def _beyond(names: Sequence[str], order: Sequence[OrderColumn], after: Sequence[Any]) -> Sql:
    """Whether a row comes after the row with the values `after`."""
    descending = [column.descending for column in order]
    if len(set(descending)) == 1:
        sign = "<" if descending[0] else ">"
        marks = ", ".join("?" * len(names))
        return Sql(f"({', '.join(names)}) {sign} ({marks})", tuple(after))
    alternatives = []
    for position, name in enumerate(names):
        same = [Sql(f"{names[n]} = ?", (after[n],)) for n in range(position)]
        sign = "<" if descending[position] else ">"
        alternatives.append(joined([*same, Sql(f"{name} {sign} ?", (after[position],))], "AND"))
    return joined(alternatives, "OR")
