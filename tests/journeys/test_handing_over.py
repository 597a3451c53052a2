"""The commands by which README.md hands a plan over and closes the loop, against a real EHR."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.conftest import Ehr
from tests.unit.cli.running import ROOT, Done, run

SECTION = re.compile(r"^## Hand over for real$(.*?)^## ", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(ehr: Ehr) -> Iterator[list[str]]:
    """The words of each command, for this EHR."""
    [section] = SECTION.findall((ROOT / "README.md").read_text())
    text = "".join(BLOCK.findall(section)).replace("\\\n", " ")
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        yield [word.replace("https://ehr.example.org/fhir", ehr.base_url) for word in words[1:]]


def test_the_commands_of_the_readme_close_the_loop(
    ehr: Ehr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")

    done: dict[str, Done] = {}
    for words in commands(ehr):
        may_fail = words[-2:] == ["||", "true"]
        name = " ".join(words[:2])
        done[name] = run(*(words[:-2] if may_fail else words))
        assert done[name].code == 0 or may_fail, f"{name}: {done[name].err}"

    assert b"delivered" in done["outbox show"].out
    assert b"status    Done" in done["handoff show"].out
    packet = (tmp_path / "packet.html").read_text()
    assert "To Mercy Hospital." in packet
    assert "From Prairie Light Recovery Center, +12175550100." in packet
    assert "<h2>Care plan</h2>" in packet
    assert done["consent explain"].code == 3
    assert b"Mercy Hospital" in done["audit accounting"].out
    assert b"Mercy Hospital" in done["audit breach"].out
