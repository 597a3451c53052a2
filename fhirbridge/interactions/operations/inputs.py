"""What an operation is given: the parameters of the address, or those of a Parameters resource.

Source: R4 operations.html#executing
"""

from dataclasses import dataclass

from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir.validation import check
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.messages import FhirRequest
from fhirbridge.interactions.read import refuse_parameters
from fhirbridge.jsontypes import Json, JsonObject, Resource


@dataclass(frozen=True, slots=True)
class Inputs:
    """Values by name, in order. From an address all values are strings."""

    pairs: tuple[tuple[str, Json], ...]

    def all(self, name: str) -> list[Json]:
        """Every value of a parameter."""
        return [value for key, value in self.pairs if key == name]

    def text(self, name: str) -> str:
        """The first value as a string; "" without one."""
        value = next(iter(self.all(name)), "")
        if not isinstance(value, str):
            raise _wrong(name, "a string")
        return value

    def flag(self, name: str) -> bool:
        """The first value as a boolean; False without one."""
        value: Json = next(iter(self.all(name)), False)
        if value not in (True, False, "true", "false"):
            raise _wrong(name, "true or false")
        return value in (True, "true")

    def number(self, name: str, default: int) -> int:
        """The first value as a number of 0 or more."""
        value: Json = next(iter(self.all(name)), default)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise _wrong(name, "a whole number, 0 or more")
        return value

    def object(self, name: str) -> JsonObject:
        """The first value as a datatype or resource; empty without one."""
        value: Json = next(iter(self.all(name)), {})
        if not isinstance(value, dict):
            raise _wrong(name, "a value of its datatype, in a Parameters resource")
        return value


def _wrong(name: str, expected: str) -> InvalidContent:
    return InvalidContent(Issue("value", f"The parameter {name} must be {expected}."))


def read_inputs(request: FhirRequest, context: Context, known: frozenset[str]) -> Inputs:
    """The inputs of an operation whose body, if there is one, is a Parameters resource.

    Raises InvalidContent for parameters that are not known, unless the caller is lenient.
    """
    given = tuple(request.query)
    if request.method == "POST" and (request.body.strip() or request.resource is not None):
        body = request.content(max_bytes=context.bridge.settings.max_body_bytes)
        if body.get("resourceType") != "Parameters":
            raise InvalidContent(
                Issue("invalid", "The body of an operation must be a Parameters resource.")
            )
        issues = check(body)
        if any(issue.is_error for issue in issues):
            raise InvalidContent.of(issues)
        return checked(request, (*given, *pairs_of(body)), known)
    return checked(request, given, known)


def checked(
    request: FhirRequest, pairs: tuple[tuple[str, Json], ...], known: frozenset[str]
) -> Inputs:
    """The pairs as Inputs, once every name is known."""
    refuse_parameters(request, known)
    unknown = {name for name, _ in pairs} - known - {name for name, _ in request.query}
    if unknown and not request.preferences.lenient:
        listed = ", ".join(sorted(known))
        raise InvalidContent(
            Issue("not-supported", f"Only these parameters are known here: {listed}.")
        )
    return Inputs(pairs)


def pairs_of(parameters: Resource) -> tuple[tuple[str, Json], ...]:
    """Name and value of each parameter of a Parameters resource."""
    listed = parameters.get("parameter")
    pairs: list[tuple[str, Json]] = []
    for parameter in listed if isinstance(listed, list) else []:
        name = parameter.get("name") if isinstance(parameter, dict) else None
        if not isinstance(name, str):
            raise InvalidContent(
                Issue("required", "Every parameter must have a name.", expression=("Parameters",))
            )
        values = [v for key, v in parameter.items() if key == "resource" or key[:5] == "value"]
        pairs += [(name, value) for value in values[:1]]
    return tuple(pairs)
