"""What Ctrl-C and its kin mean to a crawl."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

from skitter.engine import Engine
from skitter.events import Noted, Observer

__all__ = ["Signals"]

# Seconds that the second signal leaves for closing connections and the database.
_PATIENCE = 2.0


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
            # A thread may be stuck in a pipe that nobody reads, or in a name look-up: nobody waits for
            # it. What is committed is safe, as after any kill.
            timer = threading.Timer(_PATIENCE, os._exit, [128 + number])
            timer.daemon = True
            timer.start()
