"""What an operator chooses is taken, told apart by origin, and refused with a sentence."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from knockoff.errors import SettingsError
from knockoff.settings import Settings, read_settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have settings of their own."""
    for name in ("KNOCKOFF_DATABASE", "KNOCKOFF_KAFKA__BROKERS", "EXTRA_DATA_DATA_ROOT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "knockoff.toml"


def test_everything_has_a_default_that_works() -> None:
    """A first user sets nothing."""
    settings = read_settings()

    assert settings.is_embedded
    assert settings.data_root == Path("/gpfs/exfel/exp")
    assert settings.time_zone == ZoneInfo("Europe/Berlin")
    assert settings.workers.parallel >= 1
    assert settings.kafka.changes() == {}
    assert {setting.origin for setting in settings.listed()} == {"default"}


def test_every_setting_says_what_it_is_about() -> None:
    """`KNOCKOFF_…` and the keys of knockoff.toml have nothing else that explains them."""
    assert [setting.key for setting in Settings().listed() if not setting.about] == []


def test_flags_win_over_the_environment_and_that_over_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearer to the person, the stronger; and each value says who set it."""
    file.write_text("[workers]\nparallel = 2\ntimeout = 20\n[kafka]\ntopics = ['runs']\n")
    monkeypatch.setenv("KNOCKOFF_WORKERS__PARALLEL", "3")
    monkeypatch.setenv("KNOCKOFF_WORKERS__TIMEOUT", "30")

    settings = read_settings(file, {"workers.timeout": 40, "kafka.group": None})

    assert settings.kafka.topics == ("runs",)
    assert settings.workers.parallel == 3
    assert settings.workers.timeout == 40
    assert settings.origin("kafka.topics") == str(file)
    assert settings.origin("workers.parallel") == "KNOCKOFF_WORKERS__PARALLEL"
    assert settings.origin("workers.timeout") == "--timeout"
    assert settings.origin("kafka.group") == "default"


@pytest.mark.parametrize("said", ["a:9092,b:9092", "a:9092 b:9092", '["a:9092", "b:9092"]'])
def test_brokers_can_be_listed_in_the_environment(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody should have to write JSON into a shell, and nobody be kept from it."""
    monkeypatch.setenv("KNOCKOFF_KAFKA__BROKERS", said)

    assert read_settings().kafka.changes() == {"brokers": ("a:9092", "b:9092")}


def test_events_can_be_told_apart_in_file_and_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A facility that words its events otherwise is a matter of data, not of code."""
    file.write_text('[kafka.kinds]\nrun_closed = "raw"\n')
    assert read_settings(file).kafka.kinds == {"run_closed": "raw"}

    monkeypatch.setenv("KNOCKOFF_KAFKA__KINDS", '{"calibrated": "proc"}')
    assert read_settings(file).kafka.kinds == {"calibrated": "proc"}


def test_an_empty_variable_of_the_environment_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """`KNOCKOFF_DATABASE= knockoff ...` is how a shell unsets one."""
    monkeypatch.setenv("KNOCKOFF_DATABASE", "")

    assert read_settings().is_embedded


def test_the_data_root_is_extra_datas_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What `open_run` reads and what knockoff reads must not differ."""
    monkeypatch.setenv("EXTRA_DATA_DATA_ROOT", str(tmp_path))

    settings = read_settings()

    assert settings.data_root == tmp_path
    assert settings.origin("data_root") == "EXTRA_DATA_DATA_ROOT"


def test_a_data_root_in_the_file_counts_from_the_file(file: Path) -> None:
    """So a folder that holds workspace and data can be moved as a whole."""
    file.write_text('data_root = "data"\n')

    assert read_settings(file).data_root == file.parent / "data"


def test_every_bad_value_is_named_with_its_origin_at_once(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One round of corrections, not one per mistake."""
    file.write_text('time_zone = "Europe/Berln"\n[kafka]\ntopic = ["runs"]\n')
    monkeypatch.setenv("KNOCKOFF_WORKERS__PARALLEL", "two")

    with pytest.raises(SettingsError) as caught:
        read_settings(file, {"workers.timeout": -1})

    zone, topic, parallel, timeout = str(caught.value).splitlines()
    assert zone.startswith(f"time_zone (from {file}): 'Europe/Berln'")
    assert (
        topic == f"kafka.topic (from {file}): there is no such setting. Did you mean kafka.topics?"
    )
    assert parallel.startswith("workers.parallel (from KNOCKOFF_WORKERS__PARALLEL): 'two'")
    assert "integer" in parallel
    assert timeout.startswith("workers.timeout (from --timeout): -1")


def test_broken_toml_is_told_with_its_line(file: Path) -> None:
    """tomllib knows the place; the person must, too."""
    file.write_text("proposal = 1234\ndatabase = mongodb\n")

    with pytest.raises(SettingsError, match=r"knockoff\.toml is not valid TOML.*line 2"):
        read_settings(file)


ADDRESS = "mongodb://knockoff:hunter2@db.example:27017/?authSource=admin"


def test_a_password_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings end up in logs, tracebacks and screenshots."""
    monkeypatch.setenv("KNOCKOFF_DATABASE", ADDRESS)
    monkeypatch.setenv("KNOCKOFF_KAFKA__SECURITY__PASSWORD", "hunter2")

    settings = read_settings()
    shown = {setting.key: setting.shown for setting in settings.listed()}

    assert settings.database.get_secret_value() == ADDRESS
    assert shown["database"] == ADDRESS.replace("hunter2", "***")
    assert shown["kafka.security.password"] == "***"
    assert "hunter2" not in repr(settings)


def test_a_refused_address_keeps_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error message is a place like any other."""
    monkeypatch.setenv("KNOCKOFF_DATABASE", ADDRESS.replace("mongodb:", "mongo:"))

    with pytest.raises(SettingsError, match="KNOCKOFF_DATABASE") as caught:
        read_settings()

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text", [f'database = "{ADDRESS}"', '[kafka.security]\npassword = "hunter2"']
)
def test_a_password_in_a_file_that_others_can_read_is_refused(file: Path, text: str) -> None:
    """A workspace is open to the whole group of the proposal."""
    file.write_text(text)
    file.chmod(0o660)
    with pytest.raises(SettingsError, match="chmod 600") as caught:
        read_settings(file)
    assert "hunter2" not in str(caught.value)

    file.chmod(0o600)
    read_settings(file)


def test_settings_cannot_be_changed_on_the_way() -> None:
    """They are read once; two parts of a program never see two values."""
    with pytest.raises(ValueError, match="frozen"):
        Settings().data_root = Path("/")
