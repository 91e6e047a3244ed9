"""Section `moves`: the changes of segment that no answer brings."""

from services.segmenter.policy.words import Days
from shared.settings import Strict


class Moves(Strict):
    """After how many days without an answer a customer has lapsed; 0: never."""

    lapsed_after_days: Days = 365
