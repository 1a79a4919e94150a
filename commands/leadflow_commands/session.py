"""What one call of the program knows: the flags given, the settings, the open store."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator
    from zoneinfo import ZoneInfo

    from leadflow import Leadflow
    from leadflow.kafka.connection import Connection
    from leadflow.persistence.store import Store
    from leadflow_commands.output import Output
    from leadflow_commands.settings import Settings


@dataclass
class Session:
    """Handed to each command by `@pass_session`; everything in it is made on first use."""

    flags: dict[str, Any] = field(default_factory=dict[str, Any])

    def give(self, name: str, value: object) -> None:
        """Remember a shared option; the one that stands later wins."""
        self.flags[name] = value

    @property
    def json(self) -> bool:
        return bool(self.flags.get("json"))

    @cached_property
    def output(self) -> Output:
        from leadflow_commands.output import Output

        return Output(
            json=self.json,
            quiet=bool(self.flags.get("quiet")),
            no_color=bool(self.flags.get("no_color")),
        )

    @cached_property
    def settings(self) -> Settings:
        from leadflow_commands.settings import load_settings

        named = {
            "store": "store",
            "key_file": "key_file",
            "tz": "timezone",
            "archive": "archive",
            "brokers": "kafka",
        }
        return load_settings({named[flag]: self.flags.get(flag) for flag in named})

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone of bare dates and of the times shown."""
        from zoneinfo import ZoneInfo

        return ZoneInfo(self.settings.timezone)

    @contextmanager
    def store(self, *, create: bool = False, write: bool = False) -> Generator[Store]:
        """The store that was named, open; closed when the block ends."""
        from leadflow.persistence.opening import open_store

        self._warn_of_a_password_in_the_open()
        store = open_store(
            self.settings.store,
            create=create,
            must_write=write,
            key_file=self.settings.key_file,
            archive=self.settings.archive,
        )
        try:
            yield store
        finally:
            store.close()

    @cached_property
    def kafka(self) -> Connection:
        """How to reach the Kafka that was named."""
        from leadflow_commands.kafka_settings import connection

        return connection(self.settings)

    def _warn_of_a_password_in_the_open(self) -> None:
        from urllib.parse import urlsplit

        url = str(self.flags.get("store") or "")
        if self.settings.store == url and "@" in url and urlsplit(url).password:
            self.output.note(
                "The password in --store can be seen by everybody on this machine.",
                hint="put the URL into LEADFLOW_STORE, or the password into a password file",
            )

    @contextmanager
    def leads(self, *, create: bool = False, write: bool = False) -> Generator[Leadflow]:
        """The leads of the store that was named."""
        from leadflow import Leadflow

        with self.store(create=create, write=write) as store:
            yield Leadflow(store, producer=self.settings.producer)
