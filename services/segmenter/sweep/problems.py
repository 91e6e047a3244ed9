"""What is answered while not everybody was read yet."""

from shared.http.problems import Problem


def not_counted(customers: int) -> Problem:
    """Say what is under way, how far it is, and what to do."""
    return Problem(
        503,
        "not-counted-yet",
        f"customers are being read for the first time, or under changed rules of the policy; "
        f"{customers} are read so far. Ask again in a few minutes: 1 000 customers take about two "
        "seconds. If the number stays the same, look for segmenter.sweep_waits in the log.",
        headers={"Retry-After": "30"},
    )
