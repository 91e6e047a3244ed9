"""How much one source may send to this process: a bucket of tokens. Pure; time is an argument."""

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Holds up to `burst` tokens and gains `per_second`; one message takes one."""

    per_second: float
    burst: float
    tokens: float | None = None
    at: float = 0.0

    def take(self, now: float) -> float:
        """Take one token: 0.0 if there was one, else the seconds until there is.

        `now` is a monotonic time in seconds.
        """
        if self.tokens is None:
            self.tokens = self.burst
        else:
            self.tokens = min(self.burst, self.tokens + (now - self.at) * self.per_second)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / self.per_second
