"""The environment of a service, typed; passwords do not show."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.identifiers import Step
from shared.settings import ServiceSettings

ENVIRONMENT = {
    "QYZMET_DATABASE_URL": "postgresql://intake:opensesame@db/qyzmet",
    "QYZMET_PRIVACY_URL": "postgresql://keys:opensesame@db/privacy",
    "QYZMET_KAFKA": "kafka:9092",
    "QYZMET_PORT": "8001",
    "QYZMET_MASTER_KEY_FILE": "/run/secrets/master.key",
    "QYZMET_LOOKUP_KEY_FILE": "/run/secrets/lookup.key",
    "QYZMET_TOKEN_KEYS": "/run/secrets/token-keys.json",
    "QYZMET_UNKNOWN": "of another service",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def test_the_environment_is_read() -> None:
    settings = ServiceSettings()
    assert settings.port == 8001
    assert settings.host == "127.0.0.1"
    assert settings.database_url.get_secret_value().endswith("@db/qyzmet")
    assert settings.token_keys == Path("/run/secrets/token-keys.json")
    assert settings.automation == {}
    assert settings.traces == "none"


def test_structured_settings_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QYZMET_AUTOMATION", '{"home-education": ["assign", "register"]}')
    monkeypatch.setenv("QYZMET_EDITIONS", '{"home-education": "2016-08-25"}')
    settings = ServiceSettings()
    assert settings.automation == {"home-education": (Step.ASSIGN, Step.REGISTER)}
    assert settings.editions == {"home-education": "2016-08-25"}


def test_passwords_do_not_show() -> None:
    assert "opensesame" not in repr(ServiceSettings())
    assert "opensesame" not in ServiceSettings().model_dump_json()


def test_settings_cannot_change() -> None:
    with pytest.raises(ValidationError):
        ServiceSettings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QYZMET_PORT", "99999"),
        ("QYZMET_TRACES", "jaeger"),
        ("QYZMET_TRACES", "file:"),
        ("QYZMET_TRACE_RATIO", "2"),
        ("QYZMET_AUTOMATION", '{"home-education": ["guess"]}'),
        ("QYZMET_LOG_LEVEL", "loud"),
        ("QYZMET_EDITIONS", '{"home-education": "new"}'),
    ],
)
def test_a_wrong_setting_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as raised:
        ServiceSettings()
    assert "opensesame" not in str(raised.value)


def test_a_missing_setting_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QYZMET_KAFKA")
    with pytest.raises(ValidationError, match="kafka") as raised:
        ServiceSettings()
    assert "opensesame" not in str(raised.value)


def test_what_is_said_of_an_office_wins_over_what_is_said_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    automation = '{"home-education": ["assign"], "almaly/home-education": []}'
    monkeypatch.setenv("QYZMET_AUTOMATION", automation)
    settings = ServiceSettings()
    assert settings.by_rule("almaly", "home-education") == ()
    assert settings.by_rule("esil", "home-education") == (Step.ASSIGN,)
    assert settings.by_rule("esil", "prosthetic-aid") == ()
