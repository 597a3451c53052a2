"""Search values -> SQL conditions on one index row.

Source: R4 search.html#prefix and the section of each parameter type
"""

from fhirbridge.fhir.search_parameters import SearchParameter
from fhirbridge.search.clauses import Clause
from fhirbridge.search.criteria import Criterion
from fhirbridge.search.parameter_types.date import DateCriterion
from fhirbridge.search.parameter_types.number import NumberCriterion
from fhirbridge.search.parameter_types.prefixes import Prefix
from fhirbridge.search.parameter_types.quantity import QuantityCriterion
from fhirbridge.search.parameter_types.reference import ReferenceCriterion
from fhirbridge.search.parameter_types.string import StringCriterion
from fhirbridge.search.parameter_types.token import TokenCriterion
from fhirbridge.search.parameter_types.uri import UriCriterion, ancestors
from fhirbridge.storage.fragments import Sql, joined, one_of
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.search_index import PREFIX_LENGTH, URI_LENGTH

# Above every character that a text can hold.
_LAST = "\U0010ffff"

_TABLES = {
    "token": "index_tokens",
    "string": "index_strings",
    "date": "index_dates",
    "reference": "index_references",
    "number": "index_numbers",
    "quantity": "index_quantities",
    "uri": "index_uris",
}
_CRITERION_TABLES: dict[type, str] = {
    TokenCriterion: "index_tokens",
    StringCriterion: "index_strings",
    DateCriterion: "index_dates",
    ReferenceCriterion: "index_references",
    NumberCriterion: "index_numbers",
    QuantityCriterion: "index_quantities",
    UriCriterion: "index_uris",
}


def table_of(clause: Clause) -> str:
    """The index table in which a clause looks; modifiers may change it."""
    return _CRITERION_TABLES[type(clause.criteria[0])]


def table_of_parameter(parameter: SearchParameter) -> str:
    """The index table that holds the plain values of a parameter."""
    return _TABLES[parameter.type]


# A date without a month covers a year; with the days that a zone may shift it.
_LONGEST_POINT_MS = 368 * 86_400_000
_LONGEST_INSTANT_MS = 1_000


def matches(clause: Clause, alias: str) -> Sql:
    """Whether an index row matches the criteria of a clause."""
    parts = [_any(each, alias) for each in (clause.criteria, *clause.also)]
    if clause.parameter.is_point:
        parts += _bounds(clause, alias)
    return joined(parts, "AND")


def _bounds(clause: Clause, alias: str) -> list[Sql]:
    """Bounds of `low` that follow from those of `high`: then the range in the index is closed."""
    found = []
    longest = _LONGEST_INSTANT_MS if clause.parameter.is_instant else _LONGEST_POINT_MS
    for criteria in (clause.criteria, *clause.also):
        match criteria:
            case (DateCriterion(prefix=Prefix.GE | Prefix.GT | Prefix.AP, low=low),):
                found.append(Sql(f"{alias}.low >= ?", (low - longest,)))
            case (DateCriterion(prefix=Prefix.EB, low=low),):
                found.append(Sql(f"{alias}.low < ?", (low,)))
    return found


def _any(criteria: tuple[Criterion, ...], alias: str) -> Sql:
    """Whether an index row matches one of the criteria, which are all of one kind."""
    if isinstance(criteria[0], TokenCriterion):
        return _tokens([c for c in criteria if isinstance(c, TokenCriterion)], alias)
    if isinstance(criteria[0], ReferenceCriterion):
        targets = [t for c in criteria if isinstance(c, ReferenceCriterion) for t in c.targets]
        return one_of(f"{alias}.target_key", [key_of(target) for target in targets])
    return joined([_criterion(each, alias) for each in criteria], "OR")


def _tokens(criteria: list[TokenCriterion], alias: str) -> Sql:
    """One condition for each system; a system alone stands for all its codes."""
    codes_by_system: dict[str | None, list[str]] = {}
    found = []
    for criterion in criteria:
        if criterion.code is None:
            found.append(Sql(f"{alias}.system = ?", (key_of(criterion.system or ""),)))
        else:
            codes_by_system.setdefault(criterion.system, []).append(criterion.code)
    for system, codes in codes_by_system.items():
        part = one_of(f"{alias}.code_key", [key_of(code) for code in codes])
        if system is not None:
            part = joined([part, Sql(f"{alias}.system = ?", (key_of(system),))], "AND")
        found.append(part)
    return joined(found, "OR")


