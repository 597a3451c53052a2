"""Settings: environment over file, unknown names refused."""

from pathlib import Path

import pytest

from fhirbridge import config
from fhirbridge.config import Settings
from fhirbridge.errors import Misconfigured


def test_defaults_need_nothing(tmp_path: Path) -> None:
    assert config.load({}, directory=tmp_path) == Settings()
    assert Settings().database_url == "sqlite:///fhirbridge.db"
    assert Settings().own_base == "http://127.0.0.1:8080/fhir"


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "fhirbridge.toml").write_text('port = 9000\ntimezone = "America/Denver"\n')

    settings = config.load({"FHIRBRIDGE_PORT": "9001", "OTHER": "x"}, directory=tmp_path)

    assert settings.port == 9001
    assert settings.zone.key == "America/Denver"


def test_file_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "here.toml").write_text("workers = 3\nreferential_integrity = false\n")

    settings = config.load({"FHIRBRIDGE_CONFIG": str(tmp_path / "here.toml")})

    assert settings.workers == 3
    assert settings.referential_integrity is False


def test_variables_of_the_test_suite_are_left_alone(tmp_path: Path) -> None:
    assert config.load({"FHIRBRIDGE_TEST_POSTGRES": "x"}, directory=tmp_path) == Settings()


@pytest.mark.parametrize(
    ("variable", "text", "found"),
    [
        ("REFERENTIAL_INTEGRITY", "off", False),
        ("REFERENTIAL_INTEGRITY", "ON", True),
        ("MAPPINGS", "/srv/pack", Path("/srv/pack")),
        ("BASE", "https://x.example/fhir/", "https://x.example/fhir"),
        ("MAX_BODY_BYTES", "5", 5),
    ],
)
def test_texts_become_values(variable: str, text: str, found: object, tmp_path: Path) -> None:
    settings = config.load({f"FHIRBRIDGE_{variable}": text}, directory=tmp_path)

    assert getattr(settings, variable.lower()) == found


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"FHIRBRIDGE_DATABSE_URL": "x"}, "no setting 'databse_url'"),
        ({"FHIRBRIDGE_PORT": "eighty"}, "whole number"),
        ({"FHIRBRIDGE_PORT": "-1"}, "whole number"),
        ({"FHIRBRIDGE_TIMEZONE": "Mars/Olympus"}, "time zone"),
        ({"FHIRBRIDGE_TIMEZONE": "../etc/passwd"}, "time zone"),
        ({"FHIRBRIDGE_AUTH": "open"}, "not one of"),
        ({"FHIRBRIDGE_REFERENTIAL_INTEGRITY": "maybe"}, "on or off"),
        ({"FHIRBRIDGE_BASE": "fhir"}, "URL"),
        ({"FHIRBRIDGE_DATABASE_URL": ""}, "not empty"),
        ({"FHIRBRIDGE_CONFIG": "/nowhere/x.toml"}, "does not exist"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_faults_are_named(environ: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=words):
        config.load(environ, directory=tmp_path)


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        config.load({"FHIRBRIDGE_PORT": "x", "FHIRBRIDGE_WORKERS": "y"}, directory=tmp_path)

    assert len(caught.value.issues) == 2


def test_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "fhirbridge.toml").write_text("port = = 1")

    with pytest.raises(Misconfigured, match=r"fhirbridge\.toml is not valid TOML"):
        config.load({}, directory=tmp_path)


def test_passwords_are_not_shown() -> None:
    shown = Settings(database_url="postgresql://me:secret@db/x").shown()

    assert shown["database_url"] == "postgresql://me:***@db/x"
