"""From method and address to interaction."""

import pytest

from fhirbridge.errors import NotFound, NotSupported
from fhirbridge.interactions.supported import allowed_methods, route


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", ("metadata",), "capabilities"),
        ("POST", (), "bundle"),
        ("GET", ("Patient", "1"), "read"),
        ("GET", ("Patient", "metadata1"), "read"),
        ("GET", ("Patient", "1", "_history"), "history"),
        ("GET", ("Patient", "1", "_history", "2"), "vread"),
        ("GET", ("Patient",), "search"),
        ("POST", ("Patient", "_search"), "search"),
        ("POST", ("Patient",), "create"),
        ("PUT", ("Patient",), "conditional_update"),
        ("DELETE", ("Patient", "1"), "delete"),
    ],
)
def test_route(method: str, path: tuple[str, ...], name: str) -> None:
    assert route(method, path).interaction.name == name


def test_route_has_the_parts_of_the_address() -> None:
    found = route("GET", ("Patient", "1", "_history", "2"))

    assert (found.resource_type, found.resource_id, found.version_id) == ("Patient", "1", "2")


@pytest.mark.parametrize(
    "path",
    [
        ("nothing",),
        ("Patient", "1", "x"),
        ("Patient", "1", "2", "3", "4"),
        ("$op",),
        ("DomainResource",),
    ],
    ids="/".join,
)
def test_address_that_means_nothing(path: tuple[str, ...]) -> None:
    with pytest.raises(NotFound):
        route("GET", path)


def test_method_that_is_not_offered_names_those_that_are() -> None:
    with pytest.raises(NotSupported, match="DELETE, GET, PATCH, PUT"):
        route("POST", ("Patient", "1"))
    assert allowed_methods(("Patient", "1")) == ("DELETE", "GET", "PATCH", "PUT", "HEAD")
    assert allowed_methods(("x", "y", "z", "0", "1")) == ()
