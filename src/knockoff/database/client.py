"""The connection to MongoDB: the only file that imports motor and pymongo's client."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pymongo
from bson.errors import InvalidDocument, InvalidStringData
from motor.motor_asyncio import (
    AsyncIOMotorChangeStream,
    AsyncIOMotorClient,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
)

from knockoff.database.errors import (
    AccessRefusedError,
    UnfitServerError,
    UnreachableError,
    UnstorableError,
    UnusableUriError,
)
from knockoff.runkey import proposal_number

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

__all__ = [
    "FACILITY",
    "ChangeStream",
    "Client",
    "Collection",
    "ConnectionFailure",
    "Database",
    "Document",
    "DuplicateKeyError",
    "OperationFailure",
    "PyMongoError",
    "connection",
    "database_name",
    "mask",
    "open_client",
    "refuse_unfit",
    "reworded",
    "storable",
    "without_password",
]

Document: TypeAlias = dict[str, Any]
Client: TypeAlias = AsyncIOMotorClient[Document]
Database: TypeAlias = AsyncIOMotorDatabase[Document]
Collection: TypeAlias = AsyncIOMotorCollection[Document]
ChangeStream: TypeAlias = AsyncIOMotorChangeStream[Document]

FACILITY: Final = "knockoff"
"""Database of what belongs to no proposal: settings, delivery ledger, dead letters."""

PATIENCE: Final = 5.0
"""Seconds for a server to be found; it answers in milliseconds, or is not there."""

FAREWELL: Final = 0.5
"""Seconds for ending the sessions of a server that may be gone."""

OLDEST: Final = 17
"""`maxWireVersion` of MongoDB 6.0, the oldest that we are tested with."""

REFUSALS: Final = {13: "not authorized", 18: "wrong user or password", 8000: "not authorized"}
"""Codes of Unauthorized, AuthenticationFailed and AtlasError."""

TOO_LARGE: Final = frozenset({10334, 17280, 17419, 17420})
"""Codes of BSONObjectTooLarge, KeyTooLong and of an update that makes a document too large."""

_PASSWORD = re.compile(r"(?<=://)([^:/?@]*):.*@", re.DOTALL)
_SECRET = re.compile(
    r"(?<=[?&])((?:tlsCertificateKeyFilePassword|authMechanismProperties|proxyPassword)=)[^&]*",
    re.IGNORECASE,
)


def database_name(proposal: int) -> str:
    """Name of a proposal's database, as in ``p001234``: access is given per database.

    Raises
    ------
    RunKeyError
        `proposal` is no proposal number.
    """
    return f"p{proposal_number(proposal):06d}"


def mask(uri: str) -> str:
    """Hide what is secret in an address, so that it can be shown and logged.

    >>> mask("mongodb://ada:s3cret@db.example:27017/?replicaSet=rs0")
    'mongodb://ada:***@db.example:27017/?replicaSet=rs0'
    """
    return _SECRET.sub(r"\1***", _PASSWORD.sub(r"\1:***@", uri))


def without_password(uri: str) -> str:
    """Leave the password out, for a program that asks for it: arguments are seen by everybody."""
    return _PASSWORD.sub(r"\1@", uri)


@asynccontextmanager
async def open_client(uri: str, *, patience: float = PATIENCE) -> AsyncIterator[Client]:
    """Connect to a MongoDB that has what knockoff needs; close the connection on the way out.

    Every write is acknowledged by a majority and journaled; times are aware
    UTC datetimes. A server that fails later, in the body, raises the same
    errors. `patience` is in seconds.

    Raises
    ------
    UnusableUriError
        `uri` is written wrongly.
    UnreachableError
        Nobody answers.
    AccessRefusedError
        User or password are wrong, or missing.
    UnfitServerError
        The server is too old, or no replica set.
    """
    with reworded(uri):
        async with connection(uri, patience=patience) as client:
            refuse_unfit(mask(uri), await client.admin.command("hello"))
            # hello needs no user; this does, where users are asked for
            await client.admin.command(
                {"listDatabases": 1, "nameOnly": True, "authorizedDatabases": True}
            )
            yield client


@asynccontextmanager
async def connection(uri: str, *, patience: float = PATIENCE) -> AsyncIterator[Client]:
    """Connect to whatever is there, unchecked and with pymongo's own errors.

    Raises
    ------
    UnusableUriError
        `uri` is written wrongly.
    """
    milliseconds = round(patience * 1000)
    try:
        client: Client = AsyncIOMotorClient(
            uri,
            io_loop=asyncio.get_running_loop(),
            appname="knockoff",
            w="majority",
            journal=True,
            tz_aware=True,
            uuidRepresentation="standard",
            connectTimeoutMS=milliseconds,
            serverSelectionTimeoutMS=milliseconds,
        )
    except (ConfigurationError, ValueError) as error:
        raise UnusableUriError(mask(uri), str(error).rstrip(".")) from error
    try:
        yield client
    finally:
        await asyncio.to_thread(_close, client)


def _close(client: Client) -> None:
    with pymongo.timeout(FAREWELL):
        client.close()


def refuse_unfit(uri: str, hello: Mapping[str, Any]) -> None:
    """Refuse a server by what it says to ``hello``.

    Raises
    ------
    UnfitServerError
        It is too old, or keeps no oplog.
    """
    if hello.get("maxWireVersion", 0) < OLDEST:
        raise UnfitServerError(
            uri, "this MongoDB is older than 6.0", "Upgrade the server to MongoDB 6.0 or newer."
        )
    if "setName" in hello or hello.get("msg") == "isdbgrid":
        return
    if hello.get("isreplicaset"):
        raise UnfitServerError(
            uri,
            "this MongoDB is to be a replica set and was never initiated",
            "Run rs.initiate() once in its mongosh.",
        )
    raise UnfitServerError(
        uri,
        "this MongoDB stands alone, but majority writes and change streams need a replica set",
        "Start it with --replSet rs0 and run rs.initiate() once in its mongosh; "
        "one member is enough.",
    )


@contextmanager
def reworded(uri: str) -> Iterator[None]:
    """Turn what the driver says about server and access into errors of ours.

    What it says about one write or query (a duplicate key, say) passes as it is.
    """
    shown = mask(uri)
    try:
        yield
    except ConfigurationError as error:  # a driver that does not speak with such a server
        raise UnusableUriError(shown, str(error).rstrip(".")) from error
    except ConnectionFailure as error:
        raise UnreachableError(shown, _before_details(error)) from error
    except OperationFailure as error:
        if error.code not in REFUSALS:
            raise
        raise AccessRefusedError(shown, REFUSALS[error.code]) from error


@contextmanager
def storable() -> Iterator[None]:
    """Turn the refusal of a value by the driver or the server into an error of ours.

    Raises
    ------
    UnstorableError
        A number has more than 64 bits, a name or text cannot be stored, or the document
        is too large.
    """
    try:
        yield
    except (InvalidDocument, InvalidStringData, DocumentTooLarge, OverflowError) as error:
        raise UnstorableError(f"{str(error).rstrip('.')}.") from error
    except UnicodeEncodeError as error:
        raise UnstorableError(f"text that is no Unicode ({error.reason}).") from error
    except OperationFailure as error:
        if error.code not in TOO_LARGE:
            raise
        raise UnstorableError("the row would be larger than 16 MB.") from error


def _before_details(error: ConnectionFailure) -> str:
    """What a person can use of the driver's words, which go on about pools and topologies."""
    return re.split(r" \(configured|, Timeout:|, full error:", str(error))[0].rstrip(".")
