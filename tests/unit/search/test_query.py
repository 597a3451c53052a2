"""URL parameters become a query, or are refused by name and never by value."""

import pytest

from fhirbridge.errors import InvalidContent
from fhirbridge.search import query
from fhirbridge.search.clauses import Chain, Clause, Has, Identity, Missing
from fhirbridge.search.parameter_types.token import TokenCriterion
from fhirbridge.search.query import Compartment, SearchQuery


def parse(text: str, resource_type: str | None = "CarePlan", **options: bool) -> SearchQuery:
    pairs = []
    for part in text.split("&"):
        name, _, value = part.partition("=")
        pairs.append((name, value))
    return query.parse(resource_type, pairs, **options)  # type: ignore[arg-type]


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "code", "words"),
        [
            ("patinet=p1", "not-supported", "'patinet' is not a search parameter of CarePlan"),
            ("_text=x", "not-supported", "'_text'"),
            ("_filter=x", "not-supported", "'_filter'"),
            ("_list=x", "not-supported", "'_list'"),
            ("status:exact=x", "not-supported", "':exact' cannot be used with 'status'"),
            ("date:not=2026", "not-supported", "'date'"),
            ("subject:Practitioner=1", "not-supported", "'subject'"),
            ("category:in=http://none.example", "not-supported", "'category:in'"),
            (
                "date=tomorrow",
                "invalid",
                "'date' cannot be read: expected no letters before it but",
            ),
            (
                "subject.nam=x",
                "not-supported",
                "'subject.nam' is not a search parameter of CarePlan",
            ),
            ("date=2026-13", "invalid", "'date'"),
            ("date=2026-02-30", "invalid", "'date'"),
            ("date=xx2026", "invalid", "'date'"),
            ("date=2026-01-01T25:00", "invalid", "'date'"),
            ("status=", "invalid", "'status'"),
            ("status=a,,b", "invalid", "'status'"),
            ("status=a|b|c", "invalid", "'status'"),
            ("status=|", "invalid", "'status'"),
            ("status:missing=maybe", "invalid", "'status:missing'"),
            ("subject=a b", "invalid", "'subject'"),
            ("status.name=x", "invalid", "'status' is not a reference"),
            ("subject:Device.name=x", "invalid", "'subject:Device'"),
            ("subject.nonsense=x", "not-supported", "'subject.nonsense'"),
            ("subject:Patient.nonsense=x", "not-supported", "Patient"),
            ("_has:Observation:nonsense:code=x", "not-supported", "_has:Observation:nonsense"),
            ("_has:Nonsense:subject:code=x", "invalid", "_has"),
            ("_has:Observation:subject:code=x", "invalid", "does not point to CarePlan"),
            ("_has:Observation=x", "invalid", "_has"),
            ("_count=-1", "invalid", "'_count'"),
            ("_count=ten", "invalid", "'_count'"),
            ("_count:exact=1", "not-supported", "'_count'"),
            ("_sort:desc=date", "not-supported", "'_sort'"),
            ("_sort=nonsense", "not-supported", "'nonsense'"),
            ("_total=maybe", "invalid", "'_total'"),
            ("_summary=maybe", "invalid", "'_summary'"),
            ("_summary=text&_include=CarePlan:subject", "invalid", "'_summary=text'"),
            ("_contained=all", "invalid", "'_contained'"),
            ("_contained=true&status:not=a", "not-supported", "'_contained'"),
            ("_contained=both&status:not=a", "not-supported", "'_contained'"),
            ("_contained=true&patient.name=a", "not-supported", "'_contained'"),
            ("_contained=true&_include=CarePlan:subject", "not-supported", "'_contained'"),
            ("_contained=true&_sort=date", "not-supported", "'_contained'"),
            ("_containedType=x", "invalid", "'_containedType'"),
            ("_content=x", "not-supported", "'_content'"),
            ("_query=x", "not-supported", "'_query'"),
            ("category:below=a", "invalid", "'category:below'"),
            ("category:above=urn:none|a", "not-supported", "'category:above'"),
            ("_include=CarePlan", "invalid", "'_include'"),
            ("_include=CarePlan:nonsense", "not-supported", "_include=CarePlan:nonsense"),
            ("_include=CarePlan:subject:Nonsense", "invalid", "'_include'"),
            ("_include=CarePlan:instantiates-canonical", "not-supported", "_include=CarePlan"),
            ("instantiates-canonical.name=a", "not-supported", "canonical"),
            ("_include:strange=CarePlan:subject", "not-supported", "'_include'"),
        ],
    )
    def test_name_the_parameter(self, text: str, code: str, words: str) -> None:
        with pytest.raises(InvalidContent) as caught:
            parse(text)

        assert (caught.value.issues[0].code, caught.value.http_status) == (code, 400)
        assert words in caught.value.issues[0].diagnostics

    @pytest.mark.parametrize(
        "text", ["status=a|SECRET|c", "date=SECRET", "subject=a SECRET", "status:missing=SECRET"]
    )
    def test_never_repeat_the_value(self, text: str) -> None:
        with pytest.raises(InvalidContent) as caught:
            parse(text)

        assert "SECRET" not in str(caught.value)

    def test_number_and_quantity(self) -> None:
        for value in ("x", "nan", "1e999", "inf", "1_0", "\u0661", "9" * 400, "1e", "."):
            with pytest.raises(InvalidContent, match="probability"):
                parse(f"probability={value}", "RiskAssessment")
        for text in ("value-quantity=1|2", "value-quantity=|x|y", "code-value-quantity=x"):
            with pytest.raises(InvalidContent, match="value-quantity"):
                parse(text, "Observation")

    def test_too_many_values_are_refused(self) -> None:
        with pytest.raises(InvalidContent, match="'status'"):
            parse("status=" + ",".join("x" * 501))
        with pytest.raises(InvalidContent, match="too many values"):
            parse("&".join(["focus=" + ",".join("abcdefghij")] * 10), "Task")

    def test_chains_have_an_end(self) -> None:
        with pytest.raises(InvalidContent, match="too long"):
            parse("part-of:CarePlan." * 7 + "status=active")


