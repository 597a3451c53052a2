"""Requests by which somebody may find out what is withheld: every parameter, with hidden values."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from fhirbridge.fhir.search_parameters import SearchParameter, search_parameters
from fhirbridge.search.parameter_types.date import DateValue
from fhirbridge.search.parameter_types.number import NumberValue
from fhirbridge.search.parameter_types.quantity import QuantityValue
from fhirbridge.search.parameter_types.reference import ReferenceValue
from fhirbridge.search.parameter_types.string import StringValue
from fhirbridge.search.parameter_types.token import TokenValue
from fhirbridge.search.parameter_types.uri import UriValue
from fhirbridge.search.values import extract

Resource = dict[str, Any]
_PREFIXES = ("", "ge", "lt", "ne", "sa", "eb")


@dataclass(frozen=True)
class Asked:
    """One request below the FHIR base."""

    method: str
    path: str
    body: Resource | list[Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        body = f"\n  {json.dumps(self.body)[:600]}" if self.body is not None else ""
        return f"{self.method} /{self.path} {self.headers}{body}"


class Hostile:
    """Requests made from what both stores have, `shown`, and what one has, `hidden`."""

    def __init__(
        self, chance: Random, shown: list[Resource], hidden: list[Resource], times: tuple[str, str]
    ) -> None:
        self.chance = chance
        self.times = times
        known = {f"{each['resourceType']}/{each['id']}" for each in shown}
        self.every = hidden
        self.secret = [
            each for each in hidden if f"{each['resourceType']}/{each['id']}" not in known
        ]
        self.shown = shown
        self.types = sorted({each["resourceType"] for each in hidden})
        self.values: dict[str, list[str]] = {}
        for resource in hidden:
            for found in extract(resource, timezone=ZoneInfo("UTC")):
                name = found.parameter.partition(":")[0]
                self.values.setdefault(name, []).append(_text(found.value))

    def requests(self, number: int, *, writes: float) -> Iterator[Asked]:
        """This many; `writes` is the share of the last ones, in which every other one writes."""
        readers = [self.instance, self.search, self.search, self.search, self.chain, self.history]
        for _ in range(int(number * (1 - writes))):
            made = self.chance.choice(readers)()
            method = "HEAD" if self.chance.random() < 0.1 else "GET"
            yield Asked(method, made, headers=self.conditions())
        for _ in range(int(number * writes / 2)):
            yield self.write()
            # what is new has ids by chance, by which searches are ordered
            yield Asked("GET", self.chance.choice((self.instance, self.history))())

    def conditions(self) -> dict[str, str]:
        if self.chance.random() < 0.75:
            return {"Accept-Encoding": self.chance.choice(("gzip", "identity"))}
        number = self.chance.randint(1, 3)
        return self.chance.choice(
            (
                {"If-None-Match": f'W/"{number}"'},
                {"If-Modified-Since": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")},
                {"Accept": "application/fhir+xml"},
            )
        )

    def resource(self) -> Resource:
        return self.chance.choice(self.secret if self.chance.random() < 0.4 else self.every)

    def instance(self) -> str:
        one = self.resource()
        reference = f"{one['resourceType']}/{one['id']}"
        ends = ["", "/_history/1", "/_history/2", "/_history/3", "?_summary=true", "/$validate"]
        if one["resourceType"] == "Patient":
            ends += ["/$everything", f"/$everything?_since={quote(self.times[0])}", "/*?_count=3"]
            ends += ["/CarePlan", "/Condition?_count=1", "/Observation"]
        if one["resourceType"] == "Composition":
            ends += ["/$document"]
        return reference + self.chance.choice(ends)

    def history(self) -> str:
        one = self.resource()
        place = self.chance.choice(
            (f"{one['resourceType']}/{one['id']}/", f"{one['resourceType']}/", "")
        )
        query = self.chance.choice(
            ("", "?_count=2", f"?_since={quote(self.times[0])}", f"?_at={quote(self.times[0])}")
        )
        return f"{place}_history{query}"

    def search(self) -> str:
        resource_type = self.chance.choice(self.types)
        pairs = [self.condition(resource_type) for _ in range(self.chance.choice((0, 1, 1, 1, 2)))]
        for _ in range(self.chance.choice((0, 1, 2))):
            pairs.append(self.shaping(resource_type))
        return f"{resource_type}?{urlencode(pairs)}"

    def chain(self) -> str:
        resource_type = self.chance.choice(self.types)
        links = [each for each in _parameters(resource_type) if each.is_link]
        if self.chance.random() < 0.5 and links:
            link = self.chance.choice(links)
            target = self.chance.choice([t for t in self.types if t in link.targets] or ["Patient"])
            code, value = self.condition(target)
            return f"{resource_type}?{urlencode([(f'{link.code}:{target}.{code}', value)])}"
        source = self.chance.choice(self.types)
        back = [
            each
            for each in _parameters(source)
            if each.is_link and (not each.targets or resource_type in each.targets)
        ]
        if not back:
            return self.search()
        code, value = self.condition(source)
        has = f"_has:{source}:{self.chance.choice(back).code}:{code}"
        return f"{resource_type}?{urlencode([(has, value)])}"

    def condition(self, resource_type: str) -> tuple[str, str]:
        if self.chance.random() < 0.15:
            prefix = self.chance.choice(_PREFIXES)
            return "_lastUpdated", prefix + self.chance.choice(self.times)
        if self.chance.random() < 0.1:
            return "_id", self.resource()["id"]
        parameter = self.chance.choice(_parameters(resource_type))
        if self.chance.random() < 0.15:
            return f"{parameter.code}:missing", self.chance.choice(("true", "false"))
        value = self.chance.choice(self.values.get(parameter.name, ["x"]))
        if parameter.type == "token" and self.chance.random() < 0.2:
            return f"{parameter.code}:not", value
        if parameter.type in ("date", "number", "quantity"):
            value = self.chance.choice(_PREFIXES) + value
        return parameter.code, value

    def shaping(self, resource_type: str) -> tuple[str, str]:
        links = [each.code for each in _parameters(resource_type) if each.is_link] or ["*"]
        source = self.chance.choice(self.types)
        back = [each.code for each in _parameters(source) if each.is_link] or ["*"]
        made: list[Callable[[], tuple[str, str]]] = [
            lambda: ("_count", self.chance.choice("0123")),
            lambda: ("_total", "accurate"),
            lambda: ("_summary", self.chance.choice(("count", "true", "data"))),
            lambda: ("_sort", self.order(resource_type)),
            lambda: ("_include", f"{resource_type}:{self.chance.choice(links)}"),
            lambda: ("_include:iterate", f"{source}:{self.chance.choice(back)}"),
            lambda: ("_revinclude", f"{source}:{self.chance.choice(back)}"),
            lambda: ("_revinclude:iterate", f"{source}:{self.chance.choice(back)}"),
        ]
        return self.chance.choice(made)()

    def order(self, resource_type: str) -> str:
        sign = self.chance.choice(("", "-"))
        if self.chance.random() < 0.4:
            return f"{sign}_lastUpdated"
        plain = [each.code for each in _parameters(resource_type) if each.type != "composite"]
        return sign + self.chance.choice(plain)

    def write(self) -> Asked:
        one = self.resource()
        place = f"{one['resourceType']}/{one['id']}"
        criteria = urlencode([self.condition(one["resourceType"])])
        bare = {name: value for name, value in deepcopy(one).items() if name not in ("id", "meta")}
        patch = [{"op": "add", "path": "/language", "value": "en"}]
        back = [
            {"op": "test", "path": self.chance.choice(("/reasonCode", "/addresses", "/status"))}
        ]
        conditional = {**bare, "subject": {"reference": f"Patient?{self._patient()}"}}
        entries = [
            {"request": {"method": "POST", "url": one["resourceType"]}, "resource": conditional},
            {"request": {"method": "DELETE", "url": place}},
            {"request": {"method": "GET", "url": f"{one['resourceType']}?{criteria}"}},
            {"request": {"method": "POST", "url": one["resourceType"], "ifNoneExist": criteria}}
            | {"resource": bare},
        ]
        chosen = self.chance.sample(entries, self.chance.randint(1, 2))
        kind = self.chance.choice(("batch", "transaction"))
        media = {"Content-Type": "application/fhir+json"}
        return self.chance.choice(
            (
                Asked("DELETE", place),
                Asked("DELETE", f"{one['resourceType']}?{criteria}"),
                Asked("PUT", place, one, media),
                Asked("PUT", place, one, {**media, "If-Match": 'W/"1"'}),
                Asked("PUT", f"{one['resourceType']}?{criteria}", bare, media),
                Asked("POST", one["resourceType"], bare, {**media, "If-None-Exist": criteria}),
                Asked("POST", one["resourceType"], bare, media),
                Asked("PATCH", place, patch, {"Content-Type": "application/json-patch+json"}),
                Asked("PATCH", place, back, {"Content-Type": "application/json-patch+json"}),
                Asked("POST", f"{place}/$validate?mode=delete"),
                Asked("POST", f"{place}/$validate?mode=update", one, media),
                Asked("POST", "", {"resourceType": "Bundle", "type": kind, "entry": chosen}, media),
            )
        )

    def _patient(self) -> str:
        return urlencode([self.condition("Patient")])


def _parameters(resource_type: str) -> list[SearchParameter]:
    found = search_parameters(resource_type).values()
    return [each for each in found if each.type != "composite" and each.code[0] != "_"]


def _text(value: Any) -> str:
    match value:
        case TokenValue(system=system, code=code):
            return f"{system}|{code}" if system else code
        case DateValue(low=low):
            return datetime.fromtimestamp(max(low, 0) / 1000, UTC).strftime("%Y-%m-%d")
        case ReferenceValue(target=target):
            return target
        case StringValue(exact=exact):
            return exact
        case NumberValue(low=low) | QuantityValue(low=low):
            return f"{low:.2f}"
        case UriValue(uri=uri):
            return uri
    return "x"
