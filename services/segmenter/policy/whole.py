"""The whole policy: every section of `policy.yaml`."""

from pydantic import Field

from services.segmenter.policy.alerts import FigureAlerts
from services.segmenter.policy.asking import WorthAsking
from services.segmenter.policy.attributes import Attributes
from services.segmenter.policy.bands import Bands
from services.segmenter.policy.budgets import Budgets
from services.segmenter.policy.called_by import CalledBy
from services.segmenter.policy.cases import Cases
from services.segmenter.policy.clocks import Clocks, Rests
from services.segmenter.policy.digests import OwnerDigests
from services.segmenter.policy.escalations import Escalations
from services.segmenter.policy.fatigue import Fatigue
from services.segmenter.policy.lifecycle import LifecyclePolicy
from services.segmenter.policy.maturity import MaturityPolicy
from services.segmenter.policy.merges import Merges
from services.segmenter.policy.moves import Moves
from services.segmenter.policy.objectives import Objectives
from services.segmenter.policy.permits import Permits
from services.segmenter.policy.quality import Quality
from services.segmenter.policy.respondents import Respondents
from services.segmenter.policy.settle import Settle
from services.segmenter.policy.statistics import Statistics
from services.segmenter.policy.themes import Feelings, Themes
from services.segmenter.policy.zones import Zones
from shared.settings import Strict


class Policy(Strict):
    """The whole file."""

    bands: Bands
    merges: Merges = Merges()
    settle: Settle = Settle()
    moves: Moves = Moves()
    cases: Cases = Cases()
    clocks: Clocks = Clocks()
    worth_asking: WorthAsking = ()
    rests: Rests = Rests()
    fatigue: Fatigue = Fatigue()
    permits: Permits
    budgets: Budgets = ()
    zones: Zones
    feelings: Feelings = Feelings()
    themes: Themes = ()
    escalations: Escalations = Escalations()
    attributes: Attributes = Field(default_factory=dict)
    lifecycle: LifecyclePolicy = LifecyclePolicy()
    called_by: CalledBy = CalledBy()
    maturity: MaturityPolicy = MaturityPolicy()
    quality: Quality = Quality()
    test_respondents: Respondents = Respondents()
    statistics: Statistics = Statistics()
    objectives: Objectives = ()
    alerts: FigureAlerts = ()
    digests: OwnerDigests = ()

    # One is loaded at start and asked for ever: it is known by being itself, so that what is made
    # of it (the stemmed themes) can be kept beside it without comparing a thousand words.
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other
