"""The few errors that cross borders; each knows what becomes of the message or request.

Four fates of a message: handled; `Unprocessable` → dead letter; `DependencyAway` → pause and retry
in place; anything else is a bug → crash, and the message is redelivered.
"""


class Unprocessable(Exception):
    """This message can never be handled. The text is stored and logged: nothing personal in it."""


class DependencyAway(Exception):
    """Something we need (bus, database) does not answer; the same work will succeed later."""


class BusAway(DependencyAway):
    """The bus did not acknowledge in time. The records may still arrive: publishing again is safe
    because event ids are deterministic."""


class RecordTooLarge(Unprocessable):
    """One record exceeds what the topic takes; nothing of the call was published."""


class ConfigError(Exception):
    """A setting or configuration file is wrong: names file, line and fix. Ends the start."""
