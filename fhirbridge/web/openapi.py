"""The OpenAPI document of the API, made from its table of operations.

Source: OpenAPI 3.0.3
"""

import re
from collections.abc import Sequence
from http import HTTPStatus

from fhirbridge import __version__
from fhirbridge.jsontypes import JsonObject
from fhirbridge.web.api_schemas import schemas
from fhirbridge.web.operations import JSON, PREFIX, Operation, Parameter

_TYPES = {"date-time": {"type": "string", "format": "date-time"}}
_ABOUT = (
    "Documents of treatment providers, their handoffs to partners, and the partners. Findings "
    "have the same shape everywhere and never hold a value of a record. The FHIR API is at /fhir."
)


# What any operation may answer, and any that takes a body.
_REFUSALS = {400: "Issues", 401: "Issues", 403: "Issues"}
_BODY_REFUSALS = {413: "Issues", 415: "Issues"}
_SECURITY = "token"


def describe(operations: Sequence[Operation], *, open_to_all: bool) -> JsonObject:
    """The OpenAPI document; `open_to_all` where callers need no token."""
    paths: dict[str, JsonObject] = {}
    for operation in operations:
        at = paths.setdefault(f"{PREFIX}{operation.path}", {})
        at[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "fhirbridge",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(one.tag for one in operations)],
        "paths": paths,
        "security": [] if open_to_all else [{_SECURITY: []}],
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                _SECURITY: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "a token of /auth/token with the scope "
                    "system/fhirbridge.<letters>: r to GET, c to POST, u to PUT. The custodian's "
                    "own systems have it "
                    "(fhirbridge client add NAME --own --scope system/fhirbridge.cru).",
                }
            },
        },
    }


def _operation(operation: Operation) -> JsonObject:
    refusals = _REFUSALS | _BODY_REFUSALS if operation.body else _REFUSALS
    described: JsonObject = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "responses": {
            str(status): {
                "description": HTTPStatus(status).phrase,
                "content": _content(schema),
            }
            for status, schema in sorted({**refusals, **operation.answers}.items())
        },
    }
    if operation.description:
        described["description"] = operation.description
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", operation.path)
    ]
    parameters = in_path + [_parameter(one) for one in operation.parameters]
    if parameters:
        described["parameters"] = parameters
    if operation.body:
        described["requestBody"] = {"required": True, "content": _content(operation.body)}
    return described


def _parameter(parameter: Parameter) -> JsonObject:
    schema: JsonObject = dict(_TYPES.get(parameter.type, {"type": parameter.type}))
    if parameter.type == "integer":
        schema |= {"minimum": parameter.minimum, "maximum": parameter.maximum}
    if parameter.values:
        schema["enum"] = list(parameter.values)
    if parameter.default is not None:
        schema["default"] = parameter.default
    return {
        "name": parameter.name,
        "in": "query",
        "description": parameter.description,
        "schema": schema,
    }


def _content(schema: str) -> JsonObject:
    return {JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
