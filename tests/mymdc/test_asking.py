"""What is asked of MyMdC, what its answers mean, and what happens when there are none."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.mymdc.server import CLIENT, EMAIL, SECRET, TOKEN, Answer, mymdc_server

from knockoff.mymdc.answers import Known, Unavailable, UnknownYet
from knockoff.mymdc.errors import (
    NoAnswerError,
    NoSuchEntryError,
    NoTokenServiceError,
    RedirectedError,
    SignInRefusedError,
    WrongAnswerError,
)
from knockoff.mymdc.login import have_token_written
from knockoff.runkey import RunKey
from knockoff.settings import MyMdcSettings

if TYPE_CHECKING:
    from tests.mymdc.conftest import Proposal
    from tests.mymdc.server import Fault, MyMdcServer

    from knockoff.mymdc.answers import Answer as Told

FIELDS = ("run_type", "sample_name", "techniques")
SFX = {
    "id": 31,
    "identifier": "PaNET01168",
    "name": "SFX",
    "url": "http://purl.org/pan-science/PaNET/PaNET01168",
    "description": "serial femtosecond crystallography",
    "flg_available": True,
    "runs_techniques_id": 4,
}


async def ask(proposal: Proposal, run: int = 1, **chosen: Any) -> dict[str, Told]:
    async with proposal.access(**chosen).open() as mymdc:
        return await mymdc.answers(RunKey(proposal.number, run), FIELDS)


def values(answers: dict[str, Told]) -> dict[str, Any]:
    return {name: each.value for name, each in answers.items() if isinstance(each, Known)}


@pytest.fixture
def signed_in(proposal: Proposal, mymdc: MyMdcServer) -> Proposal:
    """A proposal with a write token, and one run that is entered completely."""
    proposal.sign_in(mymdc)
    mymdc.enter(proposal.number, 1, sample="mithril", kind="alchemy")
    mymdc.techniques[mymdc.runs[proposal.number, 1]["id"]] = [{**SFX, "secret_remark": "x"}]
    return proposal


async def test_a_run_that_is_entered_has_type_sample_and_techniques(
    signed_in: Proposal, mymdc: MyMdcServer
) -> None:
    """Exactly the paths, headers and values of the facility's API."""
    answers = await ask(signed_in)

    assert values(answers) == {
        "run_type": "alchemy", "sample_name": "mithril", "techniques": [SFX]
    }  # fmt: skip
    run = mymdc.runs[signed_in.number, 1]
    assert mymdc.paths() == [
        f"/metadata/api/mymdc/proposals/by_number/{signed_in.number}/runs/1",
        f"/metadata/api/mymdc/experiments/{run['experiment_id']}",
        f"/metadata/api/mymdc/samples/{run['sample_id']}",
        f"/metadata/api/mymdc/runs/{run['id']}",
    ]
    assert {each.headers["x-api-key"] for each in mymdc.requests} == {TOKEN}
    assert {each.headers["accept"] for each in mymdc.requests} == {"application/json; version=1"}


async def test_what_nobody_has_entered_is_unknown_and_no_error(
    signed_in: Proposal, mymdc: MyMdcServer
) -> None:
    """A run reaches the catalogue after its data; its sample may be entered in the morning."""
    mymdc.enter(signed_in.number, 2, kind="alchemy")

    not_there = await ask(signed_in, run=3)
    half = await ask(signed_in, run=2)

    assert {type(each) for each in not_there.values()} == {UnknownYet}
    assert isinstance(half["sample_name"], UnknownYet)
    assert values(half) == {"run_type": "alchemy", "techniques": []}


async def test_a_sample_that_many_runs_share_is_asked_for_once(
    signed_in: Proposal, mymdc: MyMdcServer
) -> None:
    """A night has hundreds of runs of one sample; the catalogue serves the whole facility."""
    shared = mymdc.runs[signed_in.number, 1]
    for run in range(2, 12):
        mymdc.runs[signed_in.number, run] = {**shared, "run_number": run}
    async with signed_in.access().open() as asking:
        for run in range(1, 12):
            await asking.answers(RunKey(signed_in.number, run), ["sample_name"])

    assert sum("/samples/" in path for path in mymdc.paths()) == 1


@pytest.mark.parametrize(
    "fault",
    ["cut", "drop", "hang", "slow", Answer(500), Answer(503, {"info": "busy"}), Answer(429)],
)
async def test_a_passing_failure_is_asked_away(
    signed_in: Proposal, mymdc: MyMdcServer, fault: Fault | Answer
) -> None:
    """A server that restarts must not cost a cell."""
    mymdc.faults.extend([fault, fault])

    answers = await ask(signed_in, timeout=0.3)

    assert values(answers)["sample_name"] == "mithril"
    assert len(set(mymdc.paths()[:3])) == 1


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("hang", "nothing within 0.2 s (3 tries)"),
        ("slow", "nothing within 0.2 s"),
        ("cut", "RemoteProtocolError"),
        (Answer(502, {"info": "upstream\nis away"}), "502 Bad Gateway, upstream is away (3 tries)"),
        (Answer(503, headers=(("Retry-After", "3600"),)), "left alone for 3600 s"),
        (
            Answer(429, headers=(("Retry-After", "Fri, 31 Dec 2100 23:59:59 GMT"),)),
            "it asks to be left alone for",
        ),
    ],
)
async def test_a_lasting_failure_is_told_with_place_and_way_out(
    signed_in: Proposal, mymdc: MyMdcServer, fault: Fault | Answer, told: str
) -> None:
    """Nobody looks for a fault in the context file if the cell says where it is."""
    mymdc.always = fault
    with pytest.raises(NoAnswerError) as caught:
        await ask(signed_in, timeout=0.2)

    assert told in str(caught.value)
    assert f"/proposals/by_number/{signed_in.number}/runs/1" in str(caught.value)
    assert "knockoff mymdc sync" in str(caught.value)


