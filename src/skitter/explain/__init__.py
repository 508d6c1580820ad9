"""Why a URL was, or was not, crawled: read from the job's rows, judged by the rules of the crawl."""

from skitter.explain.account import explain
from skitter.explain.history import read_history
from skitter.explain.values import Explanation, History
from skitter.explain.words import lines

__all__ = ["Explanation", "History", "explain", "lines", "read_history"]
