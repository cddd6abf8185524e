"""A small HTTP server that answers as MyMdC, its OAuth service and ZWOP do, and fails on demand.

It speaks HTTP over a real socket and knows nothing of the code under test.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

Fault = Literal["hang", "cut", "drop", "slow", "html", "not json", "huge", "wrong shape", "echo"]
"""What a server may do instead of answering; see `MyMdcServer._misbehave`."""

TOKEN = "zwop-token-8f2b"
CLIENT, SECRET, EMAIL = "client-77", "oauth-secret-c41d", "jane@xfel.example"


@dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    form: dict[str, list[str]]


@dataclass(frozen=True)
class Answer:
    """What goes out."""

    status: int
    document: Any = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class MyMdcServer:
    """Proposals, runs, samples and experiments by id, and everything that was asked."""

    address: str = ""
    titles: dict[int, str] = field(default_factory=dict)
    runs: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    techniques: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    samples: dict[int, str | None] = field(default_factory=dict)
    experiments: dict[int, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    faults: deque[Fault | Answer] = field(default_factory=deque)
    """One for each of the next requests."""

    always: Fault | Answer | None = None
    """For all that come after those."""

    tokens: set[str] = field(default_factory=set)
    """OAuth tokens that are good just now."""

    life: float = 7200
    writes_to: Path | None = None
    """Where ZWOP puts the credentials of any proposal."""

    @property
    def server(self) -> str:
        """As a credentials file has it."""
        return f"{self.address}/metadata"

    def enter(
        self, proposal: int, run: int, *, sample: str | None = None, kind: str | None = None
    ) -> None:
        """Enter a run as its DAQ and a person do; a sample or type of None is left open."""
        self.titles.setdefault(proposal, "Melting of mithril")
        number = self.runs.get((proposal, run), {"id": 5000 + len(self.runs)})["id"]
        entry: dict[str, Any] = {"id": number, "run_number": run, "flg_run_quality": -1}
        for reference, names, name in (
            ("sample_id", self.samples, sample),
            ("experiment_id", self.experiments, kind),
        ):
            entry[reference] = None
            if name is not None:
                entry[reference] = 100 + len(names)
                names[entry[reference]] = name
        self.runs[proposal, run] = entry

    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [each.path for each in self.requests]

    # HTTP

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read(reader)) is not None:
                self.requests.append(request)
                fault = self.faults.popleft() if self.faults else self.always
                if isinstance(fault, str):
                    await self._misbehave(fault, request, writer)
                    return
                _write(writer, fault or self._answer(request))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _misbehave(
        self, fault: Fault, request: Request, writer: asyncio.StreamWriter
    ) -> None:
        if fault == "hang":
            await asyncio.sleep(3600)
        elif fault == "cut":
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"runs": [')
        elif fault == "slow":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{")
            while True:
                await asyncio.sleep(0.05)
                writer.write(b" ")
                await writer.drain()
        elif fault == "html":
            _raw(writer, b"<html><title>Maintenance</title></html>", "text/html")
        elif fault == "not json":
            _raw(writer, b'{"runs": [', "application/json")
        elif fault == "huge":
            _raw(writer, b" " * 2_000_000, "application/json")
        elif fault == "wrong shape":
            _raw(writer, b'["runs"]', "application/json")
        elif fault == "echo":
            said = f"bad key {request.headers.get('x-api-key')}"
            _write(writer, Answer(403, {"info": said}))
        await writer.drain()

    # What is answered

    def _answer(self, request: Request) -> Answer:
        parts = request.path.strip("/").split("/")
        if request.method == "POST" and parts == ["metadata", "oauth", "token"]:
            return self._token(request)
        if request.method == "POST" and parts == ["zwop", "api", "write_tokens"]:
            return self._write_tokens(request)
        if parts[:3] == ["metadata", "api", "mymdc"]:
            if request.headers.get("x-api-key") != TOKEN:
                return Answer(401, {"info": "unknown key"})
            return self._entry(request, parts[3:])
        if parts[:2] == ["metadata", "api"]:
            bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
            if bearer not in self.tokens or request.headers.get("x-user-email") != EMAIL:
                return Answer(401, {"info": "token is not valid"})
            return self._entry(request, parts[2:])
        return Answer(404, {"info": "no such route"})

    def _entry(self, request: Request, parts: list[str]) -> Answer:
        if request.headers.get("accept") != "application/json; version=1":
            return Answer(406, {"info": "which version?"})
        match parts:
            case ["proposals", "by_number", number, "runs", run]:
                if int(number) not in self.titles:
                    return Answer(404, {"info": "proposal not found"})
                found = self.runs.get((int(number), int(run)))
                return Answer(200, {"runs": [found] if found else []})
            case ["proposals", "by_number", number]:
                title = self.titles.get(int(number))
                if title is None:
                    return Answer(404, {"info": "proposal not found"})
                return Answer(200, {"id": 9, "title": title})
            case ["samples", number] if int(number) in self.samples:
                return Answer(200, {"id": int(number), "name": self.samples[int(number)]})
            case ["experiments", number] if int(number) in self.experiments:
                return Answer(200, {"id": int(number), "name": self.experiments[int(number)]})
            case ["runs", number]:
                techniques = self.techniques.get(int(number), [])
                return Answer(200, {"id": int(number), "techniques": techniques})
        return Answer(404, {"info": "no such entry"})

    def _token(self, request: Request) -> Answer:
        wanted = {"grant_type": ["client_credentials"], "client_id": [CLIENT]}
        told = {name: request.form.get(name) for name in wanted}
        if told != wanted or request.form.get("client_secret") != [SECRET]:
            return Answer(401, {"error_description": "client is unknown"})
        token = f"bearer-{len(self.requests)}-{id(self):x}"
        self.tokens.add(token)
        return Answer(200, {"access_token": token, "expires_in": self.life})

    def _write_tokens(self, request: Request) -> Answer:
        if request.query.get("kinds") != ["mymdc"] or self.writes_to is None:
            return Answer(422, {"info": "which kind?"})
        if not self.writes_to.exists() or request.query["overwrite"] == ["true"]:
            self.writes_to.parent.mkdir(parents=True, exist_ok=True)
            self.writes_to.write_text(f"token: {TOKEN}\nserver: {self.server}\n")
            self.writes_to.chmod(0o660)
        return Answer(200, {"proposal": int(request.query["proposal_no"][0]), "status_code": 200})


@asynccontextmanager
async def mymdc_server(certificate: Path | None = None) -> AsyncIterator[MyMdcServer]:
    """Serve on a free port until the body ends; with a key and certificate over TLS."""
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    mymdc = MyMdcServer()
    talks: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.create_task(mymdc._serve(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    mymdc.address = f"{'https' if context else 'http'}://127.0.0.1:{port}"
    try:
        yield mymdc
    finally:
        server.close()
        for each in talks:
            each.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await server.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    url = urlsplit(target)
    return Request(
        method,
        url.path,
        parse_qs(url.query),
        headers,
        parse_qs(body.decode(), keep_blank_values=True),
    )


def _write(writer: asyncio.StreamWriter, answer: Answer) -> None:
    body = b"" if answer.document is None else json.dumps(answer.document).encode()
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in answer.headers),
    ]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def _raw(writer: asyncio.StreamWriter, body: bytes, kind: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
