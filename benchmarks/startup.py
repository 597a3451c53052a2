"""How long processes take to start, and how much memory a loaded one holds."""

from benchmarks.timing import Row, child

RUNS = 3
CASE = "fixtures/referral/scheduled/native.json"
BUNDLE = "fixtures/referral/scheduled/bundle.json"

COMMAND = "import sys; sys.stdout = sys.stderr = open('/dev/null', 'w');"
COMMAND += "from fhirbridge.cli.main import run; run(sys.argv[1:])"
MAPPINGS = """
import time; began = time.thread_time()
from fhirbridge.config import DEFAULT_BASE
from fhirbridge.conversion.mappings import load_mappings
load_mappings(base=DEFAULT_BASE); print(time.thread_time() - began)
"""
DEFINITIONS = """
import time; began = time.thread_time()
from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.validation import check
definitions(); check({"resourceType": "Patient", "active": True}); print(time.thread_time() - began)
"""
EVERYTHING = """
import pathlib, resource, sys, tempfile
from fhirbridge import bridge, config
from fhirbridge.conversion.mappings import load_mappings
from fhirbridge.fhir import models, wire
from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.validation import check
from fhirbridge.search import query
from fhirbridge.web.app import create_app
with tempfile.TemporaryDirectory() as folder:
    settings = config.Settings(auth="none", database_url=f"sqlite:///{folder}/bridge.db")
    built = bridge.build(settings)
    app = create_app(built)
    load_mappings(base=settings.base)
    for path in sorted(pathlib.Path("fixtures").glob("*/*/bundle.json")):
        bundle = wire.parse(path.read_bytes())
        check(bundle)
        models.second_opinion(bundle)
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        line = next(l for l in status.read_text().splitlines() if l.startswith("VmRSS"))
        print(int(line.split()[1]) / 1024)
    else:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(most / 1024 ** (1 + (sys.platform == "darwin")))
    built.close()
"""


def rows() -> list[Row]:
    """All figures of start-up and memory."""
    commands = {
        "fhirbridge --help": ("--help",),
        "fhirbridge convert, one file": ("convert", CASE),
        "fhirbridge convert --reverse, one file": ("convert", "--reverse", BUNDLE),
        "fhirbridge validate, one file": ("validate", BUNDLE),
    }
    found = [_row("python -c pass", min(child("pass")[0] for _ in range(RUNS)))]
    for name, arguments in commands.items():
        found.append(_row(name, min(child(COMMAND, *arguments)[0] for _ in range(RUNS))))
    for name, code in (("load_mappings()", MAPPINGS), ("validator, first check", DEFINITIONS)):
        seconds = min(float(child(code)[1]) for _ in range(RUNS))
        found.append(_row(name, seconds, goal=1.0 if "validator" in name else None))
    megabytes = float(child(EVERYTHING)[1])
    found.append(Row("memory", "a process with everything loaded", megabytes, "MB", None, 200.0))
    return found


def _row(name: str, seconds: float, *, goal: float | None = None) -> Row:
    return Row("start-up (CPU)", name, seconds, "s", None, goal)
