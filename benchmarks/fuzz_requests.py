"""Requests for `benchmarks.fuzz`: from a grammar of the FHIR API, and mutations of valid ones.

Everything comes from one seeded random generator, so that a run can be repeated.
"""

import base64
import json
import random
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from benchmarks.fuzz_values import HEADERS, ODD, TEXTS, Values
from fhirbridge.fhir import wire, xml
from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.search_parameters import search_parameters
from fhirbridge.interactions.supported import OPERATIONS

PREFIX = "/fhir"
JSON_PATCH = "application/json-patch+json"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO")
_OTHER_ROUTES = (
    "/", "/health/live", "/health/ready", "/api/enrollments", "/api/aftercare-plans",
    "/api/referrals", "/api/handoffs", "/api/partners", "/api/docs", "/api/openapi.json",
    "/metrics", "/nothing",
)  # fmt: skip
_COMMON = ("Patient", "CarePlan", "Goal", "Observation", "Task", "Appointment", "Bundle")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: the raw target with its query, headers by name, and the body."""

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def to_text(self) -> str:
        """One line from which `from_text` makes the same request."""
        body = base64.b64encode(self.body).decode()
        return json.dumps([self.method, self.target, self.headers, body])

    @classmethod
    def from_text(cls, text: str) -> "Asked":
        """Read what `to_text` wrote."""
        method, target, headers, body = json.loads(text)
        return cls(method, target, headers, base64.b64decode(body))


class Requests:
    """An endless series of requests; `examples` are valid resources as JSON text."""

    def __init__(self, seed: int, examples: list[bytes]) -> None:
        self._random = random.Random(seed)
        self._values = Values(self._random)
        self._examples: dict[str, list[Any]] = {}
        for text in examples:
            resource = wire.parse(text)
            self._examples.setdefault(resource["resourceType"], []).append(resource)
        self._types = sorted(definitions().resource_types)
        self._links: list[str] = []
        self._kinds = (
            (self._search, 30),
            (self._instance, 10),
            (self._write, 20),
            (self._conditional, 6),
            (self._patch, 9),
            (self._bundle, 9),
            (self._operation, 7),
            (self._followed, 3),
            (self._anything, 6),
        )

    def next(self) -> Asked:
        """The next request."""
        makers = [maker for maker, _ in self._kinds]
        weights = [weight for _, weight in self._kinds]
        asked = self._random.choices(makers, weights)[0]()
        if self._chance(0.15):
            asked = self._spoilt(asked)
        return asked

    def learn(self, link: str) -> None:
        """Remember the address of a next page, to be asked for later."""
        self._links.append(link)
        del self._links[:-50]

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _type(self) -> str:
        return self._random.choice(_COMMON if self._chance(0.6) else self._types)

    def _id(self) -> str:
        return f"{self._random.choice('abcdefghij')}" if self._chance(0.9) else self._odd_text()

    def _odd_text(self) -> str:
        return self._random.choice(TEXTS)

    def _headers(self, **more: str) -> dict[str, str]:
        found = {name.replace("_", "-"): value for name, value in more.items() if value}
        for name, values in HEADERS.items():
            if self._chance(0.06):
                found[name] = self._random.choice(values)
        return found

    # bodies

    def _example(self, resource_type: str = "") -> Any:
        listed = self._examples.get(resource_type)
        if not listed:
            listed = self._random.choice(list(self._examples.values()))
        return self._random.choice(listed)

    def _resource(self, resource_type: str = "", resource_id: str = "") -> Any:
        resource = dict(self._example(resource_type))
        if resource_id:
            resource["id"] = resource_id
        if self._chance(0.4):
            for _ in range(self._random.randint(1, 3)):
                resource = self._values.mutated(resource)
        return resource

    def _sent(self, method: str, target: str, resource: Any, **headers: str) -> Asked:
        content_type = headers.pop("content_type", "application/fhir+json")
        if content_type != JSON_PATCH and isinstance(resource, dict) and self._chance(0.1):
            try:
                body = xml.dump(resource)
                content_type = "application/fhir+xml"
            except Exception:  # what cannot be written as XML is sent as JSON
                body = self._dumped(resource)
        else:
            body = self._dumped(resource)
        if self._chance(0.06):
            body = self._values.damaged(body)
        return Asked(method, target, self._headers(Content_Type=content_type, **headers), body)

    def _dumped(self, value: Any) -> bytes:
        try:
            return wire.dump(value)
        except Exception:  # a mutation that JSON cannot hold
            return repr(value).encode("utf-8", "surrogatepass")

    # requests

    def _search(self) -> Asked:
        resource_type = self._type()
        pairs = [self._condition(resource_type) for _ in range(self._random.randint(0, 3))]
        pairs += [self._control(resource_type) for _ in range(self._random.choice((0, 0, 1, 2)))]
        self._random.shuffle(pairs)
        segments = self._random.choices(
            ([resource_type], [], ["Patient", self._id(), resource_type], ["Patient", "a", "*"]),
            (80, 8, 8, 4),
        )[0]
        path = "/".join([PREFIX, *(quote(each, safe="*") for each in segments)])
        query = self._query(pairs)
        if self._chance(0.15):
            half = len(pairs) // 2
            target = f"{path}/_search?{self._query(pairs[:half])}"
            headers = self._headers(Content_Type="application/x-www-form-urlencoded")
            return Asked("POST", target, headers, self._query(pairs[half:]).encode())
        method = "HEAD" if self._chance(0.05) else "GET"
        return Asked(method, f"{path}?{query}", self._headers())

    def _query(self, pairs: list[tuple[str, str]]) -> str:
        if self._chance(0.1):
            return "&".join(f"{name}={value}" for name, value in pairs).replace(" ", "%20")
        return urlencode(pairs, errors="replace")

    def _condition(self, resource_type: str) -> tuple[str, str]:
        known = search_parameters(resource_type)
        code = self._random.choice(list(known))
        parameter = known[code]
        value = self._values.search_value(parameter)
        if parameter.type == "reference" and self._chance(0.3):
            target = self._random.choice(parameter.targets or self._types)
            name, value = self._condition(target)
            hint = f":{target}" if self._chance(0.7) else ""
            return f"{code}{hint}.{name}", value
        if self._chance(0.06):
            source = self._type()
            name, value = self._condition(source)
            referring = [p.code for p in search_parameters(source).values()]
            return f"_has:{source}:{self._random.choice(referring)}:{name}", value
        if self._chance(0.25):
            code += ":" + self._values.modifier()
        if self._chance(0.03):
            code = self._odd_text()
        return code, value

    def _control(self, resource_type: str) -> tuple[str, str]:
        codes = list(search_parameters(resource_type))
        source = resource_type if self._chance(0.5) else self._type()
        referring = [p.code for p in search_parameters(source).values() if p.type == "reference"]
        included = f"{source}:{self._random.choice([*referring, '*', 'nonsense'])}"
        if self._chance(0.2):
            included += f":{self._type()}"
        elements = list(definitions().elements(resource_type))
        sort = [
            self._random.choice(["", "-"]) + self._random.choice(codes)
            for _ in range(self._random.randint(1, 3))
        ]
        choices = [
            ("_count", self._random.choice(["0", "1", "5", "1000", "-1", "x", "9" * 30])),
            ("_sort", ",".join(sort)),
            ("_summary", self._random.choice(["true", "text", "data", "count", "false", "x"])),
            ("_total", self._random.choice(["none", "estimate", "accurate", "x"])),
            ("_elements", ",".join(self._random.choices(elements, k=2))),
            (f"_include{self._random.choice(['', ':iterate', ':x'])}", included),
            (f"_revinclude{self._random.choice(['', ':iterate'])}", included),
            ("_include", "*"),
            ("_contained", self._random.choice(["true", "false", "both", "x"])),
            ("_containedType", self._random.choice(["container", "contained", "x"])),
            ("_format", self._random.choice(["json", "xml", "html", "application/fhir xml"])),
            ("_pretty", self._random.choice(["true", "false", "x"])),
            ("_type", ",".join(self._random.choices([*self._types, "X"], k=2))),
            ("_cursor", self._odd_text()),
            ("_text", "a"),
            ("_content", "a"),
            ("_filter", "name eq a"),
            ("_list", "a"),
            ("_query", "a"),
        ]
        return self._random.choice(choices)

    def _instance(self) -> Asked:
        place = f"{PREFIX}/{self._type()}/{quote(self._id())}"
        version = self._random.choice(["1", "2", "0", "-1", "99999999999", "x"])
        query = self._random.choice(["", "", "?_count=2", "?_since=2020", "?_at=2099", "?_x=1"])
        target = self._random.choice(
            [
                place,
                place,
                f"{place}/_history{query}",
                f"{place}/_history/{version}",
                f"{PREFIX}/{self._type()}/_history{query}",
                f"{PREFIX}/_history{query}",
                f"{PREFIX}/metadata",
            ]
        )
        method = self._random.choices(("GET", "HEAD", "DELETE"), (75, 10, 15))[0]
        return Asked(method, target, self._headers())

    def _write(self) -> Asked:
        resource_type, resource_id = self._type(), self._id()
        if self._chance(0.4):
            target = f"{PREFIX}/{resource_type}"
            return self._sent("POST", target, self._resource(resource_type))
        resource = self._resource(resource_type, resource_id)
        kind = resource.get("resourceType", resource_type)
        address = quote(str(kind if self._chance(0.95) else resource_type))
        return self._sent("PUT", f"{PREFIX}/{address}/{quote(resource_id)}", resource)

    def _conditional(self) -> Asked:
        resource_type = self._type()
        query = self._query([self._condition(resource_type)])
        method = self._random.choice(["POST", "PUT", "PATCH", "DELETE"])
        if method == "POST":
            resource = self._resource(resource_type)
            target = f"{PREFIX}/{resource_type}"
            return self._sent("POST", target, resource, If_None_Exist=query)
        target = f"{PREFIX}/{resource_type}?{query}"
        if method == "DELETE":
            return Asked("DELETE", target, self._headers())
        if method == "PATCH":
            patch, content_type = self._patch_body(resource_type)
            return self._sent("PATCH", target, patch, content_type=content_type)
        return self._sent("PUT", target, self._resource(resource_type))

    def _patch(self) -> Asked:
        resource_type = self._type()
        patch, content_type = self._patch_body(resource_type)
        target = f"{PREFIX}/{resource_type}/{self._random.choice('abcdefghij')}"
        return self._sent("PATCH", target, patch, content_type=content_type)

    def _patch_body(self, resource_type: str) -> tuple[Any, str]:
        example = self._example(resource_type)
        if self._chance(0.5):
            return self._values.fhirpath_patch(example), "application/fhir+json"
        return self._values.json_patch(example), JSON_PATCH

    def _bundle(self) -> Asked:
        entries = [self._entry() for _ in range(self._random.randint(0, 6))]
        kind = self._random.choices(("transaction", "batch", "document"), (60, 38, 2))[0]
        bundle: Any = {"resourceType": "Bundle", "type": kind, "entry": entries}
        if self._chance(0.25):
            bundle = self._values.mutated(bundle)
        return self._sent("POST", PREFIX, bundle)

    def _entry(self) -> Any:
        asked = self._random.choice(
            [self._write, self._write, self._search, self._instance, self._conditional]
        )()
        url = asked.target.removeprefix(PREFIX).strip("/")
        request: dict[str, Any] = {"method": asked.method, "url": url}
        entry: dict[str, Any] = {"request": request}
        if "If-None-Exist" in asked.headers:
            request["ifNoneExist"] = asked.headers["If-None-Exist"]
        if self._chance(0.05):
            request["ifMatch"] = self._random.choice(['W/"1"', "1", "*", ""])
        number = self._random.randint(0, 4)
        if self._chance(0.6):
            entry["fullUrl"] = f"urn:uuid:00000000-0000-4000-8000-00000000000{number}"
        if asked.method in ("POST", "PUT"):
            entry["resource"] = self._linked(self._resource(url.split("/")[0].split("?")[0]))
        elif asked.method == "PATCH":
            data = self._dumped(self._values.json_patch(self._example()))
            entry["resource"] = {
                "resourceType": "Binary",
                "contentType": JSON_PATCH,
                "data": base64.b64encode(data).decode(),
            }
        return entry

    def _linked(self, resource: Any) -> Any:
        """Sometimes with a subject that another entry may be, or a search for one."""
        if not isinstance(resource, dict) or not self._chance(0.4):
            return resource
        number = self._random.randint(0, 4)
        reference = self._random.choice(
            [
                f"urn:uuid:00000000-0000-4000-8000-00000000000{number}",
                f"Patient?{self._query([self._condition('Patient')])}",
                f"Patient/{self._id()}",
                "#x",
                f"http://localhost/fhir/Patient/{self._id()}",
            ]
        )
        return {**resource, "subject": {"reference": reference}}

    def _operation(self) -> Asked:
        operation = self._random.choice(OPERATIONS)
        resource_type = self._random.choice(operation.types or self._types)
        instance = f"/{self._id()}" if self._chance(0.5) else ""
        target = f"{PREFIX}/{resource_type}{quote(instance)}/{operation.name}"
        pairs = [self._values.operation_pair() for _ in range(self._random.randint(0, 3))]
        if self._chance(0.5):
            return Asked("GET", f"{target}?{self._query(pairs)}", self._headers())
        parts: list[Any] = [{"name": name, "valueString": value} for name, value in pairs]
        if self._chance(0.7):
            parts.append({"name": "resource", "resource": self._resource(resource_type)})
        parameters: Any = {"resourceType": "Parameters", "parameter": parts}
        if self._chance(0.3):
            parameters = self._resource(resource_type)
        return self._sent("POST", target, parameters)

    def _followed(self) -> Asked:
        if not self._links:
            return self._search()
        link = self._random.choice(self._links)
        head, mark, cursor = link.partition("_cursor=")
        if mark and self._chance(0.3):
            link = head + mark + self._forged(cursor)
        return Asked("GET", link, self._headers())

    def _forged(self, cursor: str) -> str:
        """A cursor of ours with another place in it."""
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        values[self._random.randrange(len(values))] = self._random.choice(ODD)
        return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")

    def _anything(self) -> Asked:
        parts = [PREFIX]
        words = [*_COMMON, "_history", "_search", "metadata", "$validate", "a", "", "..", "%00"]
        for _ in range(self._random.randint(0, 6)):
            word = self._random.choice(words) if self._chance(0.8) else self._odd_text()
            parts.append(word if "%" in word else quote(word, safe="$"))
        target = "/".join(parts) if self._chance(0.7) else self._random.choice(_OTHER_ROUTES)
        body = self._dumped(self._random.choice(ODD)) if self._chance(0.3) else b""
        return Asked(self._random.choice(_METHODS), target, self._headers(), body)

    def _spoilt(self, asked: Asked) -> Asked:
        """The request with one thing about it changed."""
        match self._random.randrange(5):
            case 0:
                return Asked(self._random.choice(_METHODS), asked.target, asked.headers, asked.body)
            case 1:
                cut = self._random.randrange(len(asked.target) + 1)
                odd = self._random.choice(["%", "%zz", "%ff", "&", "=", "?", "/", "|", ":", "%00"])
                target = asked.target[:cut] + odd + asked.target[cut:]
                return Asked(asked.method, "/" + target.lstrip("/"), asked.headers, asked.body)
            case 2:
                name = self._random.choice(list(HEADERS))
                value = self._random.choice(HEADERS[name])
                return Asked(asked.method, asked.target, {**asked.headers, name: value}, asked.body)
            case 3:
                return Asked(
                    asked.method, asked.target, asked.headers, self._values.damaged(asked.body)
                )
            case _:
                separator = "&" if "?" in asked.target else "?"
                name, value = self._control(self._type())
                target = f"{asked.target}{separator}{self._query([(name, value)])}"
                return Asked(asked.method, target, asked.headers, asked.body)
