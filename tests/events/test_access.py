"""Security settings: checked before anything is connected, and never shown."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from knockoff.errors import SettingsError
from knockoff.events.access import BrokerUnreachableError, Security, reasons_against
from knockoff.events.mock_cluster import mock_cluster
from knockoff.events.profiles import MAXWELL
from knockoff.events.publishing import publish


def test_a_password_is_never_shown() -> None:
    """Settings are printed, logged and put into error reports."""
    assert "s3cret" not in repr(Security("SASL_SSL", username="shift", password="s3cret"))


@pytest.mark.parametrize("protocol", ["SASL_SSL", "SASL_PLAINTEXT"])
def test_a_login_without_a_password_is_refused_at_once(protocol: str) -> None:
    """A forgotten secret is a sentence at the start, not a silent night."""
    with pytest.raises(SettingsError, match="missing: password"):
        Security(protocol, username="shift")  # type: ignore[arg-type]


def test_settings_reach_the_client_in_its_own_words() -> None:
    """What is set is used: protocol, mechanism, login, and a checked host name."""
    options = Security("SASL_SSL", "SCRAM-SHA-256", "shift", "s3cret").client_options()
    context = options.pop("ssl_context")
    assert isinstance(context, ssl.SSLContext)
    assert context.check_hostname
    assert options == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "shift",
        "sasl_plain_password": "s3cret",
    }


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """The path is in the message, and what file is wanted."""
    empty = tmp_path / "ca.pem"
    empty.touch()
    for path in (empty, tmp_path / "none.pem"):
        with pytest.raises(SettingsError, match=rf"{path}: no certificates"):
            Security("SSL", ca_file=path).client_options()


async def test_every_broker_that_cannot_be_used_is_told_with_its_reason() -> None:
    """A look at the reasons says whether it is the name, the port or the security."""
    with mock_cluster() as mock:
        (good,) = mock.brokers
    with mock_cluster() as mock:
        reasons = await reasons_against((good, "no-such-host.invalid:9091", *mock.brokers))
        assert not await reasons_against(mock.brokers)
    assert list(reasons) == [good, "no-such-host.invalid:9091"]
    assert "refused" in reasons[good]


async def test_publishing_without_a_broker_names_it() -> None:
    """The demo and the live updates say who did not answer."""
    with mock_cluster() as mock:
        brokers = mock.brokers
    with pytest.raises(BrokerUnreachableError, match=brokers[0]):
        await publish(brokers, MAXWELL.topics[0], [b"{}"])
