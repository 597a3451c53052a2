"""The public forms under /fhir: written once for each change, read and searched, read-only."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import DEFAULT_BASE, Settings
from fhirbridge.documents.publish import publish
from fhirbridge.web.app import create_app
from tests.conformance.support import Api, assert_outcome, entry

SYSTEM = {
    "resourceType": "CodeSystem",
    "url": "https://other.example/codes",
    "status": "active",
    "content": "not-present",
}


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    built = bridges.build(Settings(auth="none", database_url=f"sqlite:///{tmp_path}/forms.db"))
    yield built
    built.close()


@pytest.fixture
def api(bridge: Bridge) -> Api:
    return Api(create_app(bridge).test_client())


class TestPublishing:
    def test_it_is_done_once(self, bridge: Bridge, api: Api) -> None:
        first, again = publish(bridge), publish(bridge)

        assert len(first.written) > 100
        assert (again.written, again.taken) == ((), ())
        assert api.get("/CodeSystem/modality").json["meta"]["versionId"] == "1"

    def test_each_is_found_by_url(self, bridge: Bridge, api: Api) -> None:
        publish(bridge)

        for reference in ("CodeSystem/modality", "ConceptMap/goal.lifecycle", "ValueSet/sex"):
            kind = reference.partition("/")[0]
            found = api.get(f"/{kind}?url={DEFAULT_BASE}/{reference}").json
            assert [f"{kind}/{one['resource']['id']}" for one in found["entry"]] == [reference]
        assert api.total("/NamingSystem?_id=identifier-facility") == 1
        assert api.total(f"/StructureDefinition?url={DEFAULT_BASE}/StructureDefinition/rank") == 1

    def test_changed_pack_is_published_again(
        self, bridge: Bridge, api: Api, tmp_path: Path
    ) -> None:
        publish(bridge)
        codes = tmp_path / "site" / "codes"
        codes.mkdir(parents=True)
        (codes / "local.yaml").write_text(
            'edition: "Site 3"\ndate: 2027-01-02\ntables:\n  modality.snomed:\n    rows:\n'
            '      - {native: group-therapy, fhir: "76168009"}\n'
        )
        settings = Settings(
            auth="none", database_url=bridge.settings.database_url, mappings=tmp_path / "site"
        )
        changed = bridges.build(settings)

        written = publish(changed).written
        changed.close()

        assert "ConceptMap/modality.snomed" in written
        concept_map = api.get("/ConceptMap/modality.snomed").json
        assert concept_map["version"] == "2027-01-02"
        assert len(concept_map["group"][0]["element"]) == 1

    def test_id_of_somebody_else_is_left_to_them(self, bridge: Bridge, api: Api) -> None:
        api.put("/CodeSystem/modality", {**SYSTEM, "id": "modality"})

        published = publish(bridge)

        assert published.taken == ("CodeSystem/modality",)
        assert api.get("/CodeSystem/modality").json["url"] == SYSTEM["url"]


class TestReadOnly:
    @pytest.fixture(autouse=True)
    def ready(self, bridge: Bridge) -> None:
        publish(bridge)

    def test_nobody_changes_or_deletes_them(self, api: Api) -> None:
        ours = api.get("/CodeSystem/modality").json

        changed = api.put("/CodeSystem/modality", {**ours, "title": "Mine"})
        other = api.put("/CodeSystem/modality", {**SYSTEM, "id": "modality"})
        deleted = api.delete("/CodeSystem/modality")

        for answer in (changed, other, deleted):
            assert_outcome(answer, 403, "forbidden")
        assert api.get("/CodeSystem/modality").json == ours

    def test_nobody_speaks_for_our_base(self, api: Api) -> None:
        url = f"{DEFAULT_BASE}/CodeSystem/invented"

        assert_outcome(api.post("/CodeSystem", {**SYSTEM, "url": url}), 403, "forbidden")
        answer = api.transaction(entry("POST", "CodeSystem", {**SYSTEM, "url": url}))
        assert_outcome(answer, 403, "forbidden")

    def test_other_definitions_are_free(self, api: Api) -> None:
        reference = api.created(SYSTEM)

        assert api.put(f"/{reference}", {**SYSTEM, "id": reference.partition("/")[2]}).status_code
        assert api.delete(f"/{reference}").status_code in (200, 204)

    def test_translate_uses_them(self, api: Api) -> None:
        query = f"system={DEFAULT_BASE}/CodeSystem/goal-status&code=improving"

        answer = api.get(f"/ConceptMap/goal.lifecycle/$translate?{query}")

        assert answer.status_code == 200, answer.get_data(as_text=True)
        assert {"name": "result", "valueBoolean": True} in answer.json["parameter"]
