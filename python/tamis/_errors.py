"""What goes wrong, by the native library's own codes."""

from __future__ import annotations


class Error(Exception):
    """What was wrong, where, and what would be accepted. ``code`` is the native status."""

    code = 70


class InvalidArgument(Error, ValueError):
    """The caller's argument: an option out of range, a text that is not UTF-8."""

    code = 2


class CorruptData(Error):
    """A file's bytes."""

    code = 3


class NotFound(Error):
    """No such file, model or tensor."""

    code = 4


class Unsupported(Error):
    """Well formed, but not built: the model cannot do the task, for instance."""

    code = 5


class Overloaded(Error):
    """Try again later."""

    code = 6


class DeadlineExceeded(Error):
    """Out of time."""

    code = 7


class Cancelled(Error):
    """The progress callback ended the work."""

    code = 8


class Unavailable(Error):
    """Something outside could not be reached or written."""

    code = 9


class OutOfMemory(Error, MemoryError):
    """More memory than there is."""

    code = 10


class InternalError(Error):
    """A fault of the library."""


_BY_CODE = {kind.code: kind for kind in Error.__subclasses__()}


def error_of(status: int, message: str) -> Error:
    """The exception that stands for a status of the C face."""
    return _BY_CODE.get(status, InternalError)(message)