def _criterion(criterion: Criterion, alias: str) -> Sql:
    match criterion:
        case StringCriterion():
            return _string(criterion, alias)
        case DateCriterion():
            return date_condition(criterion, f"{alias}.low", f"{alias}.high")
        case NumberCriterion():
            return _number(criterion, alias)
        case QuantityCriterion(number=number, system=system, code=code):
            parts = [_number(number, alias)]
            if code is not None:
                parts.append(Sql(f"{alias}.code_key = ?", (key_of(code),)))
            if system is not None:
                parts.append(Sql(f"{alias}.system = ?", (key_of(system),)))
            return joined(parts, "AND")
        case UriCriterion():
            return _uri(criterion, alias)
        case _:
            raise AssertionError(f"{type(criterion).__name__} is compared as a set")


def _like(text: str) -> str:
    for character in ("\\", "%", "_"):
        text = text.replace(character, "\\" + character)
    return text


def _string(criterion: StringCriterion, alias: str) -> Sql:
    normalized = criterion.text.normalized
    prefix = normalized[:PREFIX_LENGTH]
    if criterion.match == "exact":
        return Sql(
            f"({alias}.prefix = ? AND {alias}.exact_key = ?)",
            (prefix, key_of(criterion.text.exact)),
        )
    if criterion.match == "contains":
        return Sql(f"{alias}.normalized LIKE ? ESCAPE '\\'", (f"%{_like(normalized)}%",))
    if len(normalized) > PREFIX_LENGTH:
        return Sql(
            f"({alias}.prefix = ? AND {alias}.normalized LIKE ? ESCAPE '\\')",
            (prefix, f"{_like(normalized)}%"),
        )
    return Sql(f"({alias}.prefix >= ? AND {alias}.prefix < ?)", (prefix, prefix + _LAST))


def date_condition(criterion: DateCriterion, low: str, high: str) -> Sql:
    """How the interval [`low`, `high`] of a resource compares with that of the search value.

    `ge` and `le` include every overlap: an encounter that is still going on when the interval
    begins has a part in it.
    Source: R4 search.html#prefix
    """
    first, last = criterion.low, criterion.high
    match criterion.prefix:
        case Prefix.EQ:
            return Sql(f"({low} >= ? AND {low} <= ? AND {high} <= ?)", (first, last, last))
        case Prefix.NE:
            return Sql(f"({low} < ? OR {high} > ?)", (first, last))
        case Prefix.GT:
            return Sql(f"{high} > ?", (last,))
        case Prefix.LT:
            return Sql(f"{low} < ?", (first,))
        case Prefix.GE:
            return Sql(f"{high} >= ?", (first,))
        case Prefix.LE:
            return Sql(f"{low} <= ?", (last,))
        case Prefix.SA:
            return Sql(f"{low} > ?", (last,))
        case Prefix.EB:
            return Sql(f"{high} < ?", (first,))
        case Prefix.AP:
            return Sql(f"({low} <= ? AND {high} >= ?)", (last, first))


def _number(criterion: NumberCriterion, alias: str) -> Sql:
    low, high, value = f"{alias}.low", f"{alias}.high", criterion.value
    match criterion.prefix:
        case Prefix.EQ:
            return Sql(
                f"({low} >= ? AND {low} < ? AND {high} < ?)",
                (criterion.low, criterion.high, criterion.high),
            )
        case Prefix.NE:
            return Sql(f"({low} < ? OR {high} >= ?)", (criterion.low, criterion.high))
        case Prefix.GT:
            return Sql(f"{high} > ?", (value,))
        case Prefix.LT:
            return Sql(f"{low} < ?", (value,))
        case Prefix.GE:
            return Sql(f"{high} >= ?", (value,))
        case Prefix.LE:
            return Sql(f"{low} <= ?", (value,))
        case Prefix.SA:
            return Sql(f"{low} > ?", (value,))
        case Prefix.EB:
            return Sql(f"{high} < ?", (value,))
        case Prefix.AP:
            return Sql(f"({low} <= ? AND {high} >= ?)", (criterion.high, criterion.low))


def _uri(criterion: UriCriterion, alias: str) -> Sql:
    uri = criterion.uri[:URI_LENGTH]
    if criterion.match == "above":
        return one_of(f"{alias}.uri", [each[:URI_LENGTH] for each in ancestors(uri)])
    if criterion.match == "below":
        start = uri.rstrip("/") + "/"
        return Sql(
            f"({alias}.uri = ? OR ({alias}.uri >= ? AND {alias}.uri < ?))",
            (uri, start, start + _LAST),
        )
    return Sql(f"{alias}.uri = ?", (uri,))
