"""Both languages have a sentence for everything that can be said of a customer."""

import ast
import string
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from services.segmenter.decide import clocks
from services.segmenter.eligibility import eligibility
from services.segmenter.explain import past
from services.segmenter.explain.say import Words
from services.segmenter.explain.who import FACTORS
from services.segmenter.explain.whole import LANGUAGES
from services.segmenter.policy.maturity import MaturityPolicy
from services.segmenter.profile.facts import MODELS
from shared.events import feedback, outcomes
from shared.events.decisions import Cause, Lifecycle, MoveKind, Trigger
from shared.events.outcomes import DeliveryState, MessageState
from shared.events.vocabulary import Channel, ContactClass, Segment
from tests.builders.facts import shipped_policy

SEGMENTER = Path(__file__).resolve().parents[3] / "services" / "segmenter"

each_language = pytest.mark.parametrize(
    "words", [pytest.param(words, id=name) for name, words in LANGUAGES.items()]
)


def trees() -> Iterator[ast.AST]:
    for file in sorted(SEGMENTER.rglob("*.py")):
        yield ast.parse(file.read_text(encoding="utf-8"))


def trace_lines() -> Iterator[tuple[str, str | None]]:
    """Every rule that the code writes into a trace, with its outcome where that is a constant."""
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "TraceLine":
                said = {word.arg: word.value for word in node.keywords}
                rule, outcome = said["rule"], said["outcome"]
                if isinstance(rule, ast.Constant):
                    yield str(rule.value), _constant(outcome)


def _constant(node: ast.expr) -> str | None:
    return str(node.value) if isinstance(node, ast.Constant) else None


def gates() -> Iterator[str]:
    tree = ast.parse((SEGMENTER / "decide" / "maturity.py").read_text(encoding="utf-8"))
    (found,) = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "_gates")
    for node in ast.walk(found):
        if isinstance(node, ast.Yield) and isinstance(node.value, ast.Constant):
            yield str(node.value.value)


def eligibility_rules() -> set[str]:
    """Every rule that an eligibility refusal names."""
    tree = ast.parse((SEGMENTER / "eligibility" / "eligibility.py").read_text(encoding="utf-8"))
    return {
        str(node.args[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "Refusal"
        and isinstance(node.args[0], ast.Constant)
    }


def codes() -> set[str]:
    """Every code that the explanation's own modules name."""
    found: set[str] = set()
    for file in sorted((SEGMENTER / "explain").glob("*.py")):
        if file.name.startswith("words_"):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "Point":
                continue
            if isinstance(node.args[0], ast.Constant):
                found.add(str(node.args[0].value))
    return found


@each_language
def test_every_rule_of_the_clocks_has_a_hold_and_a_name(words: Words) -> None:
    """A new rule cannot be told as silence."""
    for rule in clocks.RULES:
        assert f"hold.{rule.__name__}" in words.sentences
        assert f"rule.{rule.__name__}" in words.terms


@each_language
def test_every_rule_of_eligibility_has_a_name(words: Words) -> None:
    """Those of the clocks, of the survey, and of the experience."""
    found = eligibility_rules()
    assert {"test_respondent", "consent", "ask_window", "worth_asking"} <= found
    names = {*found, eligibility.this_survey.__name__, eligibility.survey_family.__name__}
    assert {name for name in names if f"rule.{name}" not in words.terms} == set()


@each_language
def test_every_line_of_a_trace_has_a_sentence(words: Words) -> None:
    """Found in the code itself: whoever adds a rule to the trace adds its sentences, too."""
    told = set(trace_lines())
    assert len(told) > 10
    for rule, outcome in told:
        if rule in past.LEFT_OUT:
            assert f"trace.{rule}" not in words.sentences, rule
        elif rule in past.NAMED:
            assert f"trace.{rule}" in words.sentences, rule
        elif outcome is not None:
            assert outcome in past.OUTCOMES.get(rule, ()), (rule, outcome)
        else:
            assert rule in past.OUTCOMES, rule
    for rule, outcomes_ in past.OUTCOMES.items():
        for outcome in outcomes_:
            assert f"trace.{rule}.{outcome.replace(' ', '_')}" in words.sentences


@each_language
@pytest.mark.parametrize(
    ("prefix", "names"),
    [
        pytest.param("timer", get_args(feedback.TimerKind), id="timers"),
        pytest.param("trigger", get_args(Trigger), id="triggers"),
        pytest.param("cause", get_args(Cause.model_fields["kind"].annotation), id="causes"),
        pytest.param("move", get_args(MoveKind), id="moves"),
        pytest.param("delivery", get_args(DeliveryState), id="states of a delivery"),
        pytest.param("message", set(get_args(MessageState)) - {"none"}, id="states of a message"),
        pytest.param("gate", set(gates()), id="gates"),
        pytest.param("factor", set(FACTORS), id="factors"),
    ],
)
def test_every_closed_word_has_a_sentence(prefix: str, names: set[str], words: Words) -> None:
    """Timers, triggers, causes, moves, states, gates and factors."""
    assert names
    assert {name for name in names if f"{prefix}.{name}" not in words.sentences} == set()


@each_language
@pytest.mark.parametrize(
    ("kind", "names"),
    [
        pytest.param("segment", get_args(Segment), id="segments"),
        pytest.param("class", get_args(ContactClass), id="classes"),
        pytest.param("one", get_args(ContactClass), id="one of a class"),
        pytest.param("channel", get_args(Channel), id="channels"),
        pytest.param("lifecycle", get_args(Lifecycle), id="lifecycles"),
        pytest.param("theme", [one.name for one in shipped_policy().value.themes], id="themes"),
        pytest.param(
            "topic", [one.name for one in shipped_policy().value.escalations.topics], id="topics"
        ),
        pytest.param(
            "event",
            [
                *MODELS,
                *(one.TYPE for one in get_args(feedback.MergeCommand)),
                feedback.TimerDue.TYPE,
                feedback.ErasureRequested.TYPE,
            ],
            id="events",
        ),
        pytest.param("note", {*past.NOTES.values(), "other"}, id="notes"),
    ],
)
def test_every_closed_word_has_a_name(kind: str, names: list[str], words: Words) -> None:
    """What is a word of ours is said in the language asked for."""
    assert {name for name in names if f"{kind}.{name}" not in words.terms} == set()


@each_language
def test_every_code_of_the_explanation_has_a_sentence(words: Words) -> None:
    """Also those that no other test names."""
    assert codes() - set(words.sentences) == set()


def test_the_languages_say_the_same() -> None:
    """The same codes and words, and in each sentence the same values."""
    english, french = LANGUAGES["en"], LANGUAGES["fr"]
    assert english.sentences.keys() == french.sentences.keys()
    assert english.terms.keys() == french.terms.keys()
    assert english.units.keys() == french.units.keys()
    for code, template in english.sentences.items():
        assert _names(template) == _names(french.sentences[code]), code


def test_every_factor_of_maturity_is_explained() -> None:
    """A new factor of the policy has points of its own to tell."""
    fields = set(MaturityPolicy.model_fields) - {"ready_at", "gates"}
    assert set(FACTORS) == fields


def test_every_note_is_one_that_the_code_writes() -> None:
    """A note reworded must not fall back to "there was nothing to do"."""
    written = {
        node.value
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(past.NOTES) - written == set()


def _names(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_what_is_scanned_is_found() -> None:
    """A scan that finds nothing would promise everything."""
    assert "open_case" in set(gates())
    assert "who.segment" in codes()
    assert ("identity", "new") in set(trace_lines())
    assert outcomes.DeliverySettled.TYPE in MODELS
