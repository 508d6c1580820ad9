"""What Ctrl-C and its kin mean to a crawl."""

from __future__ import annotations

import asyncio
import signal

from skitter.engine import Engine
from skitter.events import Noted, Observer

__all__ = ["Signals"]


class Signals:
    """The first signal stops politely, the second at once."""

    def __init__(self) -> None:
        self.caught: int | None = None

    def listen(self, engine: Engine, observe: Observer) -> None:
        loop = asyncio.get_running_loop()
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None:
                loop.add_signal_handler(number, self._catch, number, engine, observe)

    def _catch(self, number: int, engine: Engine, observe: Observer) -> None:
        if self.caught is None:
            self.caught = number
            observe(Noted("stopping: what is in flight is finished and saved; once more stops at once"))
            engine.stop()
        else:
            engine.abort()
