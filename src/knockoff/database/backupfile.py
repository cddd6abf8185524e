"""The file of a backup: a zip that says what is in it, and proves that it is whole.

``manifest.json`` stands at its end, and names every other member with its size and SHA-256:
``collections/NAME.bson`` as mongodump writes them, and ``extracted_data/…`` if arrays are with it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
import zlib
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import IO, TYPE_CHECKING, Any, Final

from knockoff.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FORMAT: Final = "knockoff backup"
VERSION: Final = 1
"""Of this file; raised when an older knockoff could not read it any more."""

MANIFEST: Final = "manifest.json"
CHUNK: Final = 1 << 20
"""Bytes that are held in memory at a time."""

LARGEST_DOCUMENT: Final = 17 * 1024 * 1024

_ARRAY: Final = re.compile(r"p[0-9]+_r[0-9]+(/[A-Za-z0-9_.\-]+)?\.h5", re.ASCII)


class BackupError(DatabaseError):
    """A file that cannot be restored, or a backup that cannot be written."""


@dataclass(frozen=True)
class Member:
    """One member of the zip."""

    member: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class SavedCollection:
    """A collection in a backup."""

    name: str
    documents: int
    content: Member
    indexes: list[dict[str, Any]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """What is in a backup."""

    proposal: int
    layout: int
    made_at: str
    made_by: str
    knockoff: str
    collections: list[SavedCollection] = field(default_factory=list)
    arrays: list[Member] = field(default_factory=list)
    format: str = FORMAT
    version: int = VERSION

    @property
    def documents(self) -> int:
        """In all collections."""
        return sum(each.documents for each in self.collections)

    @property
    def members(self) -> list[Member]:
        """All but the manifest itself."""
        return [*(each.content for each in self.collections), *self.arrays]


class BackupWriter:
    """Writes the members of a backup one after the other."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    @contextmanager
    def member(self, name: str, *, compressed: bool) -> Iterator[MemberWriter]:
        """Write one member."""
        stored = zipfile.ZipInfo(name)  # which is not compressed
        with self._archive.open(name if compressed else stored, "w", force_zip64=True) as stream:
            yield MemberWriter(name, stream)

    def file(self, name: str, path: Path) -> Member:
        """Put a file in as it is; arrays are compressed already."""
        with path.open("rb") as source, self.member(name, compressed=False) as writer:
            while block := source.read(CHUNK):
                writer.write(block)
        return writer.member

    def close(self, manifest: Manifest) -> None:
        """Say what is in it."""
        text = json.dumps(asdict(manifest), indent=1)
        self._archive.writestr(MANIFEST, text)


class MemberWriter:
    """Writes one member, and remembers what it has written."""

    def __init__(self, name: str, stream: IO[bytes]) -> None:
        self._name = name
        self._stream = stream
        self._hash = hashlib.sha256()
        self._bytes = 0

    def write(self, block: bytes | memoryview) -> None:
        """Add to it."""
        self._stream.write(block)
        self._hash.update(block)
        self._bytes += len(block)

    @property
    def member(self) -> Member:
        """What was written until now."""
        return Member(self._name, self._bytes, self._hash.hexdigest())


@contextmanager
def written_aside(path: Path) -> Iterator[BackupWriter]:
    """Write a backup that has its name only once it is whole, and on the disk.

    Raises
    ------
    BackupError
        It cannot be written; nothing is left behind, and a file of that name is as it was.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w+b") as stream:
            packed = zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=3)
            with packed as archive:
                yield BackupWriter(archive)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise BackupError(
            f"{path} cannot be written: {error.strerror or error}. Choose another folder, or make "
            "room there."
        ) from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


class Backup:
    """A backup that is there, opened for reading."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._archive = archive

    def verify(self, tell: Callable[[str], None] = lambda _: None) -> None:
        """Read all of it once, and see that it is what was written.

        Raises
        ------
        BackupError
            It is damaged, or something is missing.
        """
        for collection in self.manifest.collections:
            documents = sum(1 for _ in self.documents(collection))
            if documents != collection.documents:
                raise _damaged(self.path, f"{collection.name} lacks documents")
            tell(collection.name)
        for member in self.manifest.arrays:
            if not _ARRAY.fullmatch(array_name(member)):
                raise _damaged(self.path, f"{member.member} is no array of ours")
            for _ in self.blocks(member):
                pass
            tell(member.member)

    def blocks(self, member: Member) -> Iterator[bytes]:
        """A member piece by piece; at its end it is known to be whole."""
        hashed, seen = hashlib.sha256(), 0
        try:
            with self._archive.open(member.member) as stream:
                while block := stream.read(CHUNK):
                    hashed.update(block)
                    seen += len(block)
                    yield block
        except (OSError, KeyError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise _damaged(self.path, f"{member.member}: {error}") from error
        if (seen, hashed.hexdigest()) != (member.bytes, member.sha256):
            raise _damaged(self.path, f"{member.member} is not what was written")

    def documents(self, collection: SavedCollection) -> Iterator[bytes]:
        """Documents as they were in MongoDB."""
        rest = bytearray()
        for block in self.blocks(collection.content):
            rest += block
            start = 0
            while len(rest) - start >= 4:
                length = int.from_bytes(rest[start : start + 4], "little")
                if not 5 <= length <= LARGEST_DOCUMENT:
                    raise _damaged(self.path, f"{collection.name} has a broken document")
                if len(rest) - start < length:
                    break
                yield bytes(rest[start : start + length])
                start += length
            del rest[:start]
        if rest:
            raise _damaged(self.path, f"{collection.name} ends in the middle of a document")


@contextmanager
def opened(path: Path) -> Iterator[Backup]:
    """Open a backup.

    Raises
    ------
    BackupError
        It is none, or not whole, or of a newer knockoff.
    """
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror or error}.") from error
    except zipfile.BadZipFile as error:
        raise _damaged(path, "it is no zip file, or its end is missing") from error
    with archive:
        try:
            found = json.loads(archive.read(MANIFEST))
        except KeyError as error:
            raise BackupError(f"{path} is no backup of knockoff: it has no manifest.") from error
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise _damaged(path, f"its manifest cannot be read: {error}") from error
        yield Backup(path, archive, _manifest(path, found))


def _manifest(path: Path, found: Any) -> Manifest:
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BackupError(f"{path} is no backup of knockoff.")
    if not isinstance(found.get("version"), int) or found["version"] > VERSION:
        raise BackupError(
            f"{path} is a backup of version {found.get('version')}, made by knockoff "
            f"{found.get('knockoff')}; this one reads version {VERSION}. "
            "Upgrade: pip install --upgrade knockoff."
        )
    try:
        collections = [
            SavedCollection(**{**each, "content": Member(**each["content"])})
            for each in found["collections"]
        ]
        arrays = [Member(**each) for each in found["arrays"]]
        return Manifest(**{**found, "collections": collections, "arrays": arrays})
    except (KeyError, TypeError) as error:
        raise _damaged(path, f"its manifest is not complete ({error})") from error


def array_name(member: Member) -> str:
    """As references have it: relative to ``extracted_data``."""
    return member.member.removeprefix("extracted_data/")


def _damaged(path: Path, how: str) -> BackupError:
    return BackupError(
        f"{path} is damaged: {how}. Nothing was changed. Copy it again from where it was made, or "
        "take an older one."
    )
