"""Everything that can be chosen, with the value it has when nobody chooses."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Literal,
    Union,
    get_args,
    get_origin,
)
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from knockoff.logs import without_password
from knockoff.runkey import DataKind

if TYPE_CHECKING:
    from collections.abc import Iterator

EMBEDDED: Final = "embedded"

Plain = bool | int | float | str | list[str] | dict[str, str] | None

_KINDS: Final[dict[Any, str]] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    Path: "path",
    SecretStr: "secret",
    ZoneInfo: "time zone",
    tuple: "list",
    dict: "table",
}


def _usual_data_root() -> Path:
    return Path(os.environ.get("EXTRA_DATA_DATA_ROOT") or "/gpfs/exfel/exp")


def _usual_parallel() -> int:
    return min(4, os.cpu_count() or 1)


def _decoded(value: object) -> object:
    """Let the environment say JSON where TOML has a table."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _words(value: object) -> object:
    """Let the environment say ``a:9092, b:9092`` where TOML has a list."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return _decoded(value)
    return [word for word in re.split(r"[,\s]+", value) if word]


def _absolute(folder: Path) -> Path:
    return folder.expanduser().absolute()


def _mongodb_address(value: SecretStr) -> SecretStr:
    address = value.get_secret_value()
    if address != EMBEDDED and not address.startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError(f"should be '{EMBEDDED}' or start with mongodb:// or mongodb+srv://")
    return value


Words = Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_words)]
Folder = Annotated[Path, AfterValidator(_absolute)]
DatabaseAddress = Annotated[SecretStr, AfterValidator(_mongodb_address)]


class _Choices(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class KafkaSecurity(_Choices):
    """How to prove who we are to the brokers."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """Kafka's `security.protocol`."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI"] = "SCRAM-SHA-512"
    """Kafka's `sasl.mechanism`, for the two SASL protocols."""

    username: str | None = None
    """Who we are, for the two SASL protocols."""

    password: SecretStr | None = None
    """The password that belongs to `username`."""

    ca_file: Path | None = None
    """PEM file of the authority behind the brokers' certificates; else the system's."""


class KafkaSettings(_Choices):
    """Where runs are announced; what is not set here comes from the profile."""

    profile: str | None = None
    """Built-in profile to start from, or a new name; if not set, told from the host's name."""

    brokers: Words | None = None
    """Brokers to ask first, each as host:port."""

    topics: Words | None = None
    """Topics to listen to."""

    kinds: Annotated[dict[str, DataKind] | None, BeforeValidator(_decoded)] = None
    """Which event says that which data is there: raw or proc, by the event's name."""

    group: str | None = None
    """Consumer group; if not set one per database, so that no two tables share messages."""

    security: KafkaSecurity = KafkaSecurity()
    """How to prove who we are."""

    def changes(self) -> dict[str, object]:
        """Return what is set of the profile's fields, as `events.profiles` takes it."""
        fields = {"brokers": self.brokers, "topics": self.topics, "kinds": self.kinds}
        return {name: value for name, value in fields.items() if value is not None}


class WorkerSettings(_Choices):
    """The processes in which variables are computed."""

    parallel: Annotated[int, Field(ge=1, le=1024)] = Field(default_factory=_usual_parallel)
    """How many runs are computed at the same time."""

    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 3600.0
    """How long a variable may take that does not say so itself, in seconds."""

    retries: Annotated[int, Field(ge=0, le=100)] = 0
    """How often a variable that does not say so itself is tried again when it fails."""

    cpus: Annotated[int, Field(ge=1, le=1024)] = 4
    """How many processors the variables of one run may keep busy together."""

    memory: Annotated[ByteSize, Field(gt=0)] = ByteSize(25_000_000_000)
    """How much memory the variables of one run may take together; as "25 GB" or in bytes."""

    idle_memory: Annotated[ByteSize, Field(ge=0)] = ByteSize(2_000_000_000)
    """How much memory loaded context files may take while no run of theirs is computed."""

    launch: bool | None = None
    """Whether variables may launch programs; if not set, where no sandbox shuts them in."""


class SandboxSettings(_Choices):
    """What code of a context file can reach, where that is not left to the service's own rights."""

    enabled: bool = False
    """Whether code of the context file is shut in by bubblewrap."""

    network: bool = False
    """Whether it may use the network all the same."""

    extra_read: Words | None = None
    """Files and folders that it may read besides; relative ones are below the workspace."""

    extra_write: Words | None = None
    """Files and folders that it may write besides, or devices below /dev."""


class MyMdcSettings(_Choices):
    """The facility's catalogue, where samples, run types and techniques are entered."""

    credentials: Annotated[Path, AfterValidator(_absolute)] | None = None
    """File with token and server; if not set, usr/mymdc-credentials.yml of the proposal."""

    zwop: str = "https://exfldadev01.desy.de/zwop"
    """The service that `knockoff mymdc login` asks to write that file."""

    server: str = "https://in.xfel.eu/metadata"
    """Where an OAuth client signs in; a write token brings its own server."""

    client_id: str | None = None
    """The OAuth client to sign in as, instead of with the proposal's write token."""

    client_secret: SecretStr | None = None
    """The secret that belongs to `client_id`."""

    user_email: str | None = None
    """On whose behalf the OAuth client asks."""

    timeout: Annotated[float, Field(gt=0, le=600)] = 10.0
    """How long an answer may take, in seconds."""

    refresh: Annotated[float, Field(ge=60, allow_inf_nan=False)] = 3600.0
    """How often values of recent runs are fetched again while a listener runs, in seconds."""

    recent: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 7 * 86_400.0
    """For how long after its start a run counts as recent, in seconds."""


