"""`work` looks for faults before it begins."""

from pathlib import Path

import pytest

from tests.unit.cli.running import run


@pytest.mark.parametrize("setting", ["CLOCKS", "CONSENT_POLICY", "MAPPINGS"])
def test_a_file_that_cannot_be_read_is_named_before_anything_begins(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FHIRBRIDGE_DATABASE_URL", f"sqlite:///{tmp_path}/p.db")
    monkeypatch.setenv(f"FHIRBRIDGE_{setting}", str(tmp_path / "nowhere"))

    done = run("work", "--once")

    assert done.code == 2
    assert "nowhere" in done.err
