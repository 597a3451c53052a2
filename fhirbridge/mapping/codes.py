"""Code tables: both directions, and what is said when a code is missing.

Native -> FHIR is a function of the table; FHIR -> native takes the first row with the code.
"""

from collections.abc import Mapping

from fhirbridge.jsontypes import Json
from fhirbridge.mapping.model import CodeRow, CodeTable, MappingFault, Place
from fhirbridge.mapping.yaml_source import Located


def read_tables(source: Located, file: str, layer: str) -> Mapping[str, CodeTable]:
    """The tables of one file of `codes/`. Raises MappingFault."""
    top = Place(file, 1, layer)
    edition, date = source.get("edition"), source.get("date")
    if not isinstance(edition, str) or not isinstance(date, str):
        raise MappingFault.at(top, "", "a code file needs edition and date.")
    raw_tables = source.get("tables")
    if not isinstance(raw_tables, Located):
        raise MappingFault.at(top, "", "a code file needs tables.")
    tables: dict[str, CodeTable] = {}
    for name, raw in raw_tables.items():
        place = Place(file, raw_tables.lines[name], layer)
        if not isinstance(raw, Located) or not isinstance(raw.get("rows"), list):
            raise MappingFault.at(place, name, "a table needs rows, a list of {native, fhir}.")
        tables[name] = _table(name, raw, place, edition=edition, date=date)
    return tables


def _table(name: str, raw: Located, place: Place, *, edition: str, date: str) -> CodeTable:
    rows: list[CodeRow] = []
    forward: dict[str, CodeRow] = {}
    reverse: dict[str, CodeRow] = {}
    for item in raw["rows"]:
        row = _row(name, item, place)
        if row.native in forward:
            raise MappingFault.at(row.place, name, "a native code stands in two rows.")
        rows.append(row)
        forward[row.native] = row
        reverse.setdefault(row.fhir, row)
    return CodeTable(
        name=name,
        edition=edition,
        date=date,
        vocabulary=str(raw.get("vocabulary") or name),
        open=bool(raw.get("open")),
        rows=tuple(rows),
        place=place,
        forward=forward,
        reverse=reverse,
    )


def _row(table: str, item: Json, place: Place) -> CodeRow:
    if not isinstance(item, Located):
        raise MappingFault.at(place, table, "a row is {native: …, fhir: …}.")
    where = Place(place.file, item.line, place.layer)
    native, fhir = item.get("native"), item.get("fhir")
    if isinstance(native, int) and not isinstance(native, bool):
        native = str(native)
    if isinstance(fhir, int) and not isinstance(fhir, bool):
        fhir = str(fhir)
    if not isinstance(native, str) or not isinstance(fhir, str):
        raise MappingFault.at(where, table, "native and fhir are texts; quote true and false.")
    return CodeRow(native, fhir, str(item.get("display") or ""), where)