class TestLenient:
    def test_unknown_parameter_is_ignored_and_named(self) -> None:
        found = parse("patinet=p1&status=active&_sort=nonsense", lenient=True)

        assert found.used == (("status", "active"),)
        assert [issue.severity for issue in found.issues] == ["warning", "warning"]
        assert "'patinet'" in found.issues[0].diagnostics
        assert len(found.clauses) == 1

    def test_modifier_is_refused_all_the_same(self) -> None:
        with pytest.raises(InvalidContent):
            parse("status:exact=x", lenient=True)


class TestClauses:
    def test_comma_is_or_and_repetition_is_and(self) -> None:
        found = parse("status=a,b&status=c")

        first, second = found.clauses
        assert isinstance(first, Clause) and isinstance(second, Clause)
        assert first.criteria == (TokenCriterion(None, "a"), TokenCriterion(None, "b"))
        assert second.criteria == (TokenCriterion(None, "c"),)

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("a\\,b", TokenCriterion(None, "a,b")),
            ("s|a\\|b", TokenCriterion("s", "a|b")),
            ("\\$a\\\\", TokenCriterion(None, "$a\\")),
            ("|a", TokenCriterion("", "a")),
            ("s|", TokenCriterion("s", None)),
        ],
    )
    def test_escapes(self, value: str, expected: TokenCriterion) -> None:
        (clause,) = parse(f"category={value}").clauses

        assert isinstance(clause, Clause)
        assert clause.criteria == (expected,)

    def test_kinds(self) -> None:
        found = parse(
            "_id=a,b&patient.name=x&_has:Provenance:target:recorded=2026&status:missing=true"
        )

        identity, chain, has, missing = found.clauses
        assert identity == Identity(("CarePlan/a", "CarePlan/b"))
        assert isinstance(chain, Chain) and chain.links[0].resource_type == "Patient"
        assert isinstance(has, Has) and has.name == "Provenance.target"
        assert isinstance(missing, Missing) and missing.missing

    def test_system_search_knows_common_parameters_only(self) -> None:
        assert len(parse("_tag=x&_lastUpdated=2026", None).clauses) == 2
        assert len(parse("_type=CarePlan,Goal&patient=x", None).clauses) == 1
        for text in ("status=x", "_type=Nonsense", "_type=CarePlan,Organization&patient=x"):
            with pytest.raises(InvalidContent):
                parse(text, None)


class TestResultParameters:
    def test_are_read(self) -> None:
        text = "_count=7&_sort=-date,_id&_total=none&_summary=true&_elements=id,status"
        found = parse(text + "&_revinclude:iterate=Provenance:target&_format=xml&_cursor=abc")

        assert (found.count, found.total, found.summary) == (7, "none", "true")
        assert [(key.names, key.descending) for key in found.sort] == [
            (("CarePlan.date",), True),
            (("Resource._id",), False),
        ]
        assert found.elements == ("id", "status")
        assert found.includes[0].reverse and found.includes[0].iterate
        assert found.cursor == "abc"

    def test_self_link_shows_what_had_an_effect(self) -> None:
        found = parse("status=active&_format=xml&_count=5&_cursor=abc")

        assert found.used == (("status", "active"), ("_count", "5"))

    def test_last_one_of_what_can_be_said_once_counts(self) -> None:
        found = parse("_count=5&_total=none&status=active&_count=7&status=draft&_total=accurate")

        assert (found.count, found.total) == (7, "accurate")
        assert found.used == (
            ("status", "active"),
            ("_count", "7"),
            ("status", "draft"),
            ("_total", "accurate"),
        )

    def test_count_has_an_upper_limit(self) -> None:
        found = parse("_count=100000")

        assert found.count == query.MAX_COUNT
        assert found.used == (("_count", str(query.MAX_COUNT)),)


def test_compartment_without_members_matches_nothing() -> None:
    found = query.parse("Organization", [], compartment=Compartment("Patient", "p1"))

    assert found.clauses == (Identity(()),)
