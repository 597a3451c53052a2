"""`python -m benchmarks.state`: a database filled with the days of a state."""

from pathlib import Path

import sqlalchemy as sa

from benchmarks import state
from fhirbridge import bridge as bridges
from fhirbridge.config import Settings
from fhirbridge.storage import tables


def test_database_is_filled_with_exactly_so_many_resources(tmp_path: Path) -> None:
    bridge = bridges.build(Settings(database_url=f"sqlite:///{tmp_path}/state.db"))

    steps = list(state.fill(bridge, 150, 1))

    assert steps == [150]
    kinds = sa.select(tables.resources.c.resource_type, sa.func.count()).group_by(sa.text("1"))
    with bridge.database.read() as session:
        counted = {row[0]: row[1] for row in session.execute(kinds)}
    bridge.close()
    assert sum(counted.values()) == 150
    assert counted["Patient"] == 2
    assert {"Appointment", "CarePlan", "Goal", "Organization"} <= counted.keys()
