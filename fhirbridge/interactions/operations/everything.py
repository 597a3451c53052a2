"""Patient/$everything: the patient's compartment, Tasks, and the people and places referred to.

Source: R4 patient-operation-everything.html
"""

from urllib.parse import quote, urlencode

from fhirbridge.disclosure import pages
from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir import bundles, wire
from fhirbridge.fhir.compartments import patient_parameters
from fhirbridge.fhir.definitions import definitions
from fhirbridge.interactions import permissions
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.interactions.operations.following import follow
from fhirbridge.interactions.operations.inputs import Inputs, read_inputs
from fhirbridge.interactions.read import existing
from fhirbridge.interactions.supported import Route
from fhirbridge.search import query
from fhirbridge.search.query import CURSOR, Compartment
from fhirbridge.storage import resources

_KNOWN = frozenset({"_since", "_type", "_count", CURSOR})
# A role leads to its practitioner and organization, and that to the one it is part of.
_LEVELS = 3


def everything(request: FhirRequest, context: Context, route: Route) -> FhirResponse:
    """A searchset Bundle with paging; what the compartment refers to has the mode `include`."""
    inputs = read_inputs(request, context, _KNOWN)
    chosen = _types(inputs)
    members = frozenset(patient_parameters()) | {"Patient"}
    permissions.require(context, sorted(chosen), "r")
    permitted = frozenset(each for each in members if permissions.allows(context, each, "r"))
    conditions = _conditions(inputs)
    if chosen and chosen <= members:
        conditions.append(("_type", ",".join(sorted(chosen))))
    elif permitted < members:
        conditions.append(("_type", ",".join(sorted(permitted))))
    wanted = query.parse(
        None,
        conditions,
        context=context.search_context(),
        compartment=Compartment("Patient", route.resource_id, is_wide=True),
    )
    with context.reading() as session:
        patient = resources.read(session, context.custodian_id, "Patient", route.resource_id)
        existing(context.show(session, patient), route)
        page = pages.run(session, context.gate, context.trail, wanted, context.memory)
        included = follow(
            session,
            context,
            [wire.parse(version.content) for version in page.matches],
            wanted=lambda name: name not in members and permissions.allows(context, name, "r"),
            levels=_LEVELS,
        )
    shown = [
        (version, mode)
        for mode, versions in (("match", page.matches), ("include", included))
        for version in versions
        if not chosen or version.resource_type in chosen
    ]
    entries = [
        bundles.search_entry(
            wire.embed(version.content),
            full_url=f"{context.base}/{version.reference}",
            mode="match" if mode == "match" else "include",
        )
        for version, mode in shown
    ]
    address = f"{context.base}/Patient/{quote(route.resource_id)}/$everything"
    used = [(name, str(value)) for name, value in inputs.pairs if name in _KNOWN - {CURSOR}]
    links = {"self": _link(address, used)}
    if page.next:
        links["next"] = _link(address, [*used, (CURSOR, page.next)])
    is_whole = not chosen or chosen <= members
    return FhirResponse(
        status=200,
        resource=bundles.searchset(entries, links=links, total=page.total if is_whole else None),
    )


def _types(inputs: Inputs) -> frozenset[str]:
    chosen = frozenset(name for text in inputs.all("_type") for name in str(text).split(","))
    if not chosen <= definitions().resource_types:
        raise InvalidContent(Issue("value", "_type takes names of resource types."))
    return chosen


def _conditions(inputs: Inputs) -> list[tuple[str, str]]:
    conditions = []
    since = inputs.text("_since").replace(" ", "+")  # a plus sign in a query is a blank
    if since:
        conditions.append(("_lastUpdated", f"ge{since}"))
    if inputs.all("_count"):
        conditions.append(("_count", str(inputs.number("_count", 0))))
    if inputs.text(CURSOR):
        conditions.append((CURSOR, inputs.text(CURSOR)))
    return conditions


def _link(address: str, pairs: list[tuple[str, str]]) -> str:
    return f"{address}?{urlencode(pairs, safe=':/,|$', quote_via=quote)}" if pairs else address
