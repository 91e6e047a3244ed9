"""What was counted for one question, before it is read under the policy: values only. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.segmenter.figures.distribution import ByScore
from services.segmenter.figures.loop import Cases, Contacts

#: Group → score → answers; without a grouping the one group is None.
Groups = Mapping[str | None, ByScore]
#: Group → (invited, answered).
Invited = Mapping[str | None, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Loop:
    """The three steps of the loop; `recovery` as (score after, time left, how many)."""

    contacts: Contacts
    cases: Cases
    recovery: list[tuple[int | None, bool, int]]


@dataclass(frozen=True, slots=True)
class Found:
    """All sums. None: not asked for, or (`invited`) not to be told for this question.

    `groups` is empty without a grouping, `group_count` how many there are with those left out.
    `other` and `other_groups` are those of the period compared with.
    """

    overall: ByScore
    groups: Groups = field(default_factory=dict)
    group_count: int = 0
    other: ByScore | None = None
    other_groups: Groups = field(default_factory=dict)
    invited: tuple[int, int] | None = None
    invited_groups: Invited = field(default_factory=dict)
    moves: list[tuple[int | None, int, int]] | None = None
    churn: list[tuple[int, int, int]] | None = None
    loop: Loop | None = None
