"""The FHIR interactions that we use at a partner. Each returns an Exchange and never raises for
what a partner does. Source: R4 http.html.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from fhirbridge.errors import Issue, PartnerUnreachable
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Resource
from fhirbridge.partners.http import Answer, Exchange, NoAnswer, PartnerSession
from fhirbridge.partners.verdict import read_body

_FHIR_JSON = "application/fhir+json"
_TOKENS_PER_SEARCH = 10
_MAX_PAGES = 20


@dataclass(frozen=True, slots=True)
class Found:
    """What a look-up by identifier found: relative references by `system|value`.

    `failed` is the exchange that made the look-up incomplete, None if all was answered.
    """

    references: dict[str, tuple[str, ...]]
    failed: Exchange | None = None


class PartnerClient:
    """A partner's FHIR API. `request_id` goes into X-Request-Id of every request."""

    def __init__(self, session: PartnerSession, *, request_id: str = "") -> None:
        self._session = session
        self._headers = {"Accept": _FHIR_JSON}
        if request_id:
            self._headers["X-Request-Id"] = request_id

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session.close()

    @property
    def base_url(self) -> str:
        """The partner's FHIR base."""
        return self._session.base_url

    def capabilities(self) -> Exchange:
        """GET /metadata."""
        return self._session.ask("GET", "metadata", headers=self._headers)

    def send_bundle(self, bundle: Resource) -> Exchange:
        """POST a transaction or batch Bundle to the base."""
        return self._write("POST", "", bundle)

    def create(self, resource: Resource, *, if_none_exist: str = "") -> Exchange:
        """POST a resource, conditionally if a search is given."""
        extra = {"If-None-Exist": if_none_exist} if if_none_exist else {}
        return self._write("POST", str(resource["resourceType"]), resource, extra)

    def update(self, reference: str, resource: Resource, *, if_match: str = "") -> Exchange:
        """PUT a resource at `Type/id`, guarded by a versionId if one is given."""
        extra = {"If-Match": f'W/"{if_match}"'} if if_match else {}
        return self._write("PUT", reference, resource, extra)

    def read(self, reference: str) -> Exchange:
        """GET `Type/id`."""
        return self._session.ask("GET", reference, headers=self._headers)

    def history(self, reference: str) -> Exchange:
        """GET `Type/id/_history`."""
        return self._session.ask("GET", f"{reference}/_history", headers=self._headers)

    def delete(self, reference: str) -> Exchange:
        """DELETE `Type/id`."""
        return self._session.ask("DELETE", reference, headers=self._headers)

    def search(self, resource_type: str, params: list[tuple[str, str]]) -> Exchange:
        """GET `Type?…`, one page."""
        return self._session.ask("GET", resource_type, params=params, headers=self._headers)

    def search_all(
        self, resource_type: str, params: list[tuple[str, str]]
    ) -> list[Resource] | Exchange:
        """All matches over the pages of a search, or the exchange that failed."""
        matches: list[Resource] = []
        exchange = self.search(resource_type, params)
        for _ in range(_MAX_PAGES):
            bundle = _searchset(exchange)
            if bundle is None:
                return exchange
            for entry in bundle.get("entry") or []:
                resource = entry.get("resource") or {}
                if resource.get("resourceType") == resource_type:
                    matches.append(resource)
            following = [
                link.get("url")
                for link in bundle.get("link") or []
                if link.get("relation") == "next"
            ]
            if not following:
                return matches
            if self._session.url_of(str(following[0])) is None:
                return NoAnswer(sent=True, error_class="answer-broken-off")
            exchange = self._session.ask("GET", str(following[0]), headers=self._headers)
        return matches

    def find(self, resource_type: str, tokens: Sequence[str]) -> Found:
        """Which resources of a type have these identifiers (`system|value`), a few per request."""
        references: dict[str, tuple[str, ...]] = {}
        for start in range(0, len(tokens), _TOKENS_PER_SEARCH):
            part = tokens[start : start + _TOKENS_PER_SEARCH]
            value = ",".join(escape_token(token) for token in part)
            matches = self.search_all(resource_type, [("identifier", value)])
            if not isinstance(matches, list):
                return Found(references, failed=matches)
            for token in part:
                holders = sorted(
                    {f"{resource_type}/{one['id']}" for one in matches if _holds(one, token)}
                )
                if holders:
                    references[token] = tuple(holders)
        return Found(references)

    def _write(
        self, method: str, reference: str, resource: Resource, extra: dict[str, str] | None = None
    ) -> Exchange:
        headers = self._headers | {"Content-Type": _FHIR_JSON} | (extra or {})
        return self._session.ask(method, reference, body=wire.dump(resource), headers=headers)


def escape_token(token: str) -> str:
    """Escape what separates search values; the bar between system and value stays.

    Source: R4 search.html#escaping.
    """
    return re.sub(r"([\\,$])", r"\\\1", token)


def _searchset(exchange: Exchange) -> Resource | None:
    if not isinstance(exchange, Answer) or exchange.status != 200:
        return None
    bundle = read_body(exchange)
    return bundle if bundle and bundle.get("type") == "searchset" else None


def _holds(resource: Resource, token: str) -> bool:
    system, bar, value = token.rpartition("|")
    identifiers = resource.get("identifier")
    listed: Iterable[object] = identifiers if isinstance(identifiers, list) else [identifiers]
    return isinstance(resource.get("id"), str) and any(
        isinstance(one, dict)
        and one.get("value") == value
        and (not bar or (one.get("system") or "") == system)
        for one in listed
    )


def unreachable(exchange: Exchange, name: str) -> PartnerUnreachable:
    """The error for a partner that did not answer as a FHIR server, worded once."""
    if isinstance(exchange, Answer):
        text = f"{name} answered with HTTP {exchange.status}, which is not an answer of FHIR."
    else:
        text = f"{name} cannot be reached ({exchange.error_class})."
    return PartnerUnreachable(Issue("transient", text))
