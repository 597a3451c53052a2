"""What a field says when a value is not the one it expects.

A `Fault` travels through marshmallow's error tree as an ordinary message and keeps what an
`Issue` needs beside the sentence: the issue code, and the stable key of the rule.
"""

from marshmallow import ValidationError


class Fault(str):
    """A full sentence that never holds a value from a record, with its issue code and rule."""

    __slots__ = ("code", "rule")
    code: str
    rule: str

    def __new__(cls, sentence: str, *, code: str, rule: str) -> "Fault":
        fault = super().__new__(cls, sentence)
        fault.code = code
        fault.rule = rule
        return fault


def refuse(sentence: str, *, rule: str, code: str = "value") -> ValidationError:
    """The exception that tells marshmallow of one fault, to be raised by the caller."""
    return ValidationError([Fault(sentence, code=code, rule=rule)])


def kind_of_value(value: object) -> str:
    """Name the JSON kind of a value, as a sentence about it says it; never the value itself."""
    match value:
        case bool():
            return "a boolean"
        case int():
            return "a whole number"
        case str():
            return "a text"
        case list() | tuple():
            return "a list"
        case dict():
            return "an object"
        case None:
            return "null"
        case _:
            return "a decimal number"
