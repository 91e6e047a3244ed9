"""Whether the bus is thought to be away. One value that intake and the drain loop share.

While it is open nobody waits for the bus: requests go straight to the spool. What closes it is an
acknowledgement, which the drain loop asks for all the time.
"""


class Breaker:
    """Open: the bus did not acknowledge, and has not since."""

    def __init__(self) -> None:
        self._open = False
        self._trying = False

    @property
    def open(self) -> bool:
        """Tell whether the bus is thought to be away."""
        return self._open

    def failed(self) -> None:
        """Note that the bus did not acknowledge."""
        self._open = True

    def acknowledged(self) -> None:
        """Note that the bus took something."""
        self._open = False

    def try_alone(self) -> bool:
        """Take the right to try the bus although it is thought to be away; one at a time."""
        if self._trying:
            return False
        self._trying = True
        return True

    def tried(self) -> None:
        """Give that right back."""
        self._trying = False
