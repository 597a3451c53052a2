"""Objects and lists of native documents, as marshmallow fields over the kinds of `fields`."""

from collections.abc import Mapping
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields

from fhirbridge.native.faults import Fault, kind_of_value, refuse
from fhirbridge.native.fields import Value


class Part(Schema):
    """The schema of one object; fields that it does not name are refused."""

    class Meta:
        unknown = RAISE

    error_messages = {  # noqa: RUF012
        "unknown": Fault("This field is not known.", code="structure", rule="unknown-field")
    }


def part(name: str, members: Mapping[str, fields.Field[Any]]) -> Schema:
    """Build the schema of an object from its JSON names; one instance, used everywhere."""
    return Part.from_dict(dict(members), name=name)()


class Object(fields.Nested):
    """An object with known fields."""

    def __init__(self, schema: Schema, *, required: bool = False) -> None:
        super().__init__(schema, required=required)

    def make_error(self, key: str, **kwargs: object) -> ValidationError:
        return refuse("Missing; expected an object.", rule="required", code="required")

    def _deserialize(
        self, value: Any, attr: Any, data: Any, partial: Any = None, **kwargs: Any
    ) -> Any:
        if not isinstance(value, dict):
            raise refuse(
                f"Found {kind_of_value(value)}; expected an object.",
                rule="type",
                code="structure",
            )
        return super()._deserialize(value, attr, data)


class Free(Value):
    """A free JSON object that travels untouched (`extra`)."""

    kind = "object"
    expected = "an object"

    def read(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.wrong_kind(value)
        return value


Key = str | tuple[str, str] | None


class Listing(fields.Field[Any]):
    """A list. `key` names the field (or the two) that identify an item, "." a set of plain
    values, None a list whose order matters. A bad item stays in its place as None or as what
    could be read of it, so that every index is the one of the input.
    """

    def __init__(self, item: Value | Object, *, key: Key = None) -> None:
        super().__init__()
        self.item = item
        self.key = key

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, list):
            raise refuse(
                f"Found {kind_of_value(value)}; expected a list.", rule="type", code="structure"
            )
        items: list[Any] = []
        errors: dict[int, Any] = {}
        for index, each in enumerate(value):
            try:
                items.append(self.item.deserialize(each))
            except ValidationError as error:
                items.append(error.valid_data)
                errors[index] = error.messages
        if errors:
            raise ValidationError(errors, valid_data=items)
        return items


def listing(schema: Schema, *, key: Key = "id") -> Listing:
    """A list of objects."""
    return Listing(Object(schema), key=key)
