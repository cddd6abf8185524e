"""Everything that knockoff raises on purpose, drawn as one tree.

KnockoffError
├── SettingsError            a setting that cannot be used
├── WorkspaceError           no workspace here, or not a usable one
├── RunKeyError              not a proposal or run number (also a ValueError)
├── ContextFileError         a context file that cannot be loaded
│   └── ContextProblems      every problem of one file at once
├── VariableError            a variable that cannot be computed as written
├── RunDataError             the recorded run cannot be read
├── ArrayError               a bulk value cannot be written or read
├── ServerError              a server does not do what it must
│   ├── DatabaseError        MongoDB
│   ├── BrokerError          Kafka
│   └── CatalogueError       MyMdC
├── MessageError             a Kafka message that can never be handled
├── EditError                what somebody typed does not fit its field
└── WorkerError              the process that runs user code failed as a whole

A message says what happened, where, and what to do now. Leaves stand in the
room that raises them and derive from one of these.
"""

from __future__ import annotations


class KnockoffError(Exception):
    """Raised by knockoff on purpose; its text is meant for the person who reads it."""


class SettingsError(KnockoffError):
    """A setting is missing, misspelt or has a value that cannot be used."""


class WorkspaceError(KnockoffError):
    """There is no workspace where one was looked for, or it cannot be used."""


class RunKeyError(KnockoffError, ValueError):
    """Something that was given as a proposal or run number is none."""


class ContextFileError(KnockoffError):
    """A context file cannot be loaded."""


class VariableError(KnockoffError):
    """A variable cannot be computed as it is written."""


class RunDataError(KnockoffError):
    """The recorded data of a run cannot be read."""


class ArrayError(KnockoffError):
    """A bulk value cannot be written to or read from HDF5."""


class ServerError(KnockoffError):
    """A server that knockoff needs is missing or does not do what it must."""


class DatabaseError(ServerError):
    """MongoDB is missing, refuses, or holds something that cannot be used."""


class BrokerError(ServerError):
    """Kafka is missing or refuses."""


class CatalogueError(ServerError):
    """The facility's catalogue is missing or refuses."""


class MessageError(KnockoffError, ValueError):
    """A Kafka message that can never be handled, however often it is tried."""


class EditError(KnockoffError, ValueError):
    """What somebody typed does not fit the field it was typed into."""


class WorkerError(KnockoffError):
    """The process that runs user code failed as a whole."""
