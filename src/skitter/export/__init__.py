"""A job's records in other formats: those and of those what is wanted, as a stream."""

from skitter.export.fields import FIELDS, LARGE
from skitter.export.run import export

__all__ = ["FIELDS", "LARGE", "export"]
