"""Who we are for MyMdC: found where it should be, refused where it would be shown to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockoff.errors import SettingsError
from knockoff.mymdc.credentials import WriteToken, checked_server, read_write_token
from knockoff.mymdc.errors import CredentialsError, NotSetUpError
from knockoff.settings import read_settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mymdc.conftest import Proposal
    from tests.mymdc.server import MyMdcServer


def test_a_proposal_without_credentials_is_not_set_up(proposal: Proposal) -> None:
    """The sentence that stands in the cells names the command that helps."""
    with pytest.raises(NotSetUpError, match=r"MyMdC is not set up; see `knockoff mymdc --help`"):
        proposal.access().sign_in()


def test_the_proposals_own_token_is_found(proposal: Proposal, mymdc: MyMdcServer) -> None:
    """Nothing has to be set at the facility."""
    proposal.sign_in(mymdc)
    found = proposal.access().sign_in()

    assert isinstance(found, WriteToken)
    assert (found.server, found.file) == (mymdc.server, proposal.credentials)
    assert str(proposal.credentials) in str(found)


def test_a_token_that_everybody_can_read_is_used_with_one_warning(
    proposal: Proposal, mymdc: MyMdcServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The group may, by the facility's design; others may not, and are told once, not all night."""
    proposal.sign_in(mymdc)
    access = proposal.access()
    access.sign_in()
    assert caplog.text == ""

    proposal.credentials.chmod(0o664)
    other = proposal.access()
    other.sign_in()
    other.sign_in()
    assert caplog.text.count("can be read by everybody") == 1
    assert "chmod o-rwx" in caplog.text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it is not YAML"),
        ("hunter2", "it is not YAML"),
        ("token: [hunter2", "it is not YAML"),
        ("token: !!python/object:os.system hunter2", "it is not YAML"),
        ("token: hunter2", "it has no usable `server:`"),
        ("server: https://in.xfel.eu/metadata", "it has no usable `token:`"),
        ("token: 'hunter2\\r\\nX: y'\nserver: https://a.example", "it has no usable `token:`"),
        ('token: "hunter2\\r\\nX: y"\nserver: https://a.example', "it has no usable `token:`"),
        ("token: {a: hunter2}\nserver: https://a.example", "it has no usable `token:`"),
        ("token: hunter2\nserver: http://a.example", "would show the token"),
        ("token: hunter2\nserver: ftp://a.example", "would show the token"),
        ("token: hunter2\nserver: 'https://'", "no plain address"),
        ("token: hunter2\nserver: https://me:hunter2@a.example", "no plain address"),
    ],
)
def test_credentials_that_cannot_be_used_are_told_without_showing_them(
    tmp_path: Path, text: str, told: str
) -> None:
    """A half-written file is no reason to print half a token."""
    file = tmp_path / "mymdc-credentials.yml"
    file.write_text(text)
    with pytest.raises(CredentialsError) as caught:
        read_write_token(file)

    assert told in str(caught.value)
    assert str(file) in str(caught.value)
    assert "hunter2" not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Somebody has made a folder of that name, or it is not ours to read."""
    with pytest.raises(CredentialsError, match=r"Is a directory.*Ask its owner"):
        read_write_token(tmp_path)


@given(st.text(max_size=60))
def test_no_text_makes_an_address_to_which_a_token_would_go_unencrypted(text: str) -> None:
    """Whatever somebody has put into the file."""
    try:
        server = checked_server(text, "mymdc.server")
    except CredentialsError:
        return
    assert server.lower().startswith(
        ("https://", "http://localhost", "http://127.0.0.1", "http://[::1]")
    )


def test_an_oauth_client_wants_all_three(proposal: Proposal) -> None:
    """One setting of three is a slip, not a wish to sign in otherwise."""
    with pytest.raises(CredentialsError, match=r"client_secret and mymdc\.user_email"):
        proposal.access(client_id="a").sign_in()
    found = proposal.access(client_id="a", client_secret="b-1f", user_email="c@d.e").sign_in()
    assert "OAuth client a for c@d.e" in str(found)
    assert "b-1f" not in f"{found} {found!r}"


def test_the_clients_secret_is_shown_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of every other password: not in settings, and not in a file that others can read."""
    monkeypatch.setenv("KNOCKOFF_MYMDC__CLIENT_SECRET", "hunter2")
    settings = read_settings()
    shown = {each.key: each.shown for each in settings.listed()}
    assert shown["mymdc.client_secret"] == "***"
    assert "hunter2" not in repr(settings)

    file = tmp_path / "knockoff.toml"
    file.write_text('[mymdc]\nclient_secret = "hunter2"\n')
    file.chmod(0o660)
    with pytest.raises(SettingsError, match="chmod 600") as caught:
        read_settings(file)
    assert "hunter2" not in str(caught.value)
    file.chmod(0o600)
    monkeypatch.setenv("KNOCKOFF_MYMDC__CLIENT_SECRET", '["hunter2"]')
    assert "hunter2" not in repr(read_settings(file))
