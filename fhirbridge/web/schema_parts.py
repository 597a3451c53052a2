"""The parts of which the schemas of the document API are made."""

from fhirbridge.jsontypes import JsonObject

TEXT: JsonObject = {"type": "string"}
FILLED: JsonObject = {"type": "string", "minLength": 1}
INTEGER: JsonObject = {"type": "integer"}
YES_NO: JsonObject = {"type": "boolean"}
INSTANT: JsonObject = {"type": "string", "format": "date-time"}
ANY: JsonObject = {"type": "object", "additionalProperties": True}


def maybe(schema: JsonObject) -> JsonObject:
    """The same, or null."""
    return {**schema, "nullable": True}


def word(*codes: str) -> JsonObject:
    """One of these words."""
    return {"type": "string", "enum": list(codes)}


def listed(item: JsonObject) -> JsonObject:
    """A list of these."""
    return {"type": "array", "items": item}


def ref(name: str) -> JsonObject:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def an_object(required: str, **members: JsonObject) -> JsonObject:
    """An object; `required` names members, separated by blanks."""
    named = {"required": required.split()} if required else {}
    return {"type": "object", "properties": members, **named}
