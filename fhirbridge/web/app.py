"""The web application: `create_app(bridge)`, and what a server process loads."""

import gc

from flask import Flask

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.access.tokens import Tokens
from fhirbridge.bridge import Bridge
from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.validation import check
from fhirbridge.partners import jwks
from fhirbridge.web import (
    api,
    auth,
    compression,
    errors,
    fhir_api,
    health,
    notifications,
    request_ids,
    smart,
    trail,
)
from fhirbridge.web.door import Door

# New objects before the youngest, and rounds before the older generations are searched for cycles.
_COLLECT = (20_000, 20, 20)


def create_app(bridge: Bridge) -> Flask:
    """The WSGI application over one Bridge."""
    app = Flask(__name__, static_folder=None)
    # One more, so that a body without a length is seen to be too long once it is read.
    app.config["MAX_CONTENT_LENGTH"] = bridge.settings.max_body_bytes + 1
    # Search by POST reads its own form.
    app.config["MAX_FORM_MEMORY_SIZE"] = bridge.settings.max_body_bytes
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    errors.register(app)
    tokens = Tokens(bridge, jwks.fetch)
    auth.register(app, bridge, tokens)
    trail.register(app, bridge)
    compression.register(app)
    request_ids.register(app)
    app.register_blueprint(smart.blueprint(bridge, tokens))
    app.register_blueprint(fhir_api.blueprint(bridge))
    app.register_blueprint(health.blueprint(bridge))
    app.register_blueprint(api.blueprint(bridge))
    app.register_blueprint(notifications.blueprint(bridge))
    app.wsgi_app = Door(bridge, tokens, app.wsgi_app)  # type: ignore[method-assign]
    return app


def warm_up() -> None:
    """Load and compile what the first requests would wait for; done before workers are forked."""
    known = definitions()
    for resource_type in sorted(known.resource_types):
        known.elements(resource_type)
        check({"resourceType": resource_type})
    # What is loaded now stays: the collector need not look at it again. What a request makes is
    # gone with it by reference counts; a Bundle makes far more objects than the usual 700.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT)


def from_settings() -> Flask:
    """The application of a server process. Raises Misconfigured, also for a mapping pack."""
    bridge = bridges.build(config.load())
    app = create_app(bridge)
    _ = bridge.mappings
    warm_up()
    return app
