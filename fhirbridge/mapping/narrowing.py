"""Choose among native codes that share a FHIR code, by what stands in other elements.

A rule's `narrow` names copies of the same field: Task.businessStatus tells which of the states that
are all `in-progress` is meant. What it says counts only where it agrees with the element itself.
"""

from collections.abc import Iterable

from fhirbridge.mapping.model import CodeTable, MappingFault
from fhirbridge.mapping.template import Leaf


def join(leaves: Iterable[Leaf]) -> None:
    """Tie the rules that `narrow` names to the rule that they help. Raises MappingFault."""
    natives = [leaf for leaf in leaves if leaf.kind == "native"]
    for leaf in natives:
        for name in leaf.rule.narrow:
            found = [one for one in natives if one.rule.name == name and one.trail == leaf.trail]
            tables = {table_of(one) is not None for one in (leaf, *found)}
            if len(found) != 1 or not found[0].rule.copy or tables != {True}:
                message = f"narrow: {name} must be a copy of the same field; both need tables."
                raise MappingFault.at(leaf.rule.place, leaf.rule.name, message)
            found[0].narrows = leaf


def table_of(leaf: Leaf) -> CodeTable | None:
    """The code table of a leaf's codec."""
    return leaf.codec.table if leaf.codec is not None else None


def native_of(table: CodeTable, code: str, told: Iterable[tuple[Leaf, object]]) -> str | None:
    """The native code behind a FHIR code: of several, the first that another element confirms.

    `told` has what the narrowing leaves read; what agrees with no candidate is ignored.
    """
    sharing = [row.native for row in table.rows if row.fhir == code]
    for leaf, beside in told:
        other = table_of(leaf)
        rows = [other.forward[native] for native in sharing if other and native in other.forward]
        for row in rows:
            if row.fhir == beside:
                return row.native
    return sharing[0] if sharing else None


def written(native: str, leaves: Iterable[Leaf]) -> list[tuple[Leaf, object]]:
    """What the narrowing leaves write for a native code."""
    rows = [(leaf, table.forward.get(native)) for leaf in leaves if (table := table_of(leaf))]
    return [(leaf, row.fhir) for leaf, row in rows if row is not None]
