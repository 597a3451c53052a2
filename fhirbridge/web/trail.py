"""One audit row for each request below /api, committed before it is answered.

The FHIR API audits its own requests (`interactions.answering`), with patients and resources.
"""

from flask import Flask, Response, request

from fhirbridge.bridge import Bridge
from fhirbridge.storage import audit
from fhirbridge.web import auth
from fhirbridge.web.operations import PREFIX

_OPEN = frozenset({f"{PREFIX}/docs", f"{PREFIX}/openapi.json"})


def register(app: Flask, bridge: Bridge) -> None:
    """Audit what known clients ask for; with FHIRBRIDGE_AUDIT=all, everybody."""

    @app.after_request
    def note(response: Response) -> Response:
        caller = auth.caller()
        is_wanted = bool(caller.client_id) or bridge.settings.audit == "all"
        if not is_wanted or not request.path.startswith(f"{PREFIX}/") or request.path in _OPEN:
            return response
        made = audit.event(
            bridge.custodian.id,
            recorded_at=bridge.now(),
            action=f"api-{request.method}",
            decision="own" if response.status_code < 400 else "failed",
            patient_keys=frozenset(),
            entry={
                "client": caller.client_id,
                "purpose": caller.purpose,
                "target": request.path,
                "status": response.status_code,
            },
        )
        bridge.database.together(audit.append, made)
        return response
