"""Writes the index rows of a resource's current version, and takes them away again.

Texts become integer keys here (`storage.keys`); rows that say the same are written once.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import bindparam

from fhirbridge.consent.classes import index_class
from fhirbridge.search.parameter_types.date import DateValue
from fhirbridge.search.parameter_types.number import NumberValue
from fhirbridge.search.parameter_types.quantity import QuantityValue
from fhirbridge.search.parameter_types.reference import ReferenceValue
from fhirbridge.search.parameter_types.string import StringValue
from fhirbridge.search.parameter_types.token import TokenValue
from fhirbridge.search.parameter_types.uri import UriValue
from fhirbridge.search.values import IndexValue
from fhirbridge.storage import tables
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.session import Session, Statement
from fhirbridge.storage.versions import Labels

# What of a text stands in the key of an index; the rest is compared in the row.
PREFIX_LENGTH = 64
# PostgreSQL refuses index entries above a third of a page.
URI_LENGTH = 500

_Row: TypeAlias = tuple[Any, ...]
# (value, resource key) -> the columns of the row after `parameter`, up to `ordinal`; and payload
_Columns: TypeAlias = Callable[[Any, int], _Row]


def _token(value: TokenValue, key: int) -> _Row:
    return (key_of(value.code), key, key_of(value.system))


def _string(value: StringValue, key: int) -> _Row:
    return (value.normalized[:PREFIX_LENGTH], key, key_of(value.exact))


def _date(value: DateValue, key: int) -> _Row:
    return (value.low, value.high, key)


def _reference(value: ReferenceValue, key: int) -> _Row:
    return (key_of(value.target), key)


def _number(value: NumberValue, key: int) -> _Row:
    return (value.low, value.high, key)


def _quantity(value: QuantityValue, key: int) -> _Row:
    return (value.low, value.high, key, key_of(value.code), key_of(value.system))


def _uri(value: UriValue, key: int) -> _Row:
    return (value.uri[:URI_LENGTH], key)


def _nothing(value: Any, key: int) -> _Row:
    return ()


class _Kind:
    """How values of one class become rows of one table."""

    __slots__ = ("columns", "insert", "payload")

    def __init__(self, table: sa.Table, columns: _Columns, payload: _Columns = _nothing) -> None:
        names = [column.name for column in table.columns]
        self.columns = columns
        self.payload = payload
        self.insert = Statement(sa.insert(table), columns=names)


_KINDS: Mapping[type, _Kind] = {
    TokenValue: _Kind(tables.index_tokens, _token, lambda v, _: (v.code[:PREFIX_LENGTH],)),
    StringValue: _Kind(tables.index_strings, _string, lambda v, _: (v.normalized,)),
    DateValue: _Kind(tables.index_dates, _date),
    ReferenceValue: _Kind(tables.index_references, _reference, lambda v, _: (v.type,)),
    NumberValue: _Kind(tables.index_numbers, _number),
    QuantityValue: _Kind(tables.index_quantities, _quantity),
    UriValue: _Kind(tables.index_uris, _uri),
}

TABLES: tuple[sa.Table, ...] = (
    tables.index_tokens,
    tables.index_strings,
    tables.index_dates,
    tables.index_references,
    tables.index_numbers,
    tables.index_quantities,
    tables.index_uris,
)
_CLEAR = tuple(
    Statement(sa.delete(table).where(table.c.resource_key == bindparam("of_key")))
    for table in TABLES
)


def write(session: Session, key: int, labels: Labels, values: Iterable[IndexValue]) -> None:
    """Write the index rows of a resource that has none; `key` is `resources.key`."""
    rows: dict[type, dict[_Row, _Row]] = {}
    for value in values:
        kind_of = type(value.value)
        kind = _KINDS[kind_of]
        parameter = key_of(value.parameter)
        identity = (
            labels.custodian_id,
            parameter,
            *kind.columns(value.value, key),
            value.ordinal,
        )
        target = value.value.type if isinstance(value.value, ReferenceValue) else ""
        content_class = index_class(labels.content_class, value.parameter, target)
        payload = kind.payload(value.value, key)
        rows.setdefault(kind_of, {})[identity] = (*payload, labels.patient_key, content_class)
    for kind_of, found in rows.items():
        session.add(_KINDS[kind_of].insert, [identity + rest for identity, rest in found.items()])


def clear(session: Session, key: int) -> None:
    """Take all index rows of a resource away."""
    for statement in _CLEAR:
        session.rows(statement, of_key=key)
