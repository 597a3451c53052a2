"""The values of generated requests: search values, mutated JSON, patches, damaged bytes."""

import copy
import random
from typing import Any

from fhirbridge.fhir.search_parameters import SearchParameter

TEXTS = (
    "", " ", "a", "\u00e9\u00fc\u0141", "\u4e2d\u6587", "\U0001f600", "\x00", "\n", "'", '"', "\\",
    "\\,", "a,b", "a|b", "|", "||", "$", "a$b", "%", "%25", "*", "null", "true", "-1", "0",
    "1e999", "../..", "_id", "_history", "$validate", "x" * 70, "y" * 3000, "\ufeff", "\ud7ff",
    "Patient/a", "Patient?identifier=a", "urn:uuid:x", "http://[", "http://a b", "#", "#a",
    "\u0130", "\u1e9e", "a\u0301",
)  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 10**30, 0.5, 1e300, -0.0, "", " ", "a", "\u0000", "\u00e9", [],
    [[]], [None], {}, {"": {}}, {"a": None}, [{}], "2024-02-30", "2024-13", "0000", "x" * 2000,
    "http://hl7.org/fhir", "#", "#a", "urn:uuid:", "Patient/", "Patient/a/_history/", "\u2028",
    {"resourceType": "Patient"}, {"resourceType": []}, {"extension": [{}]}, [[[[[[]]]]]],
    "<div xmlns='http://www.w3.org/1999/xhtml'>a</div>", "<div", "P1D", "12:60", "9" * 400,
)  # fmt: skip
HEADERS: dict[str, tuple[str, ...]] = {
    "Accept": (
        "application/fhir+json", "application/json", "application/fhir+xml", "*/*", "text/html",
        "application/fhir+json; fhirVersion=4.0", "application/fhir+json;fhirVersion=3.0", ",,;",
        "a/b;q=x, */*;q=0", "application/fhir+json;q=0.1, text/html", "", "\u00e9",
    ),
    "Content-Type": (
        "application/fhir+json", "application/json", "application/fhir+xml", "text/plain", "",
        "application/json-patch+json", "application/x-www-form-urlencoded", ";", "multipart/x",
        "application/fhir+json; charset=latin-1", "multipart/form-data; boundary=x",
        "application/fhir+json; fhirVersion=4.0",
    ),
    "Prefer": (
        "return=minimal", "return=representation", "return=OperationOutcome", "handling=lenient",
        "handling=strict", "return=x", ",;=", "respond-async", "return=minimal; handling=lenient",
    ),
    "If-Match": ('W/"1"', '"1"', "*", "1", "", 'W/"1", W/"2"', 'W/""', 'W/"x', 'W/"-1"'),
    "If-None-Match": ('W/"1"', "*", "", "x", 'W/"9"', 'W/"1",'),
    "If-Modified-Since": (
        "Sat, 01 Jan 2000 00:00:00 GMT", "Sat, 01 Jan 2099 00:00:00 GMT", "x", "",
        "Sat, 99 Jan 2099 99:00:00 +9999", "9999-12-31T23:59:59-23:59", "0",
    ),
    "If-None-Exist": ("identifier=a|b", "", "?", "x=y", "Patient?_id=a", "%ff", "_id=a&_count=1"),
    "Content-Encoding": ("gzip", "identity", "deflate", "br", ""),
    "Accept-Encoding": ("gzip", "gzip;q=0", "identity;q=0", "*", "x"),
    "Content-Length": ("0", "-1", "x", "99999999999"),
    "Transfer-Encoding": ("chunked", "x"),
    "X-HTTP-Method-Override": ("DELETE",),
    "Host": ("localhost", "a b", "", "\u00e9", "evil.example:99999", "[::1"),
    "X-Forwarded-Host": ("evil.example",),
    "Authorization": ("Bearer x", "Bearer", "Basic ===", "\x7f"),
    "Range": ("bytes=0-1",),
    "Expect": ("100-continue",),
    "Cookie": ("a=b; c", "="),
}  # fmt: skip
_SEARCH_VALUES = {
    "token": (
        "a", "true", "active", "http://loinc.org|1234-5", "|a", "a|", "|", "a|b|c", "male",
        "http://hl7.org/fhir/administrative-gender|male", "final", "\\|", "a\\", "urn:x|",
    ),
    "string": ("a", "Chalmers", "\u00c9", "\u0301", "%", "_", "a b", "\\,", "z" * 200),
    "date": (
        "2024", "2024-02", "2024-02-29", "2023-02-29", "ge2013", "lt2013-01-14T10:00", "ap2013",
        "sa2013-01-01T00:00:00Z", "2013-01-01T00:00:00.123456789+14:00", "eb9999-12-31", "0001",
        "ne0001-01-01T00:00:00+23:59", "9999-12-31T23:59:60-14:00", "xx2000", "2013-01-01T24:00:00",
        "ge0000", "2013-01-01T10", "2013-1-1", "ap0001", "ap9999-12-31T23:59:59-23:59",
        "\u0662\u0660\u0662\u0664", "2013-01-01T00:00:00+99:99",
    ),
    "reference": (
        "a", "Patient/a", "http://localhost/fhir/Patient/a", "Patient/a/_history/1", "urn:uuid:1",
        "http://other.example/Patient/a", "#a", "/a", "Patient/", "X/a", "http://a|1.0", "a/b/c",
        "Patient?x=1", "http://[::1", "a:b",
    ),
    "number": (
        "1", "1.0", "1e2", "-1", "ge0.5", "1e400", "nan", "inf", "x", "ap100", "1e-300", "0x1",
        "1_000", "\u0661", "-0", "ap0", "1e301", "9" * 400, "+1", ".5", "5.",
    ),
    "quantity": (
        "1", "5.4|http://unitsofmeasure.org|mg", "5||mg", "ge1|http://unitsofmeasure.org|kg",
        "|a|b", "1|2", "1|||", "1||", "ap1||[degF]", "1|http://unitsofmeasure.org|((", "1e400||g",
        "1|http://unitsofmeasure.org|10*999999", "1|http://unitsofmeasure.org|mg/dL/h2",
        "1|http://unitsofmeasure.org|m99999999", "37|http://unitsofmeasure.org|Cel",
    ),
    "uri": (
        "http://hl7.org/fhir/ValueSet/a", "urn:oid:1.2", "a", "http://", "/", "://", "http://a/b/c/",
    ),
    "composite": (
        "a$b", "http://loinc.org|1234-5$ge1", "a$2024", "$", "a$", "a$b$c", "a\\$b$c", "a",
    ),
}  # fmt: skip
_MODIFIERS = (
    "missing", "exact", "contains", "not", "text", "in", "not-in", "of-type", "identifier", "above",
    "below", "Patient", "iterate", "x", "", "Observation", "missing:missing",
)  # fmt: skip
_OPERATION_PAIRS = (
    ("url", ("http://hl7.org/fhir/ValueSet/administrative-gender", "http://x", "", "a|b")),
    ("code", ("male", "", "x")),
    ("system", ("http://hl7.org/fhir/administrative-gender", "x")),
    ("filter", ("m", "")),
    ("count", ("1", "0", "-1", "x", "99999999999999999999")),
    ("offset", ("1", "-1", "x", "99999999999999999999")),
    ("_count", ("1", "0", "-1", "x", "99999999999999999999")),
    ("_since", ("2024", "x", "9999-12-31T23:59:59-14:00")),
    ("start", ("2024", "x", "2024-13")),
    ("end", ("2024", "0001")),
    ("_type", ("Patient,Goal", "X", "")),
    ("mode", ("create", "update", "delete", "profile", "x")),
    ("profile", ("http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient", "x")),
    ("persist", ("true", "false", "x")),
    ("reverse", ("true", "x")),
    ("targetsystem", ("x",)),
    ("nonsense", ("x",)),
)


