"""Golden Bundles before two validators that others wrote: `python -m benchmarks.cross_check`.

    python -m benchmarks.cross_check --python /path/to/venv/bin/python

The second interpreter has pyrofile-validator 0.3.0; it also gets our published extensions and code
systems. What it says is counted; what is none of our faults is named in `EXPLAINED` with the
reason. Exit code 1 if anything is left. fhirkit-rs runs in this process; it must find nothing.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import fhirkit

from fhirbridge.config import DEFAULT_BASE
from fhirbridge.conversion.mappings import load_mappings
from fhirbridge.conversion.published import published

BUNDLES = sorted((Path(__file__).parent.parent / "fixtures").glob("*/*/bundle.json"))

# (code, pattern of the message, why it is not a fault of ours); seen with pyrofile-validator 0.3.0
EXPLAINED = (
    ("element.unknown", r"\.(text|language)$", "its R4 lacks elements named text and language"),
    (
        "terminology.required",
        r"ValueSet _r4b_status_",
        "it knows only the first codes of Task.status",
    ),
    (
        "cardinality.min",
        r"CoverageEligibilityResponse\.created",
        "data-absent-reason stands in _created",
    ),
    ("extension.unknown", r"/us/core/", "US Core's definitions are in no package that we may load"),
    ("profile.unknown", r"/us/core/", "US Core's definitions are in no package that we may load"),
    (
        "terminology.display",
        r"terminology\.hl7\.org",
        "it takes our code system of the same id for HL7's",
    ),
    ("questionnaire.unresolved", "", "the Questionnaires of our carriers are not published"),
)

_PROBE = """
import json, sys
from pyrofile_validator import Validator
from pyrofile_validator.config import ValidatorConfig
validator = Validator(ValidatorConfig(local_package_paths=[sys.argv[1]]))
for path in sys.argv[2:]:
    with open(path, encoding="utf-8") as file:
        report = validator.validate_resource(json.load(file))
    found = [(i.severity.value, i.code, i.message, i.path or "") for i in report.issues]
    print(json.dumps([path, found]))
"""


def main() -> int:
    """Run both; print what they say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--python", help="an interpreter with pyrofile-validator; left out: only fhirkit"
    )
    python = parser.parse_args().python
    left = _fhirkit()
    if python:
        left += _pyrofile(python)
    return int(left > 0)


def _fhirkit() -> int:
    found = Counter(
        str(issue) for path in BUNDLES for issue in fhirkit.validate(path.read_text("utf-8"))
    )
    _table(f"fhirkit {fhirkit.__version__}, {len(BUNDLES)} Bundles", found)
    return sum(found.values())


def _pyrofile(python: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        for resource in published(load_mappings(base=DEFAULT_BASE)):
            name = f"{resource['resourceType']}-{resource['id']}.json"
            Path(folder, name).write_text(json.dumps(resource), encoding="utf-8")
        command = [python, "-c", _PROBE, folder, *map(str, BUNDLES)]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    explained: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for line in lines.splitlines():
        for severity, code, message, path in json.loads(line)[1]:
            reason = _reason(code, message)
            if reason:
                explained[f"{code}: {reason}"] += 1
            else:
                left[f"{severity} {code} {re.sub(r'[0-9]+', '', path)}: {message}"] += 1
    _table("pyrofile-validator, explained", explained)
    _table("pyrofile-validator, left", left)
    return sum(left.values())


def _reason(code: str, message: str) -> str:
    found = (
        why for known, pattern, why in EXPLAINED if known == code and re.search(pattern, message)
    )
    return next(found, "")


def _table(title: str, found: Counter[str]) -> None:
    print(f"{title}: {sum(found.values())}")
    for text, count in found.most_common():
        print(f"  {count:5} {text}")


if __name__ == "__main__":
    sys.exit(main())
