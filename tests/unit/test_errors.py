"""What a broken contract says, and that it says the same in another process."""

import pickle

from fhirbridge.errors import Conflict, InvalidContent, Issue


def test_an_error_passes_between_processes() -> None:
    made = Conflict(Issue("conflict", "It is taken."), Issue("duplicate", "It is there twice."))

    read = pickle.loads(pickle.dumps(made))  # noqa: S301

    assert (type(read), read.issues, str(read)) == (Conflict, made.issues, str(made))
    assert str(made) == "It is taken.; It is there twice."


def test_what_is_wrong_stands_before_what_is_only_noted() -> None:
    note = Issue("informational", "Noted.", severity="information")
    fault = Issue("invalid", "Wrong.")

    assert InvalidContent.of([note, fault]).issues == (fault, note)