class Values:
    """Random values; shares the generator of whoever asks."""

    def __init__(self, generator: random.Random) -> None:
        self._random = generator

    def modifier(self) -> str:
        """A search modifier, not always one that exists."""
        return self._random.choice(_MODIFIERS)

    def operation_pair(self) -> tuple[str, str]:
        """Name and value of an operation's parameter."""
        name, values = self._random.choice(_OPERATION_PAIRS)
        return name, self._random.choice(values)

    def search_value(self, parameter: SearchParameter) -> str:
        """A value for a search parameter; now and then one of another kind."""
        kind = parameter.type
        if self._random.random() < 0.1:
            kind = self._random.choice(list(_SEARCH_VALUES))
        if self._random.random() < 0.03:
            return self._random.choice(TEXTS)
        values = self._random.choices(_SEARCH_VALUES[kind], k=self._random.choice((1, 1, 1, 2)))
        return ",".join(values)

    def mutated(self, value: Any) -> Any:
        """A copy with one place changed, chosen by walking down at random."""
        value = copy.deepcopy(value)
        node, parents = value, []
        while isinstance(node, (dict, list)) and node and self._random.random() < 0.85:
            keys = list(node) if isinstance(node, dict) else range(len(node))
            key = self._random.choice(list(keys))
            parents.append((node, key))
            node = node[key]
        if parents:
            holder, key = parents[-1]
            self._change(holder, key)
        return value

    def _change(self, holder: Any, key: Any) -> None:
        old = holder[key]
        match self._random.randrange(8):
            case 0:
                del holder[key]
            case 1:
                holder[key] = [old]
            case 2:
                holder[key] = {"a": old}
            case 3:
                holder[key] = [old, old] if not isinstance(old, list) else old + old
            case 4 if isinstance(holder, dict):
                name = self._random.choice(["_" + str(key), "x", "extension", "id", "contained"])
                holder[name] = self._random.choice((old, *ODD))
            case 5 if isinstance(old, str):
                cut = self._random.randrange(len(old) + 1)
                holder[key] = old[:cut] + self._random.choice(TEXTS) + old[cut:]
            case _:
                holder[key] = copy.deepcopy(self._random.choice(ODD))

    def damaged(self, body: bytes) -> bytes:
        """The body cut, repeated, or with a few bytes changed."""
        place = self._random.randrange(len(body) + 1)
        match self._random.randrange(4):
            case 0:
                return body[:place]
            case 1:
                return body + body
            case 2:
                return body[:place] + self._random.randbytes(3) + body[place + 3 :]
            case _:
                odd = self._random.choice((b"{", b"}", b"[", b"]", b'"', b",", b"\\", b"<", b"&"))
                return body[:place] + odd + body[place:]

    def json_patch(self, example: Any) -> Any:
        """A JSON Patch on a resource like the example."""
        patch = [self._json_step(example) for _ in range(self._random.randint(0, 3))]
        return self.mutated(patch) if self._random.random() < 0.3 else patch

    def _json_step(self, example: Any) -> Any:
        operation = self._random.choice(("add", "replace", "remove", "test", "copy", "move", "x"))
        return {
            "op": operation,
            "path": self._pointer(example),
            "from": self._pointer(example),
            "value": copy.deepcopy(self._random.choice((*ODD, example.get("meta")))),
        }

    def _pointer(self, example: Any) -> str:
        node, path = example, ""
        while isinstance(node, (dict, list)) and node and self._random.random() < 0.8:
            keys = list(node) if isinstance(node, dict) else range(len(node))
            key = self._random.choice(list(keys))
            path += "/" + str(key).replace("~", "~0").replace("/", "~1")
            node = node[key]
        return path + self._random.choice(("", "", "", "/-", "/x", "/0", "/01", "/~2", "/99999"))

    def fhirpath_patch(self, example: Any) -> Any:
        """A FHIRPath Patch on a resource like the example."""
        parts = [self._fhirpath_step(example) for _ in range(self._random.randint(0, 3))]
        patch = {"resourceType": "Parameters", "parameter": parts}
        return self.mutated(patch) if self._random.random() < 0.3 else patch

    def _fhirpath_step(self, example: Any) -> Any:
        kind = example["resourceType"]
        name = self._random.choice([*example])
        path = self._random.choice(
            (kind, f"{kind}.{name}", f"{kind}.{name}[0]", f"{kind}.{name}.where(a='b')", name,
             f"{kind}.{name}.first()", "", "(", f"{kind}.{name}[999999999]", f"{kind}.contained[0]",
             f"{kind}.{name}.{name}", "'a'", "%resource", f"{kind}.value.ofType(string)")
        )  # fmt: skip
        parts = [
            {"name": "type", "valueCode": self._random.choice(
                ("add", "insert", "delete", "replace", "move", "x"))},
            {"name": "path", "valueString": path},
            {"name": "name", "valueString": self._random.choice((name, "id", "x", "extension"))},
            {"name": "index", "valueInteger": self._random.choice((0, 1, -1, 10**9))},
            {"name": "source", "valueInteger": self._random.choice((0, 1, -1))},
            {"name": "destination", "valueInteger": self._random.choice((0, 1, -1))},
            self._random.choice((
                {"name": "value", "valueString": "a"},
                {"name": "value", "valueBoolean": True},
                {"name": "value", "valueHumanName": {"family": "b"}},
                {"name": "value", "part": [{"name": "x", "valueString": "c"}]},
                {"name": "value"},
            )),
        ]  # fmt: skip
        return {"name": "operation", "part": parts}
