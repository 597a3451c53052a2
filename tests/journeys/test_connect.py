"""An EHR is connected by the commands of README.md, as they are written there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.served import Server

README = Path(__file__).parents[2] / "README.md"
COMMANDS = re.compile(r"^## Connect an EHR$.*?^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_commands_of_the_readme_connect_an_ehr(tmp_path: Path) -> None:
    found = COMMANDS.search(README.read_text())
    assert found is not None

    with Server(tmp_path, "--workers", "1", FHIRBRIDGE_AUTH="smart") as server:
        done = subprocess.run(
            ["bash", "-e", "-c", found[1].replace("http://127.0.0.1:8080", server.url)],
            cwd=tmp_path,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("FHIRBRIDGE_")},
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    assert '"resourceType":"Bundle"' in done.stdout
    assert "Registered for Mercy Health" in done.stderr
    assert "Revoked since" in done.stderr
    assert len((tmp_path / "token").read_text().strip()) >= 40
