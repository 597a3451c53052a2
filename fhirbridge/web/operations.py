"""The document API as a table of operations: what Flask routes and what OpenAPI tells are one.

Bodies are read through `fhir.wire`, so that digits are kept and names that occur twice refused;
parameters that an operation does not have are refused too.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from flask import Blueprint, Response, request

from fhirbridge.errors import InvalidContent, Issue, UnsupportedMedia
from fhirbridge.fhir import wire
from fhirbridge.interactions.messages import Pairs, parse_query
from fhirbridge.jsontypes import Json, JsonObject

JSON = "application/json"
PREFIX = "/api"

ParameterType = Literal["string", "integer", "boolean", "date-time"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter; `default` stands for one that is not there, `values` are all it may be."""

    name: str
    description: str
    type: ParameterType = "string"
    default: Json = None
    minimum: int = 0
    maximum: int = 2**31 - 1
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: what the address, the query and the body say."""

    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: JsonObject


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; `content` is a body whose bytes are there already."""

    status: int
    body: Json = None
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method at one address. `body` and `answers` name schemas of the OpenAPI document."""

    method: str
    path: str  # below PREFIX, e.g. /enrollments/{recordId}
    tag: str
    summary: str
    run: Callable[[Asked], Answer]
    answers: Mapping[int, str]
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: str = ""

    @property
    def name(self) -> str:
        """A unique name."""
        words = re.sub(r"[^A-Za-z]+", "-", self.path).strip("-")
        return f"{self.method.lower()}-{words}"


def blueprint(operations: Iterable[Operation], *, max_bytes: int) -> Blueprint:
    """The Flask routes of these operations."""
    routes = Blueprint("api", __name__, url_prefix=PREFIX)
    for operation in operations:
        # a record id may hold a slash
        rule = re.sub(r"\{(\w+)\}", r"<path:\1>", operation.path)
        routes.add_url_rule(
            rule,
            operation.name,
            _view(operation, max_bytes),
            methods=[operation.method],
            provide_automatic_options=False,
        )
    return routes


def _view(operation: Operation, max_bytes: int) -> Callable[..., Response]:
    def view(**path: str) -> Response:
        query = _read_query(operation, parse_query(request.query_string))
        body = _read_body(max_bytes) if operation.body else {}
        return _write(operation.run(Asked(path, query, body)))

    return view


def _read_query(operation: Operation, pairs: Pairs) -> dict[str, Any]:
    known = {parameter.name: parameter for parameter in operation.parameters}
    values: dict[str, Any] = {name: one.default for name, one in known.items()}
    faults: list[Issue] = []
    seen: set[str] = set()
    for name, text in pairs:
        if name not in known:
            names = ", ".join(known) or "none"
            faults.append(_fault(name, f"There is no such parameter; there are: {names}."))
        elif name in seen:
            faults.append(_fault(name, "The parameter stands twice."))
        else:
            seen.add(name)
            try:
                values[name] = _convert(known[name], text)
            except ValueError as exc:
                faults.append(_fault(name, f"Expected {exc}."))
    if faults:
        raise InvalidContent.of(faults)
    return values


def _convert(parameter: Parameter, text: str) -> Json:
    if parameter.type == "integer":
        low, high = parameter.minimum, parameter.maximum
        if not re.fullmatch(r"[0-9]{1,10}", text) or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)
    if parameter.type == "boolean":
        if text not in ("true", "false", ""):
            raise ValueError("true or false")
        return text != "false"
    if parameter.type == "date-time":
        try:
            # a plus sign in a query is a blank once decoded
            moment = datetime.fromisoformat(text.replace(" ", "+"))
        except ValueError as exc:
            raise ValueError("a date and time with 'Z' or an offset") from exc
        if moment.tzinfo is None:
            raise ValueError("a date and time with 'Z' or an offset")
        return moment
    if parameter.values and text not in parameter.values:
        raise ValueError(f"one of {', '.join(parameter.values)}")
    return text


def _fault(name: str, sentence: str) -> Issue:
    shown = name if re.fullmatch(r"[\w$.-]{1,64}", name) else "?"
    return Issue("invalid", sentence, expression=(f"query.{shown}",))


def _read_body(max_bytes: int) -> JsonObject:
    content_type = request.mimetype or JSON
    if content_type != JSON:
        raise UnsupportedMedia(
            Issue("not-supported", f"The Content-Type of the body must be {JSON}.")
        )
    if request.mimetype_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMedia(Issue("not-supported", "The charset of the body must be utf-8."))
    return wire.parse(request.get_data(cache=False), max_bytes=max_bytes)


def _write(answer: Answer) -> Response:
    body = answer.content or (wire.dump(answer.body) if answer.body is not None else b"")
    response = Response(body, status=answer.status, headers=dict(answer.headers))
    if body:
        response.headers["Content-Type"] = JSON
    else:
        del response.headers["Content-Type"]
    # what an API answers about a patient is not for a cache
    response.headers.setdefault("Cache-Control", "no-store")
    response.make_conditional(request)
    return response
