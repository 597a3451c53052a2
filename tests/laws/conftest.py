"""How many documents a law sees: 200 in CI, as many as FHIRBRIDGE_TEST_EXAMPLES says otherwise."""

import os

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "laws",
    max_examples=int(os.environ.get("FHIRBRIDGE_TEST_EXAMPLES", "200")),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # a whole document shrinks too slowly to wait for
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("laws")
