"""The scope of a caller as SQL conditions on a row, whatever the table.

Rows of `resources` have the alias `r…` and their key in `key`; rows of all other tables have it in
`resource_key`. All of them have `custodian_id`, `patient_key` and `content_class`.
"""

from collections.abc import Sequence
from functools import lru_cache

import orjson

from fhirbridge.search.scope import Grant, Scope
from fhirbridge.storage.fragments import Sql, joined, one_of

DIRECTORY = "directory"

# From here on, keys travel as one parameter: databases limit how many there may be.
_MANY = 50


def visible(alias: str, custodian_id: int, scope: Scope, *, dialect: str) -> list[Sql]:
    """The conditions on a row: this custodian's, and inside the scope."""
    found = [Sql(f"{alias}.custodian_id = ?", (custodian_id,))]
    if scope.grants is not None:
        directory = Sql(f"({alias}.patient_key = 0 AND {alias}.content_class = '{DIRECTORY}')")
        grants = [_granted(alias, grant, dialect) for grant in scope.grants]
        found.append(joined([directory, *grants], "OR"))
    return found


def among(column: str, keys: Sequence[int], dialect: str) -> Sql:
    """Whether a column is one of any number of keys."""
    if len(keys) <= _MANY:
        return one_of(column, keys)
    listed = (
        "SELECT value::bigint FROM jsonb_array_elements_text(?::text::jsonb)"
        if dialect == "postgresql"
        else "SELECT value FROM json_each(?)"
    )
    return Sql(f"{column} IN ({listed})", (_listed(tuple(keys)),))


@lru_cache(maxsize=16)
def _listed(keys: tuple[int, ...]) -> str:
    """Keys as a JSON array; a scope stands at several places of many searches."""
    return orjson.dumps(keys).decode()


def _granted(alias: str, grant: Grant, dialect: str) -> Sql:
    key = f"{alias}.key" if alias.startswith("r") else f"{alias}.resource_key"
    of_one = among(f"{alias}.patient_key", grant.patient_keys, dialect)
    among_several = among("p.patient_key", grant.patient_keys, dialect)
    of_several = Sql(
        f"({alias}.patient_key = -1 AND EXISTS (SELECT 1 FROM resource_patients p"  # noqa: S608
        f" WHERE p.resource_key = {key}) AND NOT EXISTS (SELECT 1 FROM resource_patients p"
        f" WHERE p.resource_key = {key} AND NOT {among_several.text}))",
        among_several.parameters,
    )
    conditions = [
        joined([of_one, of_several], "OR"),
        one_of(f"{alias}.content_class", grant.content_classes),
    ]
    if grant.resource_keys is not None:
        conditions.append(among(key, grant.resource_keys, dialect))
    return joined(conditions, "AND")
