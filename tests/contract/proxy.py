"""A network between leadflow and PostgreSQL that can break at a chosen moment."""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from threading import Thread
from typing import Literal, Self
from urllib.parse import urlsplit, urlunsplit

Moment = Literal["before", "after"]


class Proxy:
    """Passes bytes on. Armed, it breaks one connection at its next COMMIT, then passes on again.

    `before`: the server never sees the COMMIT. `after`: it commits and says so, and that
    answer is lost.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._server = (parts.hostname, parts.port or 5432)
        self._listening = socket.create_server(("127.0.0.1", 0))
        port = self._listening.getsockname()[1]
        user = parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{port}"))
        self._armed: Moment | None = None
        self._refusing = self._refusing_after = False
        self.broken = 0
        Thread(target=self._accept, daemon=True).start()

    def break_at_commit(self, moment: Moment, *, and_stay_down: bool = False) -> None:
        self._armed = moment
        self._refusing_after = and_stay_down

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                if self._refusing:
                    client.close()
                    continue
                Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        lost = None  # what the server answers to the COMMIT, once that has passed
        with client, socket.create_connection(self._server) as server, suppress(OSError):
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    if ready is server and lost is not None:
                        lost += data
                        if b"COMMIT\0" in lost:
                            self.broken += 1
                            return
                        continue
                    if ready is client and self._armed and b"COMMIT\0" in data:
                        moment, self._armed = self._armed, None
                        self._refusing = self._refusing_after
                        if moment == "before":
                            self.broken += 1
                            return
                        lost = b""
                    (server if ready is client else client).sendall(data)
