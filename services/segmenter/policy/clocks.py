"""Sections `clocks` and `rests`: how often she may be asked, and when she is left alone."""

from services.segmenter.policy.words import Days
from shared.settings import Strict


class Clocks(Strict):
    """How often a customer may be asked; 0 days switches a clock off."""

    relational_days: Days = 90
    any_survey_days: Days = 30
    after_contact_days: Days = 7
    new_customer_days: Days = 14
    #: Names of surveys about one experience (`*` stands for anything): not relational.
    transactional_surveys: tuple[str, ...] = ()


class Rests(Strict):
    """When to leave her alone beside the clocks; 0 days switches a rest off."""

    marketing_after_detractor_days: Days = 14
    open_case_days: Days = 90
