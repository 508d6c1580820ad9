"""Every exception that skitter raises on purpose.

::

    SkitterError              base of all; its text is one line for a person
    ├── UsageError            a mistake of the operator or programmer: exit code 2
    │   ├── ConfigError       an option, key or value is wrong
    │   └── JobError          the job's folder cannot be used as asked
    └── StorageError          disk full, I/O error, damaged file: exit code 7, the job is resumable

A fetch that fails is not an exception but a value (:class:`skitter.model.Failure`): a crawl meets
thousands of them, and each ends in a record with a named reason.
"""

from __future__ import annotations

__all__ = ["ConfigError", "JobError", "SkitterError", "StorageError", "UsageError"]


class SkitterError(Exception):
    """Base of all; ``str(error)`` is one clear line that says what to do."""


class UsageError(SkitterError):
    """A mistake of the operator or the programmer. The command ends with exit code 2."""


class ConfigError(UsageError):
    """An option, a key of the configuration file or a value is wrong."""


class JobError(UsageError):
    """The job's folder or an output cannot be used as asked; nothing was changed."""


class StorageError(SkitterError):
    """The disk refused. The command ends with exit code 7; the job can be resumed."""
