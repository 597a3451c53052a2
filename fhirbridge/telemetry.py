"""What the program says about itself: log lines that never hold a value from a record."""

import logging
import traceback

LOGGER = logging.getLogger("fhirbridge")


def unexpected(error: BaseException, doing: str) -> None:
    """Log a fault of ours: its type and where it happened, not its message.

    Messages of libraries quote what they were given, which may be a patient's data.
    """
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    places = " > ".join(f"{f.filename.rpartition('/')[2]}:{f.lineno}:{f.name}" for f in frames)
    LOGGER.error("%s failed with %s at %s", doing, type(error).__name__, places)
