"""SMART scopes: read, compared, written. Source: SMART App Launch 2.2"""

import pytest

from fhirbridge.disclosure import scopes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("system/Patient.rs", ("system/Patient.rs",)),
        ("system/Patient.read", ("system/Patient.rs",)),
        ("system/Patient.write", ("system/Patient.cud",)),
        ("system/Patient.*", ("system/Patient.cruds",)),
        ("system/*.read system/Goal.c", ("system/*.rs", "system/Goal.c")),
        ("system/Goal.s system/Goal.c", ("system/Goal.cs",)),
        ("system/fhirbridge.cru", ("system/fhirbridge.cru",)),
    ],
)
def test_scopes_are_written_in_version_2(text: str, words: tuple[str, ...]) -> None:
    assert scopes.read(text.split()).words() == words


@pytest.mark.parametrize(
    "text",
    [
        "system/Patient",
        "system/Patient.",
        "system/Patient.sr",
        "system/Patient.rr",
        "system/patient.r",
        "system/Nothing.r",
        "system/Resource.r",
        "user/Patient.r",
        "patient/Patient.r",
        "system/Patient.rs?category=a",
        "system/Patient.reads",
        "system/**.r",
        "openid",
        "",
    ],
)
def test_other_words_are_not_scopes(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a scope such as system/Patient\.rs"):
        scopes.read([text])
    assert scopes.read_known([text]).words() == ()


@pytest.mark.parametrize(
    ("asked", "allowed", "both"),
    [
        ("system/*.cruds", "system/Patient.rs system/Goal.c", "system/Goal.c system/Patient.rs"),
        ("system/Patient.rs", "system/*.r", "system/Patient.r"),
        ("system/*.rs", "system/*.s system/Goal.r", "system/*.s system/Goal.r"),
        ("system/Patient.c", "system/Patient.rs", ""),
        ("system/Patient.r", "system/Goal.r", ""),
        ("system/*.cruds", "system/fhirbridge.cruds", ""),
        ("system/fhirbridge.r", "system/*.cruds", ""),
        ("system/fhirbridge.cr", "system/fhirbridge.rs", "system/fhirbridge.r"),
    ],
)
def test_what_two_have_in_common(asked: str, allowed: str, both: str) -> None:
    found = scopes.read(asked.split()).within(scopes.read(allowed.split()))

    assert " ".join(found.words()) == both


def test_the_wildcard_stands_for_resource_types_only() -> None:
    everything = scopes.read(["system/*.cruds"])
    some = scopes.read(["system/Patient.cruds"])

    assert everything.allow("Patient", "r")
    assert everything.allow(scopes.ANY, "r")
    assert not everything.allow(scopes.DOCUMENTS, "r")
    assert not some.allow(scopes.ANY, "r")
    assert not some.allow("Goal", "r")
