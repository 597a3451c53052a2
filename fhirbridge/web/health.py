"""Is the process alive, and is it ready for requests: for load balancers and supervisors."""

from flask import Blueprint, Response

from fhirbridge.bridge import Bridge
from fhirbridge.errors import BridgeError
from fhirbridge.fhir import wire


def blueprint(bridge: Bridge) -> Blueprint:
    """`/health/live` and `/health/ready`."""
    routes = Blueprint("health", __name__)

    @routes.get("/health/live")
    def live() -> Response:
        return _say({"status": "alive"})

    @routes.get("/health/ready")
    def ready() -> Response:
        try:
            bridge.database.check()
        except BridgeError as exc:
            return _say({"status": "not ready", "reason": str(exc)}, status=503)
        return _say({"status": "ready"})

    return routes


def _say(words: dict[str, str], *, status: int = 200) -> Response:
    return Response(wire.dump(words), status=status, content_type="application/json")
