"""Under which namespace ids are made, and the canonical base of what is ours."""

from dataclasses import dataclass
from uuid import UUID

# Without a database there is no custodian's secret; `--namespace` gives one.
DEMO_NAMESPACE = UUID("6f1d4f0a-52c4-5e0b-9a51-0d6c1b1e7a10")


@dataclass(frozen=True, slots=True)
class Identity:
    """The secret namespace of a custodian (design.md section 5, identity across documents)."""

    namespace: UUID = DEMO_NAMESPACE
