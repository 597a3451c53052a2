"""The documents by kind: their schemas, and `NativeNode` shapes derived from them."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from marshmallow import Schema, fields

from fhirbridge.jsontypes import NativeNode
from fhirbridge.native.aftercare_plan import AFTERCARE_PLAN
from fhirbridge.native.containers import Listing, Object
from fhirbridge.native.enrollment import ENROLLMENT
from fhirbridge.native.fields import Code, Value
from fhirbridge.native.referral import REFERRAL

Kind = Literal["enrollment", "aftercare-plan", "referral"]
KINDS: tuple[Kind, ...] = ("enrollment", "aftercare-plan", "referral")

SCHEMAS: Mapping[Kind, Schema] = {
    "enrollment": ENROLLMENT,
    "aftercare-plan": AFTERCARE_PLAN,
    "referral": REFERRAL,
}


@cache
def shape(kind: Kind) -> NativeNode:
    """The fields of a document, as the mapping checks need them; derived from its schema."""
    return _object_node(SCHEMAS[kind], required=True)


def _object_node(schema: Schema, *, required: bool) -> NativeNode:
    members = {name: node_of(member) for name, member in schema.fields.items()}
    return NativeNode("object", required=required, fields=members)


def node_of(field: fields.Field[Any]) -> NativeNode:
    """The shape of one schema field."""
    match field:
        case Object():
            return _object_node(field.schema, required=field.required)
        case Listing():
            key = "+".join(field.key) if isinstance(field.key, tuple) else field.key
            return NativeNode("list", item=node_of(field.item), key=key)
        case Code():
            known = tuple(sorted(field.known.codes)) if field.known is not None else ()
            return NativeNode("code", required=field.required, codes=field.closed, known=known)
        case Value():
            return NativeNode(field.kind, required=field.required)
    raise TypeError(f"{type(field).__name__} is not a field of native documents")
