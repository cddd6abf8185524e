"""How a broker is reached: security, the reasons why it is not, and how long to wait."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaError

from knockoff.errors import BrokerError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI"]

_PROBE_SECONDS: Final = 3.0
_LONGEST_PAUSE_SECONDS: Final = 15.0


class BrokerUnreachableError(BrokerError):
    """None of the brokers can be used as they are set."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__(dict(reasons))  # the arguments, so that it pickles
        self.reasons = dict(reasons)

    def __str__(self) -> str:
        told = "; ".join(f"{broker}: {reason}" for broker, reason in self.reasons.items())
        return (
            f"No Kafka broker can be used ({told}). Start it, or correct the brokers and the "
            f"security settings; `knockoff doctor` tries them."
        )


@dataclass(frozen=True)
class Security:
    """How a client proves who it is, and how it knows the broker; nothing of both by default."""

    protocol: SecurityProtocol = "PLAINTEXT"
    mechanism: SaslMechanism = "SCRAM-SHA-512"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """Certificates to trust (PEM); those of the system if None."""

    def __post_init__(self) -> None:
        if self.protocol.startswith("SASL") and self.mechanism != "GSSAPI":
            missing = [name for name in ("username", "password") if not getattr(self, name)]
            if missing:
                raise SettingsError(
                    f"Kafka's {self.protocol} with {self.mechanism} needs a username and a "
                    f"password; missing: {' and '.join(missing)}."
                )

    def client_options(self) -> dict[str, Any]:
        """Word this for aiokafka's clients and connections.

        Raises
        ------
        SettingsError
            `ca_file` cannot be read or holds no certificate.
        """
        options: dict[str, Any] = {"security_protocol": self.protocol}
        if self.protocol in ("SSL", "SASL_SSL"):
            options["ssl_context"] = self._ssl_context()
        if self.protocol.startswith("SASL"):
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return options

    def _ssl_context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"{self.ca_file}: no certificates to trust can be read from it ({error}). "
                f"Give a PEM file with the broker's certificate authority."
            ) from error


OPEN: Final = Security()
"""Neither encrypted nor authenticated, as the facility's brokers are today."""


async def reasons_against(brokers: tuple[str, ...], security: Security = OPEN) -> dict[str, str]:
    """Try every broker and say why those that cannot be used cannot; empty if all can."""
    tried = await asyncio.gather(*(_reason_against(broker, security) for broker in brokers))
    return {broker: reason for broker, reason in zip(brokers, tried, strict=True) if reason}


async def _reason_against(broker: str, security: Security) -> str | None:
    ((host, port, _family),) = collect_hosts(broker)
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            connection = await create_conn(host, port, **security.client_options())
    except TimeoutError:
        return (
            f"no answer in {_PROBE_SECONDS:.0f} s; is it a Kafka broker, reached with "
            f"{security.protocol}, and does a firewall let you through?"
        )
    except KafkaError as error:
        return f"it answers, but refuses {security.protocol}: {error}"
    except ConnectionRefusedError:
        return "connection refused; nothing listens there"
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__
    await connection.close()
    return None


def pause_seconds(attempt: int) -> float:
    """Say how long to wait before the next try: ever longer, and not in step with others."""
    longest = min(0.25 * 2 ** min(attempt, 10), _LONGEST_PAUSE_SECONDS)
    return random.uniform(longest / 2, longest)  # noqa: S311 (no secret)


def silence_attempts() -> None:
    """Keep aiokafka from logging every failed attempt, ten lines a second while a broker is away.

    What happened and what it means is logged here in one line. A level that
    somebody has set stays.
    """
    library = logging.getLogger("aiokafka")
    if library.level == logging.NOTSET:
        library.setLevel(logging.CRITICAL)