async def test_a_server_that_wants_to_be_left_alone_is(
    signed_in: Proposal, mymdc: MyMdcServer
) -> None:
    """`Retry-After` counts where it is longer than our own pause, and is not exceeded by tries."""
    mymdc.faults.append(Answer(429, headers=(("Retry-After", "0.1"),)))  # not a whole number: ours
    mymdc.faults.append(Answer(503, headers=(("Retry-After", "3600"),)))
    with pytest.raises(NoAnswerError):
        await ask(signed_in)

    assert len(mymdc.requests) == 2


async def test_nobody_listening_at_the_address_is_told(proposal: Proposal) -> None:
    """The first thing to go wrong at night is the network."""
    async with mymdc_server() as gone:
        proposal.sign_in(gone)
    with pytest.raises(NoAnswerError, match=r"ConnectError.*\(3 tries\)"):
        await ask(proposal)


async def test_a_server_that_nobody_vouches_for_is_not_shown_the_token(
    proposal: Proposal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody on the way could pretend to be MyMdC; what the message advises is the way out."""
    certificate = Path(__file__).with_name("untrusted.pem")
    async with mymdc_server(certificate) as stranger:
        proposal.sign_in(stranger)
        with pytest.raises(NoAnswerError, match=r"certificate cannot be verified.*SSL_CERT_FILE"):
            await ask(proposal)
        assert stranger.requests == []

        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        stranger.enter(proposal.number, 1, sample="mithril")
        assert values(await ask(proposal))["sample_name"] == "mithril"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_is_not_asked_away(
    signed_in: Proposal, mymdc: MyMdcServer, status: int
) -> None:
    """Asking again would only lock the account."""
    mymdc.always = Answer(status, {"info": "key was withdrawn"})
    with pytest.raises(SignInRefusedError, match=r"key was withdrawn.*mymdc login"):
        await ask(signed_in)

    assert len(mymdc.requests) == 1


async def test_a_proposal_that_is_not_there_is_told_once(
    signed_in: Proposal, mymdc: MyMdcServer
) -> None:
    """Simulated proposals are in no catalogue."""
    mymdc.titles.clear()
    answers = await ask(signed_in)

    assert {type(each) for each in answers.values()} == {Unavailable}
    assert "404 Not Found, proposal not found" in answers["run_type"].reason  # type: ignore[union-attr]
    assert len(mymdc.requests) == 1
    async with signed_in.access().open() as asking:
        with pytest.raises(NoSuchEntryError):
            await asking.title(signed_in.number)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("html", "it is no JSON; it begins with '<html><title>Maintenance"),
        ("not json", "it is no JSON"),
        ("wrong shape", "it has no list of runs"),
        ("huge", "it has more than 1000000 bytes"),
        (Answer(422, {"info": {"run": ["bad"]}}), "422 Unprocessable"),
        (Answer(200, {"runs": [17]}), "it has no list of runs"),
        (Answer(200, {"runs": [{"sample_id": "../../x"}]}), "experiment_id|sample_id|id of a run"),
        (Answer(302, headers=(("Location", "/metadata/loop"),)), None),
    ],
)
async def test_an_answer_that_is_none_costs_only_its_cells(
    signed_in: Proposal, mymdc: MyMdcServer, fault: Fault | Answer, told: str | None
) -> None:
    """A proxy's error page must never become a sample name, nor a server's text a path."""
    mymdc.faults.append(fault)
    answers = await ask(signed_in)

    unavailable = [each for each in answers.values() if isinstance(each, Unavailable)]
    assert unavailable
    if told is not None:
        assert any(each in unavailable[-1].reason for each in told.split("|"))
    assert not [path for path in mymdc.paths() if ".." in path]


async def test_one_broken_entry_leaves_the_others(signed_in: Proposal, mymdc: MyMdcServer) -> None:
    """A sample that was deleted there does not take the run type along."""
    mymdc.samples.clear()
    answers = await ask(signed_in)

    assert values(answers) == {"run_type": "alchemy", "techniques": [SFX]}
    assert isinstance(answers["sample_name"], Unavailable)


async def test_a_token_is_not_shown_to_another_server(
    signed_in: Proposal, mymdc: MyMdcServer
) -> None:
    """A redirection is a way to collect tokens; on the same server it is followed."""
    async with mymdc_server() as stranger:
        there = f"{stranger.server}/api/mymdc/anything"
        mymdc.faults.append(Answer(302, headers=(("Location", there),)))
        with pytest.raises(RedirectedError, match=r"127\.0\.0\.1"):
            await ask(signed_in)
        assert stranger.requests == []

    path = f"/metadata/api/mymdc/proposals/by_number/{signed_in.number}/runs/1"
    mymdc.faults.append(Answer(307, headers=(("Location", path),)))
    assert values(await ask(signed_in))["sample_name"] == "mithril"


# OAuth


def oauth(mymdc: MyMdcServer) -> dict[str, Any]:
    return {
        "client_id": CLIENT, "client_secret": SECRET, "user_email": EMAIL, "server": mymdc.server
    }  # fmt: skip


async def test_an_oauth_client_signs_in_once_for_many_questions(
    signed_in: Proposal, mymdc: MyMdcServer
) -> None:
    """The secret goes to one address only; what is asked carries the token and the person."""
    answers = await ask(signed_in, **oauth(mymdc))

    assert values(answers)["sample_name"] == "mithril"
    first, *others = mymdc.requests
    assert (first.method, first.path) == ("POST", "/metadata/oauth/token")
    assert len(others) == 4
    assert {each.path.split("/")[2] for each in others} == {"api"}
    assert {each.headers["x-user-email"] for each in others} == {EMAIL}
    assert all(each.headers["authorization"].startswith("Bearer bearer-") for each in others)
    assert not any("x-api-key" in each.headers for each in others)


async def test_a_token_that_has_ended_is_renewed(signed_in: Proposal, mymdc: MyMdcServer) -> None:
    """Whether it ran out by the clock or was withdrawn, the question is asked again."""
    async with signed_in.access(**oauth(mymdc)).open() as asking:
        await asking.answers(RunKey(signed_in.number, 1), FIELDS)
        mymdc.tokens.clear()  # the server was restarted
        again = await asking.answers(RunKey(signed_in.number, 1), FIELDS)
        mymdc.life = 0.02
        mymdc.tokens.clear()
        await asking.answers(RunKey(signed_in.number, 1), FIELDS)
        await asyncio.sleep(0.02)
        before = len(mymdc.requests)
        await asking.title(signed_in.number)

    assert values(again)["run_type"] == "alchemy"
    assert [each.method for each in mymdc.requests[before:]] == ["POST", "GET"]


async def test_an_oauth_client_that_is_unknown_is_told(
    signed_in: Proposal, mymdc: MyMdcServer
) -> None:
    """A token that is refused right after it was handed out is not renewed for ever."""
    with pytest.raises(SignInRefusedError, match="client is unknown"):
        await ask(signed_in, **{**oauth(mymdc), "client_secret": "wrong-1f"})
    mymdc.requests.clear()
    with pytest.raises(SignInRefusedError, match="token is not valid"):
        await ask(signed_in, **{**oauth(mymdc), "user_email": "nobody@xfel.example"})
    assert len(mymdc.requests) == 4


# Secrets


@pytest.mark.parametrize("fault", ["echo", "hang", "html", Answer(500, {"info": TOKEN}), None])
async def test_a_token_is_in_no_error_and_no_log(
    signed_in: Proposal,
    mymdc: MyMdcServer,
    fault: Fault | Answer | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also where the server repeats what it was sent, and all libraries say all they know."""
    caplog.set_level(logging.DEBUG)
    mymdc.always = fault
    sign_in = signed_in.access().sign_in()
    said = ""
    try:
        said = repr(await ask(signed_in, timeout=0.2))
    except (NoAnswerError, SignInRefusedError, WrongAnswerError) as error:
        said = f"{error} {error!r} {error.__cause__!r} {error.args}"

    assert TOKEN not in f"{said} {sign_in} {sign_in!r}"
    assert TOKEN not in caplog.text
    assert ("***" in said) == (fault == "echo" or isinstance(fault, Answer))


async def test_zwop_is_asked_for_a_token_as_the_facility_does(
    proposal: Proposal, mymdc: MyMdcServer
) -> None:
    """`knockoff mymdc login` is the way in for a proposal that has none."""
    mymdc.writes_to = proposal.credentials
    settings = MyMdcSettings(zwop=f"{mymdc.address}/zwop")
    token = await have_token_written(settings, proposal.number, proposal.root, overwrite=False)

    assert token.token.get_secret_value() == TOKEN
    (request,) = mymdc.requests
    assert (request.method, request.path) == ("POST", "/zwop/api/write_tokens")
    assert request.query == {
        "proposal_no": [str(proposal.number)], "kinds": ["mymdc"], "overwrite": ["false"],
        "dry_run": ["false"],
    }  # fmt: skip
    mymdc.always = Answer(500)
    with pytest.raises(NoTokenServiceError, match=r"500 Internal.*inside the facility's network"):
        await have_token_written(settings, proposal.number, proposal.root, overwrite=True)
