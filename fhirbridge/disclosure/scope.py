"""`scope`: what a caller may see of all patients, or of some, as part of a search.

Source: design.md section 9
"""

from collections.abc import Iterable

from fhirbridge.disclosure import grants
from fhirbridge.disclosure.gate import Gate
from fhirbridge.disclosure.grants import Share
from fhirbridge.disclosure.memory import Memory
from fhirbridge.search.clauses import Clause
from fhirbridge.search.parameter_types.reference import ReferenceCriterion
from fhirbridge.search.query import SearchQuery
from fhirbridge.search.scope import EVERYTHING, Grant, Scope
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.session import Session


def asking(gate: Gate, query: SearchQuery) -> Gate:
    """The gate of a search: an emergency opens the record of the one patient whom it names."""
    return gate if len(_patients_of(query)) == 1 else gate.as_everybody


def scope_of(session: Session, gate: Gate, query: SearchQuery, memory: Memory) -> Scope:
    """The scope of a caller, for a search; only over its patients where the search names some."""
    if gate.is_open:
        return EVERYTHING
    bound = _patients_of(query)
    return _over_some(session, gate, bound) if bound else memory.get(session, gate)


def _over_some(session: Session, gate: Gate, patient_keys: Iterable[int]) -> Scope:
    shares: dict[int, Share] = {}
    listed: list[Grant] = []
    for key in patient_keys:
        allowance = gate.allowance(session, key)
        if allowance.by_resource:
            listed += grants.of_resources(session, gate, key)
        else:
            shares[key] = grants.share_of(session, gate.place.custodian_id, allowance)
    return Scope((*grants.of_classes(shares), *listed))


def _patients_of(query: SearchQuery) -> frozenset[int]:
    """The patients by whom a search is bound, by a condition that every match must meet."""
    place = query.compartment
    if place is not None and place.name == "Patient":
        return frozenset({key_of(f"Patient/{place.resource_id}")})
    for clause in query.clauses:
        if isinstance(clause, Clause) and not clause.negated:
            named = [
                target
                for each in clause.criteria
                if isinstance(each, ReferenceCriterion)
                for target in each.targets
                if target.startswith("Patient/")
            ]
            if named:
                return frozenset(map(key_of, named))
    return frozenset()
