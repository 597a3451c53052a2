"""The kinds of values in native documents, as marshmallow fields.

Each field refuses what is not of its kind or what FHIR R4 cannot hold, and brings a good value
into its one written form. What is merely doubtful passes; `advise` speaks of it.
Source: R4 datatypes.html (primitive types), design.md section 5.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal as Number
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, missing

from fhirbridge.jsontypes import NativeKind
from fhirbridge.native.faults import kind_of_value, refuse
from fhirbridge.native.vocabularies import Vocabulary

MAX_TEXT_BYTES = 1024 * 1024  # R4 datatypes.html#string
MAX_DIGITS = 18  # R4 datatypes.html#decimal: what every reader keeps exactly
_MAX_INTEGER = 2**31 - 1

_UNHOLDABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_KEY = re.compile(r"[A-Za-z0-9._\-]{1,64}")
_CODE = re.compile(r"\S+( \S+)*")


@dataclass(frozen=True, slots=True)
class Advice:
    """A doubt about a value that was accepted."""

    sentence: str
    rule: str
    severity: str = "warning"


class Value(fields.Field[Any]):
    """A single value. `ref` names the list whose ids it must be one of ("staff", "consents")."""

    kind: ClassVar[NativeKind]
    expected: ClassVar[str]

    def __init__(self, *, required: bool = False, ref: str = "") -> None:
        super().__init__(required=required)
        self.ref = ref

    def read(self, value: Any) -> Any:
        """Return the value in its one written form; raise ValidationError if it is not one."""
        raise NotImplementedError

    def advise(self, value: Any) -> Advice | None:
        """Say what is doubtful about an accepted value."""
        return None

    def make_error(self, key: str, **kwargs: object) -> ValidationError:
        """Word what marshmallow itself finds: only a required value that is missing."""
        return refuse(f"Missing; expected {self.expected}.", rule="required", code="required")

    def deserialize(self, value: Any, attr: Any = None, data: Any = None, **kwargs: Any) -> Any:
        """Marshmallow's entry, without the validators that no field here has."""
        if value is missing:
            if self.required:
                raise self.make_error("required")
            return missing
        return self.read(value)

    def wrong_kind(self, value: Any) -> ValidationError:
        """The fault of a value whose JSON kind is not the expected one."""
        found = kind_of_value(value)
        return refuse(f"Found {found}; expected {self.expected}.", rule="type", code="structure")

    def wrong_form(self) -> ValidationError:
        """The fault of a text that is not written as expected."""
        return refuse(f"The text is not {self.expected}.", rule="form")


class Text(Value):
    """Clinical text of one line or more; it is never touched."""

    kind: ClassVar[NativeKind] = "string"
    expected = "a text"

    def read(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self.wrong_kind(value)
        if _UNHOLDABLE.search(value):
            raise refuse(
                "The text holds a control character or half a surrogate pair, which FHIR R4 "
                "cannot carry.",
                rule="characters",
            )
        if len(value) > MAX_TEXT_BYTES // 4 and len(value.encode()) > MAX_TEXT_BYTES:
            raise refuse(
                "The text is longer than 1 MB, the most FHIR R4 carries.",
                rule="too-long",
                code="too-long",
            )
        return value


class Markdown(Text):
    """Text with markdown marks; made safe where it is rendered."""

    kind = "markdown"


class Line(Text):
    """A name, number or address part: blanks around it are dropped."""

    expected = "a line of text"

    def __init__(self, *, required: bool = False, ref: str = "", max_length: int = 0) -> None:
        super().__init__(required=required, ref=ref)
        self.max_length = max_length

    def read(self, value: Any) -> str:
        line = super().read(value).strip()
        if self.max_length and len(line) > self.max_length:
            raise refuse(
                f"The text has more than {self.max_length} characters.",
                rule="too-long",
                code="too-long",
            )
        return line


class Id(Line):
    """The id of an object in its list; a valid FHIR `id`."""

    expected = "an id of 1 to 64 letters, digits, '-' and '.'"
    form: ClassVar[re.Pattern[str]] = _ID

    def read(self, value: Any) -> str:
        identifier = super().read(value)
        if not self.form.fullmatch(identifier):
            raise self.wrong_form()
        return identifier


class Key(Id):
    """The configured name of a source system; part of identifier URIs."""

    expected = "a key of 1 to 64 letters, digits, '-', '.' and '_'"
    form = _KEY


class Code(Line):
    """A code. `closed` lists all that are allowed; `known` those that pass without a warning."""

    kind = "code"
    expected = "a code, in which blanks stand alone"

    def __init__(
        self,
        *,
        required: bool = False,
        closed: tuple[str, ...] = (),
        known: Vocabulary | None = None,
        well_formed: "Callable[[str], Advice | None] | None" = None,
    ) -> None:
        super().__init__(required=required)
        self.closed = closed
        self.known = known
        self.well_formed = well_formed

    def read(self, value: Any) -> str:
        code = super().read(value)
        if self.closed:
            if code not in self.closed:
                raise refuse(
                    f"The code is none of: {', '.join(self.closed)}.",
                    rule="code",
                    code="code-invalid",
                )
        elif not _CODE.fullmatch(code):
            raise self.wrong_form()
        return code

    def advise(self, value: Any) -> Advice | None:
        if self.known is not None and value not in self.known.codes:
            return Advice(
                f"The code is not in the {self.known.name} table, edition {self.known.edition}; "
                "it is carried as it is.",
                rule="unknown-code",
            )
        return self.well_formed(value) if self.well_formed is not None else None


class Checked(Line):
    """A line of text whose form is worth a warning (e-mail, postal code)."""

    def __init__(self, well_formed: Callable[[str], Advice | None]) -> None:
        super().__init__()
        self.well_formed = well_formed

    def advise(self, value: Any) -> Advice | None:
        return self.well_formed(value)


class Uri(Line):
    """A URI without blanks."""

    kind = "uri"
    expected = "a URI without blanks"

    def read(self, value: Any) -> str:
        uri = super().read(value)
        if any(character.isspace() for character in uri):
            raise self.wrong_form()
        return uri


class Integer(Value):
    """A whole number of 32 bits."""

    kind = "integer"
    expected = "a whole number"

    def __init__(self, *, required: bool = False, minimum: int = -_MAX_INTEGER - 1) -> None:
        super().__init__(required=required)
        self.minimum = minimum

    def read(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong_kind(value)
        if not self.minimum <= value <= _MAX_INTEGER:
            raise refuse(
                f"The number is not between {self.minimum} and {_MAX_INTEGER}.", rule="range"
            )
        return value


class Decimal(Value):
    """A decimal number; its digits are kept as they are written."""

    kind = "decimal"
    expected = "a number"

    def __init__(self, *, required: bool = False, minimum: int | None = None) -> None:
        super().__init__(required=required)
        self.minimum = minimum

    def read(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float | Number):
            raise self.wrong_kind(value)
        number = Number(repr(value)) if isinstance(value, float) else Number(value)
        exponent = number.as_tuple().exponent
        if not isinstance(exponent, int):
            raise refuse("The number is not finite.", rule="range")
        if len(number.as_tuple().digits) > MAX_DIGITS or abs(exponent) > MAX_DIGITS:
            raise refuse(
                f"The number has more than {MAX_DIGITS} digits and would lose some.",
                rule="exactness",
            )
        if self.minimum is not None and number < self.minimum:
            raise refuse(f"The number is below {self.minimum}.", rule="range")
        return number if isinstance(value, float) else value


class Boolean(Value):
    """true or false."""

    kind = "boolean"
    expected = "true or false"

    def read(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self.wrong_kind(value)
        return value
