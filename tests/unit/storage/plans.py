"""How a database says that it will carry out a statement."""

from collections.abc import Sequence
from typing import Any

from fhirbridge.storage.session import Session

# PostgreSQL reads small tables from end to end, and sorts few rows, whatever indexes there are.
_AS_IF_LARGE = ("enable_seqscan", "enable_sort", "enable_bitmapscan", "enable_hashagg")


def explain(session: Session, sql: str, parameters: Sequence[Any]) -> list[str]:
    """The steps of the plan, as they would be for large tables."""
    if session.connection.dialect.name == "sqlite":
        rows = session.driver.execute(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()
        return [row[3] for row in rows]
    for setting in _AS_IF_LARGE:
        session.driver.execute(f"SET LOCAL {setting} = off")
    rows = session.driver.execute(f"EXPLAIN {sql}", parameters).fetchall()
    return [row[0] for row in rows]
