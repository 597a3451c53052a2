"""Many people from few: the rows of a person, written again under other identities.

Making the resources of a person takes most of the time that storing them does. So the rows that
`resources.create` writes are caught before they reach the database, and written again with other
ids, record numbers and times, put in place of the first ones as text and as keys. For each person
one such copy is compared with what `resources.create` writes for the same text; where they
differ, `Different` is raised.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from fhirbridge.clock import to_instant
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Resource
from fhirbridge.storage import resources
from fhirbridge.storage.instants import to_millis
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.resources import Circumstances
from fhirbridge.storage.session import Row, Session, Statement

_SQLITE = sqlite.dialect()
# Columns that count resources and versions.
_COUNTED = frozenset({"key", "seq", "resource_key"})
_TIME = "last_updated"
_WORD = re.compile(r"[A-Za-z0-9./:_-]+")


class Different(Exception):
    """A copied row is not the row that the ordinary path writes."""


@dataclass(frozen=True)
class Item:
    """A resource and the class of its content."""

    resource: Resource
    content_class: str


class _Undone(Exception):
    """Ends a transaction whose rows were caught."""


@dataclass(frozen=True)
class Identity:
    """What sets a copy apart: texts in place of texts, and when it was written."""

    texts: Mapping[str, str]
    own: re.Pattern[str]  # matches the texts that are replaced
    now: datetime

    def rewrite(self, text: str) -> str:
        """The text with the identity of the copy."""
        return self.own.sub(lambda found: self.texts[found[0]], text)


Catch = Callable[[Sequence[Item], datetime], dict[Statement, list[Row]]]


def catching(transaction: Callable[[], Any], circumstances: Circumstances) -> Catch:
    """A function that says which rows creating resources would write, numbered from 1."""

    def catch(items: Sequence[Item], now: datetime) -> dict[Statement, list[Row]]:
        caught: dict[Statement, list[Row]] = {}
        try:
            with transaction() as session:
                session.seq = 1  # numbers from 2 on; no number is asked of the database
                store(session, replace(circumstances, now=now), items)
                caught = dict(session._waiting)
                raise _Undone
        except _Undone:
            pass
        return {one: rows for one, rows in caught.items() if isinstance(one._element, sa.Insert)}

    return catch


def store(session: Session, circumstances: Circumstances, items: Iterable[Item]) -> None:
    """Create resources in the ordinary way."""
    for item in items:
        labelled = replace(circumstances, content_class=item.content_class)
        resource_id = item.resource["id"]
        resources.create(session, labelled, item.resource, resource_id=resource_id, method="PUT")


def table_of(statement: Statement) -> str:
    """The table of a plain insert."""
    name: str = statement._element.table.name
    return name


def columns_of(statement: Statement) -> tuple[str, ...]:
    """The columns of a plain insert, in the order of its rows."""
    return statement.on(_SQLITE)[1]


class Template:
    """The rows of one person, ready to be written again."""

    def __init__(self, items: Sequence[Item], numbers: Sequence[str], now: datetime, catch: Catch):
        """`numbers` are the texts that name the person's records, beside the ids."""
        self._now = now
        self._items = items
        self._ids = [item.resource["id"] for item in items]
        self._numbers = numbers
        self.size = len(items)
        rows = catch(items, now)
        self._own = own = re.compile("|".join(map(re.escape, self._old())))
        texts = {text for text in set(_words(rows)) if own.search(text)} | {
            f"{i.resource['resourceType']}/{i.resource['id']}" for i in items
        }
        self._parts = [_Part(statement, found, own, texts) for statement, found in rows.items()]
        self._verify(catch)

    def identity(self, number: int) -> Identity:
        """The identity of the copy with this number."""
        texts = {old: str(uuid5(NAMESPACE_OID, f"{old}/{number}")) for old in self._ids}
        texts |= {old: f"{old}-{number}" for old in self._numbers}
        return Identity(texts, self._own, self._now + timedelta(seconds=number))

    def rows(self, identity: Identity, *, first: int) -> Iterable[tuple[Statement, list[Row]]]:
        """The rows of a copy whose resources are numbered from `first` on."""
        shared = _Shared(identity, self._now)
        for part in self._parts:
            yield part.statement, part.rows(shared, first)

    def _old(self) -> list[str]:
        return [*self._ids, *self._numbers]

    def _verify(self, catch: Catch) -> None:
        identity = self.identity(7_000_000)
        items = [
            Item(wire.parse(identity.rewrite(wire.dump(i.resource).decode())), i.content_class)
            for i in self._items
        ]
        real = catch(items, identity.now)
        for statement, rows in self.rows(identity, first=2):
            if sorted(map(repr, rows)) != sorted(map(repr, real[statement])):
                raise Different(f"Rows of {table_of(statement)} differ.")


class _Shared:
    """What a copy puts in place of what, worked out once for all its rows."""

    def __init__(self, identity: Identity, before: datetime) -> None:
        self.identity = identity
        self.millis = to_millis(identity.now)
        self.instants = (to_instant(before).encode(), to_instant(identity.now).encode())
        self.binary = {old: (old.encode(), new.encode()) for old, new in identity.texts.items()}
        self.texts: dict[str, str] = {}

    def text(self, old: str) -> str:
        """The text of the copy."""
        new = self.texts.get(old)
        if new is None:
            new = self.texts[old] = self.identity.rewrite(old)
        return new


class _Part:
    """The rows of one table, and what of them changes from copy to copy."""

    def __init__(
        self, statement: Statement, rows: list[Row], own: re.Pattern[str], texts: Iterable[str]
    ) -> None:
        self.statement = statement
        names = columns_of(statement)
        by_key = {key_of(text): text for text in texts}
        self._counted = [n for n, name in enumerate(names) if name in _COUNTED]
        self._time = [n for n, name in enumerate(names) if name == _TIME]
        self._rows: list[tuple[Row, list[tuple[int, str | int | list[str]]]]] = []
        for row in rows:
            changing: list[tuple[int, str | int | list[str]]] = []
            for place, cell in enumerate(row):
                if place in self._counted or place in self._time:
                    continue
                if isinstance(cell, bytes):
                    changing.append((place, sorted(set(own.findall(cell.decode())))))
                elif isinstance(cell, str):
                    if own.search(cell):
                        changing.append((place, cell))
                elif cell in by_key:
                    changing.append((place, cell))
            self._rows.append((row, changing))
        self._texts = by_key

    def rows(self, shared: _Shared, first: int) -> list[Row]:
        """The rows of a copy."""
        made: list[Row] = []
        for row, changing in self._rows:
            new = list(row)
            for place in self._counted:
                new[place] += first - 2
            for place in self._time:
                new[place] = shared.millis
            for place, what in changing:
                if isinstance(what, str):
                    new[place] = shared.text(what)
                elif isinstance(what, int):
                    new[place] = key_of(shared.text(self._texts[what]))
                else:
                    content = new[place].replace(*shared.instants)
                    for one in what:
                        content = content.replace(*shared.binary[one])
                    new[place] = content
            made.append(tuple(new))
        return made


def _words(rows: Mapping[Statement, list[Row]]) -> Iterable[str]:
    """Texts that may have become keys: what stands between blanks and quotes, or in a column."""
    for found in rows.values():
        for row in found:
            for cell in row:
                if isinstance(cell, bytes):
                    yield from _WORD.findall(cell.decode())
                elif isinstance(cell, str):
                    yield cell
