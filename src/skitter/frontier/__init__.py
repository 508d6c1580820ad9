"""Everything known of every URL, in memory or in SQLite, behind one port."""

from skitter.frontier.memory import MemoryFrontier
from skitter.frontier.sqlite import SqliteFrontier
from skitter.frontier.store import Store

__all__ = ["MemoryFrontier", "SqliteFrontier", "Store"]
