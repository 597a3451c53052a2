"""`Session`, what every storage function takes first, and `Statement`, SQL compiled once.

SQLAlchemy Core writes the SQL; statements that run on every request are compiled once and then
executed on the driver, because compiling and wrapping rows costs more than the database does.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa

Row: TypeAlias = tuple[Any, ...]


class Statement:
    """One SQL statement with named parameters.

    Parameters and results are in the driver's form: instants are milliseconds, and booleans may
    come back as 0 or 1.
    """

    __slots__ = ("_columns", "_compiled", "_constants", "_element", "rank")

    def __init__(self, element: Any, *, columns: Sequence[str] = (), rank: int = 1) -> None:
        """Wrap a Core statement; `columns` are the parameters of a plain insert.

        `rank` is the place among statements that wait: rows come after those they refer to.
        """
        self._element = element
        self._columns = list(columns) or None
        self.rank = rank
        self._compiled: dict[str, tuple[str, tuple[str, ...]]] = {}
        # dialect -> what the expressions themselves bind, which each dialect may name otherwise
        self._constants: dict[str, dict[str, Any]] = {}

    def on(self, dialect: Any) -> tuple[str, tuple[str, ...]]:
        """SQL text and parameter names in order, for a dialect with positional parameters."""
        known = self._compiled.get(dialect.name)
        if known is None:
            compiled = self._element.compile(dialect=dialect, column_keys=self._columns)
            known = (str(compiled), tuple(compiled.positiontup or ()))
            if not self._columns:
                found = {k: v for k, v in compiled.params.items() if v is not None}
                self._constants[dialect.name] = found
            self._compiled[dialect.name] = known
        return known

    def constants(self, dialect: Any) -> dict[str, Any]:
        """Values of parameters that callers do not give, once it is compiled."""
        return self._constants.get(dialect.name, {})


class Session:
    """A connection inside a transaction or a snapshot. It is never committed by its users.

    Rows given to `add` wait, and are written together before anything else is asked, and before
    the transaction ends: one statement for each table, however many resources there are.
    """

    __slots__ = ("_driver", "_waiting", "connection", "is_reader", "seq")

    def __init__(self, connection: sa.Connection, driver: Any = None) -> None:
        """`driver` is called as a connection of sqlite3 is, and is one if not given."""
        self.connection = connection
        self._driver: Any = driver or connection.connection.dbapi_connection
        self._waiting: dict[Statement, list[Row]] = {}
        # True where nothing can be seen that may yet be taken back.
        self.is_reader = False
        # The number of the newest version written in this transaction, 0 for none.
        self.seq = 0

    @property
    def driver(self) -> Any:
        """The connection of the driver; whatever waits is written first."""
        if self._waiting:
            self.flush()
        return self._driver

    @driver.setter
    def driver(self, driver: Any) -> None:
        self._driver = driver

    def add(self, statement: Statement, rows: Iterable[Row]) -> None:
        """Let rows wait for a plain insert; their columns are in the order of the table."""
        known = self._waiting.get(statement)
        if known is None:
            self._waiting[statement] = list(rows)
        else:
            known.extend(rows)

    def put(self, statement: Statement, row: Row) -> None:
        """Let one row wait, in place of the one that waited before."""
        self._waiting[statement] = [row]

    def flush(self) -> None:
        """Write the rows that wait."""
        waiting, self._waiting = self._waiting, {}
        dialect = self.connection.dialect
        for statement in sorted(waiting, key=_rank):
            self._driver.executemany(statement.on(dialect)[0], waiting[statement])

    def forget(self) -> None:
        """Drop what belongs to a transaction: it has ended, or is undone."""
        self._waiting = {}
        self.seq = 0

    def execute(self, statement: Any, parameters: Any = None) -> sa.CursorResult[Any]:
        """Run a Core statement that is built for this call."""
        if self._waiting:
            self.flush()
        result = self.connection.execute(statement, parameters)
        assert isinstance(result, sa.CursorResult)  # noqa: S101
        return result

    def rows(self, statement: Statement, **parameters: Any) -> list[Row]:
        """Run a prepared statement and fetch all rows."""
        dialect = self.connection.dialect
        sql, names = statement.on(dialect)
        if constants := statement.constants(dialect):
            parameters |= constants
        cursor = self.driver.execute(sql, tuple([parameters[name] for name in names]))
        fetched: list[Row] = cursor.fetchall() if cursor.description else []
        return fetched

    def row(self, statement: Statement, **parameters: Any) -> Row | None:
        """Run a prepared statement and fetch its first row."""
        rows = self.rows(statement, **parameters)
        return rows[0] if rows else None

    def run_many(self, statement: Statement, parameters: Iterable[dict[str, Any]]) -> None:
        """Run a prepared statement once for each set of parameters."""
        sql, names = statement.on(self.connection.dialect)
        self.driver.executemany(sql, [tuple([row[name] for name in names]) for row in parameters])


def _rank(statement: Statement) -> int:
    return statement.rank
