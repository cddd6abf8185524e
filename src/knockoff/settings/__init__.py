"""What an operator can choose: ``knockoff.toml``, ``KNOCKOFF_*`` and flags, in one model."""

from knockoff.settings.choices import (
    EMBEDDED,
    KafkaSecurity,
    KafkaSettings,
    MyMdcSettings,
    SandboxSettings,
    Setting,
    Settings,
    WorkerSettings,
)
from knockoff.settings.reading import read_settings, read_toml

__all__ = [
    "EMBEDDED",
    "KafkaSecurity",
    "KafkaSettings",
    "MyMdcSettings",
    "SandboxSettings",
    "Setting",
    "Settings",
    "WorkerSettings",
    "read_settings",
    "read_toml",
]
