"""The web application: `create_app(bridge)`, and what a server process loads."""

import gc

from flask import Flask

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.bridge import Bridge
from fhirbridge.fhir.definitions import definitions
from fhirbridge.web import errors, fhir_api, health


def create_app(bridge: Bridge) -> Flask:
    """The WSGI application over one Bridge."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = bridge.settings.max_body_bytes
    # Search by POST reads its own form.
    app.config["MAX_FORM_MEMORY_SIZE"] = bridge.settings.max_body_bytes
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    errors.register(app)
    app.register_blueprint(fhir_api.blueprint(bridge))
    app.register_blueprint(health.blueprint(bridge))
    return app


def from_settings() -> Flask:
    """The application of a server process, with everything loaded that requests will need."""
    app = create_app(bridges.build(config.load()))
    for resource_type in definitions().resource_types:
        definitions().elements(resource_type)
    # What is loaded now stays: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    return app