@dataclass(frozen=True)
class Setting:
    """One setting as people see it; `shown` and `value` have its secrets masked."""

    key: str
    shown: str
    origin: str
    about: str
    kind: str = "text"
    """What it takes, in words."""

    value: Plain = None
    """As JSON and TOML have it."""


class Settings(BaseSettings):
    """Everything that can be chosen; read once at the edge and passed down as values."""

    model_config = SettingsConfigDict(
        env_prefix="KNOCKOFF_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        enable_decoding=False,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        validate_default=True,
    )

    database: DatabaseAddress = SecretStr(EMBEDDED)
    """"embedded" for the workspace's own server, or the address of one (mongodb://...)."""

    data_root: Folder = Field(default_factory=_usual_data_root)
    """Folder with all proposals, as <instrument>/<cycle>/p001234 below it."""

    time_zone: ZoneInfo = ZoneInfo("Europe/Berlin")
    """The zone in which people see times; stored is UTC."""

    context_python: Annotated[str, Field(min_length=1)] | None = None
    """Python 3.10 or later, or its venv, for the context file; if not set, knockoff's own."""

    kafka: KafkaSettings = KafkaSettings()
    """Where runs are announced."""

    workers: WorkerSettings = WorkerSettings()
    """The processes in which variables are computed."""

    sandbox: SandboxSettings = SandboxSettings()
    """What code of a context file can reach."""

    mymdc: MyMdcSettings = MyMdcSettings()
    """The facility's catalogue."""

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments only: `read_settings` asks the other sources and remembers them."""
        return (init_settings,)

    @property
    def is_embedded(self) -> bool:
        """Whether the workspace runs its own MongoDB."""
        return self.database.get_secret_value() == EMBEDDED

    def origin(self, key: str) -> str:
        """Tell who set `key`: a file, a variable of the environment, a flag, or "default"."""
        return self._origins.get(key, "default")

    def listed(self) -> Iterator[Setting]:
        """Yield every setting, groups flattened to keys such as ``kafka.brokers``."""
        for key, about in keys(Settings):
            value: Any = self
            for name in key.split("."):
                value = getattr(value, name)
            yield Setting(
                key, shown(value), self.origin(key), about, kind_of(key), plain_value(value)
            )


def keys(choices: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield each key below `choices` and what it is about."""
    for name, field in choices.model_fields.items():
        group = group_in(choices, name)
        if group is not None:
            yield from keys(group, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.description or ""


def keys_below(key: str) -> list[str]:
    """List the settings of a group, or `key` itself if it is one; nothing if it is neither."""
    return [known for known, _ in keys(Settings) if f"{known}.".startswith(f"{key}.")]


def group_in(choices: type[BaseModel], name: str) -> type[BaseModel] | None:
    """Return the model of the group `name`; None if `name` is a single setting, or none."""
    field = choices.model_fields.get(name)
    group = None if field is None else field.annotation
    return group if isinstance(group, type) and issubclass(group, BaseModel) else None


def kind_of(key: str) -> str:
    """Say in words what a setting takes.

    >>> kind_of("workers.parallel"), kind_of("kafka.brokers"), kind_of("kafka.security.protocol")
    ('whole number', 'list', 'PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL')
    """
    *groups, name = key.split(".")
    choices: type[BaseModel] = Settings
    for each in groups:
        choices = group_in(choices, each) or choices
    field = choices.model_fields.get(name)
    return "text" if field is None else _in_words(field.annotation)


def _in_words(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join((", ".join(arguments[:-1]), arguments[-1]))
    if origin in (Union, UnionType):
        return _in_words(next(each for each in arguments if each is not NoneType))
    if origin is Annotated:
        return _in_words(arguments[0])
    return _KINDS.get(origin or annotation, "text")


def plain_value(value: object) -> Plain:
    """A setting's value as JSON and TOML have it, its secrets masked."""
    match value:
        case None | bool() | int() | float():
            return value
        case tuple():
            return [str(each) for each in value]
        case dict():
            return {str(name): str(meaning) for name, meaning in value.items()}
        case _:
            return shown(value)


def shown(value: object) -> str:
    """Give a setting's value in words, its secrets masked."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return str(value).removesuffix(".0")
        case SecretStr():
            address = value.get_secret_value()
            return without_password(address) if address == EMBEDDED or "://" in address else "***"
        case ByteSize():
            return value.human_readable(decimal=True, separator=" ")
        case tuple():
            return ", ".join(map(str, value))
        case dict():
            return ", ".join(f"{name} = {meaning}" for name, meaning in value.items())
        case _:
            return str(value)
