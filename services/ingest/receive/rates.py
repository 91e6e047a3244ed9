"""How much one source may send to this process: a bucket of tokens. Pure; time is an argument."""

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Holds up to `burst` tokens and gains `per_second`; one message takes one.

    Times are monotonic, in seconds; they may come out of order, for a request counts from its
    beginning and some take long to arrive.
    """

    per_second: float
    burst: float
    tokens: float | None = None
    at: float = 0.0

    def take(self, now: float) -> float:
        """Take one token: 0.0 if there was one, else the seconds until there is."""
        if self.tokens is None:
            self.tokens, self.at = self.burst, now
        elif now > self.at:
            self.tokens = min(self.burst, self.tokens + (now - self.at) * self.per_second)
            self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / self.per_second

    def owe(self, more: int) -> None:
        """Take what a batch holds beyond its first message; what is not there is owed.

        A batch is taken whole or not at all, and how much it holds is known late.
        """
        if self.tokens is not None:
            self.tokens -= more
