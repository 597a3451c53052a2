"""`handle`: from a request to the function that answers it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from fhirbridge.interactions import permissions
from fhirbridge.interactions.batch import bundle
from fhirbridge.interactions.capabilities import capabilities
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.create import create
from fhirbridge.interactions.delete import conditional_delete, delete
from fhirbridge.interactions.history import history
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.interactions.operations.document import document
from fhirbridge.interactions.operations.everything import everything
from fhirbridge.interactions.operations.expand import expand
from fhirbridge.interactions.operations.translate import translate
from fhirbridge.interactions.operations.validate import validate
from fhirbridge.interactions.operations.validate_code import validate_code
from fhirbridge.interactions.patch import conditional_patch, patch
from fhirbridge.interactions.read import read
from fhirbridge.interactions.search import search
from fhirbridge.interactions.supported import INTERACTIONS, OPERATIONS, Route, route
from fhirbridge.interactions.update import conditional_update, update
from fhirbridge.interactions.vread import vread

Answer: TypeAlias = Callable[[FhirRequest, Context, Route], FhirResponse]


def handle(request: FhirRequest, context: Context) -> FhirResponse:
    """Carry out one interaction. Raises BridgeError with issues for whatever cannot be done."""
    found = route(request.method, request.path)
    permissions.check(context, found)
    response = _ANSWERS[found.interaction.name](request, context, found)
    return permissions.shown(context, found, response)


def _bundle(request: FhirRequest, context: Context, _route: Route) -> FhirResponse:
    return bundle(request, context, handle)


_ANSWERS: Mapping[str, Answer] = MappingProxyType(
    {
        "$document": document,
        "$everything": everything,
        "$expand": expand,
        "$translate": translate,
        "$validate": validate,
        "$validate-code": validate_code,
        "bundle": _bundle,
        "capabilities": capabilities,
        "conditional_delete": conditional_delete,
        "conditional_patch": conditional_patch,
        "conditional_update": conditional_update,
        "create": create,
        "delete": delete,
        "history": history,
        "patch": patch,
        "read": read,
        "search": search,
        "update": update,
        "vread": vread,
    }
)
assert _ANSWERS.keys() == {each.name for each in (*INTERACTIONS, *OPERATIONS)}  # noqa: S101
