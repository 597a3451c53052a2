"""The schemas of native documents as JSON Schema, in the dialect of OpenAPI 3.0.

What passes with a warning (codes that a table does not know) is said in words, not forbidden.
Source: OpenAPI 3.0.3, schema object
"""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields

from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.containers import Listing, Object
from fhirbridge.native.documents import schema_of
from fhirbridge.native.fields import Code, Id, Integer, Line, Value
from fhirbridge.native.shapes import SCHEMAS, Kind

_TYPES: Mapping[str, JsonObject] = {
    "object": {"type": "object", "additionalProperties": True},
    "string": {"type": "string"},
    "markdown": {"type": "string"},
    "code": {"type": "string"},
    "uri": {"type": "string"},
    "integer": {"type": "integer", "format": "int32"},
    "decimal": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "localdatetime": {"type": "string"},
    "time": {"type": "string"},
}


def json_schema(kind: Kind) -> JsonObject:
    """The JSON Schema of the documents of a kind; unknown fields are refused, except in `extra`."""
    described = _of_object(SCHEMAS[kind])
    described["properties"]["schema"] = {"type": "string", "enum": [schema_of(kind)]}
    return described


def _of_object(schema: Schema) -> JsonObject:
    result: JsonObject = {
        "type": "object",
        "properties": {name: _of_field(member) for name, member in schema.fields.items()},
        "additionalProperties": False,
    }
    required = [name for name, member in schema.fields.items() if getattr(member, "required", 0)]
    if required:
        result["required"] = required
    return result


def _of_field(field: fields.Field[Any]) -> JsonObject:
    match field:
        case Object():
            return _of_object(field.schema)
        case Listing():
            return {"type": "array", "items": _of_field(field.item), **_about_list(field)}
        case Value():
            return {**_TYPES[field.kind], **_about_value(field)}
    raise TypeError(f"{type(field).__name__} is not a field of native documents")


def _about_list(field: Listing) -> JsonObject:
    if field.key == ".":
        return {"uniqueItems": True}
    if isinstance(field.key, tuple):
        return {"description": f"Identified by {' and '.join(field.key)}; the order is not kept."}
    if field.key is not None:
        return {"description": f"Identified by {field.key}; the order is not kept."}
    return {}


def _about_value(field: Value) -> JsonObject:
    about: JsonObject = {}
    sentences: list[str] = []
    match field:
        case Code():
            if field.closed:
                about["enum"] = list(field.closed)
            if field.known is not None:
                known = ", ".join(sorted(field.known.codes))
                sentences.append(f"Known: {known}. Another code is carried, with a warning.")
        case Integer():
            if field.minimum >= 0:
                about["minimum"] = field.minimum
        case Id():
            about["pattern"] = f"^{field.form.pattern}$"
        case Line():
            if field.max_length:
                about["maxLength"] = field.max_length
    if field.required and _TYPES[field.kind] == {"type": "string"} and not about:
        about["minLength"] = 1  # a blank counts as nothing
    if field.ref:
        sentences.append(f"An id of {field.ref}.")
    if not about and not sentences and _TYPES[field.kind] == {"type": "string"}:
        sentences.append(f"{field.expected[:1].upper()}{field.expected[1:]}.")
    if sentences:
        about["description"] = " ".join(sentences)
    return about
