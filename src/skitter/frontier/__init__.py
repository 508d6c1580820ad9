"""Everything known of every URL, in memory or in SQLite, behind one port."""

from skitter.frontier.database import Database
from skitter.frontier.ledger import Ledger
from skitter.frontier.memory import MemoryFrontier
from skitter.frontier.sqlite import SqliteFrontier
from skitter.frontier.store import Store
from skitter.frontier.times import shift

__all__ = ["Database", "Ledger", "MemoryFrontier", "SqliteFrontier", "Store", "shift"]
