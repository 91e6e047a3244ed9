"""Themes: the reason she gave, in French and English; unknown stays unknown."""

import pytest
from pydantic import TypeAdapter, ValidationError

from services.segmenter.policy.themes import Feelings, Reading, ThemeRule, Themes
from services.segmenter.themes.themes import ThemeFinder, Told
from services.segmenter.themes.wording.words import Stems
from shared.events.vocabulary import Segment, Value
from tests.builders.facts import shipped_policy

POLICY = shipped_policy().value
FINDER = ThemeFinder(POLICY)


def read(segment: Segment | None = "detractor", /, **answers: Value) -> Told:
    return FINDER.read(answers, segment)


@pytest.mark.parametrize(
    ("answers", "theme", "source"),
    [
        pytest.param(
            {"reasons": ["Livraison"], "comment": "Trop cher"},
            "delivery",
            "reasons",
            id="declared first",
        ),
        pytest.param({"reasons": "TOO EXPENSIVE"}, "price", "reasons", id="one reason as a text"),
        pytest.param(
            {"reasons": ["?", "Service client"]}, "service", "reasons", id="the first known reason"
        ),
        pytest.param({"reasons": ["Autre"]}, "other", "reasons", id="something else, her choice"),
        pytest.param(
            {"reasons": ["?"], "comment": "Trop cher"},
            "price",
            "comment",
            id="an unknown reason, then a text",
        ),
        pytest.param(
            {"liked_least": "les délais de livraison", "comment": "Trop cher"},
            "delivery",
            "liked_least",
            id="what she liked least before the comment",
        ),
        pytest.param({"comment": None}, None, None, id="a comment taken back"),
        pytest.param({"comment": 7}, None, None, id="a number for a comment"),
        pytest.param({}, None, None, id="nothing said"),
    ],
)
def test_where_a_theme_is_looked_for(
    answers: dict[str, Value], theme: str | None, source: str | None
) -> None:
    """Declared reasons, then the texts in their order; and which answer told it is known."""
    told = FINDER.read(answers, "detractor")
    assert (told.theme, told.source) == (theme, source)


@pytest.mark.parametrize(
    ("segment", "comment", "pains", "strengths"),
    [
        pytest.param("promoter", "ce n'est pas cher", (), ("price",), id="a pain denied"),
        pytest.param("detractor", "ce n'est pas cher", (), ("price",), id="whatever the score"),
        pytest.param("promoter", "not expensive at all", (), ("price",), id="in English"),
        pytest.param("promoter", "le vendeur n'est pas aimable", ("service",), (), id="no praise"),
        pytest.param("promoter", "Hôtel très bien situé", (), ("other",), id="where it is"),
        pytest.param(
            "detractor", "Horaires d'ouverture pas adaptés", ("other",), (), id="when it is open"
        ),
        pytest.param("passive", "Satisfaite de vos services", (), (), id="all of what is offered"),
        pytest.param(
            "promoter", "tout est parfait, sauf la livraison", ("delivery",), (), id="except"
        ),
        pytest.param(
            "detractor",
            "Le prix, la chambre, tout était parfait",
            (),
            ("price", "product"),
            id="all",
        ),
        pytest.param("promoter", "La livraison.", (), ("delivery",), id="open, a promoter's"),
        pytest.param("passive", "La livraison.", ("delivery",), (), id="open, a passive's"),
        pytest.param("detractor", "La livraison.", ("delivery",), (), id="open, a detractor's"),
        pytest.param(
            "passive",
            "Livraison rapide mais livreur désagréable",
            ("delivery",),
            ("delivery",),
            id="one theme, both ways",
        ),
        pytest.param(
            "passive",
            "Jamais vu une livraison aussi lente",
            ("delivery",),
            (),
            id="never so is very",
        ),
        pytest.param(
            "passive", "not only expensive: the app crashes", ("product", "price"), (), id="only"
        ),
        pytest.param(
            "detractor", "les frais de livraison", ("price",), (), id="the longest phrase"
        ),
        pytest.param("detractor", "ce produit est trop cher", ("price",), (), id="what bears it"),
        pytest.param("detractor", "livrasion très en retrad", ("delivery",), (), id="typos"),
        pytest.param("detractor", "trooooop chèèèère", ("price",), (), id="lengthened"),
    ],
)
def test_a_theme_is_a_pain_or_a_strength(
    segment: Segment, comment: str, pains: tuple[str, ...], strengths: tuple[str, ...]
) -> None:
    """By the words with their negations; where they leave it open, by the score."""
    told = read(segment, comment=comment)
    assert (told.pains, told.strengths) == (pains, strengths)


def test_the_question_says_how_an_answer_feels() -> None:
    """What she liked least is a pain even of a promoter, and what she liked most a strength."""
    told = read("promoter", liked_least="le prix", improve="la livraison", liked_most="le service")
    assert (told.pains, told.strengths) == (("price", "delivery"), ("service",))
    assert read("detractor", liked_most="le service").strengths == ("service",)


@pytest.mark.parametrize(
    ("segment", "theme"),
    [("detractor", "delivery"), ("passive", "delivery"), ("promoter", "price"), (None, "delivery")],
)
def test_the_theme_is_the_reason_of_the_score(segment: Segment | None, theme: str) -> None:
    """A detractor's first pain, a promoter's first strength."""
    comment = "Prix imbattables, mais la livraison est lente"
    assert read(segment, comment=comment).theme == theme


def test_what_a_detractor_praises_is_not_her_reason() -> None:
    """Nobody apologises for a price that she finds fair, nor thanks for what a promoter bore."""
    told = read("detractor", comment="Ce n'est pas cher")
    assert (told.theme, told.confidence, told.strengths) == (None, None, ("price",))
    told = read("promoter", comment="C'est cher")
    assert (told.theme, told.pains) == (None, ("price",))


def test_the_theme_named_most_often_comes_first() -> None:
    """Two words about the staff weigh more than one about the price."""
    comment = "Cher, et surtout le vendeur est impoli et le conseiller absent"
    assert read(comment=comment).pains == ("service", "price")


@pytest.mark.parametrize(
    ("answers", "confidence"),
    [
        pytest.param({"reasons": ["prix"]}, 1.0, id="declared"),
        pytest.param({"comment": "La livraison."}, 0.5, id="one phrase, open"),
        pytest.param({"comment": "Livraison lente."}, 0.6, id="one phrase, clear"),
        pytest.param({"why": "Livraison lente."}, 0.7, id="asked why"),
        pytest.param({"comment": "Livraison lente, colis abîmé"}, 0.75, id="two phrases"),
        pytest.param({"comment": "Livraison lente. Livraison lente"}, 0.6, id="one phrase twice"),
        pytest.param(
            {"why": "Livraison lente, livreur impoli, transporteur nul, créneau raté"},
            1.0,
            id="four phrases count as three",
        ),
    ],
)
def test_how_sure_a_theme_is(answers: dict[str, Value], confidence: float) -> None:
    """By who told it, how many phrases, and whether they say how it feels."""
    assert FINDER.read(answers, "detractor").confidence == confidence


@pytest.mark.parametrize(
    ("entry", "comment", "found"),
    [
        pytest.param("livré", "les livres", True, id="a stem takes the whole family"),
        pytest.param("0 euros", "pour 49 euros", True, id="any number"),
        pytest.param("0 euros", "49,90 €", True, id="also with cents, and a sign"),
        pytest.param("0 euros", "des euros", False, id="no number"),
        pytest.param("5 étoiles", "5 étoiles", True, id="one number"),
        pytest.param("5 étoiles", "2 étoiles", False, id="another number"),
        pytest.param("=0 euros", "pour 49 euros", False, id="nought to the letter"),
        pytest.param("=livré", "Livré hier", True, id="to the letter, in any case"),
        pytest.param("=livré", "les livres", False, id="not its family"),
        pytest.param("=livré", "un livre", False, id="not without its accent"),
        pytest.param("=point relais", "au point relais", True, id="each word of a phrase"),
        pytest.param("=point relais", "aux points relais", False, id="to the letter, too"),
        pytest.param("paie * plus", "je paie plus", True, id="a gap of none"),
        pytest.param("paie * plus", "je paie dix euros de plus", True, id="a gap of three words"),
        pytest.param("paie * plus", "je paie dix euros et cinq de plus", False, id="not of more"),
        pytest.param("~lent", "lent", True, id="weak, alone and feeling something"),
        pytest.param("~lent", "caisse lente", False, id="weak, beside another theme"),
        pytest.param("livraison", "livrasion", True, id="two letters swapped"),
        pytest.param("livraison", "livraizon", True, id="a letter that sounds alike"),
        pytest.param("livraison", "livraion", True, id="a letter missing"),
        pytest.param("contente", "conteste", False, id="another word"),
        pytest.param("retard", "regard", False, id="another short word"),
    ],
)
def test_how_an_entry_is_meant(entry: str, comment: str, found: bool) -> None:
    """Stems, to the letter, gaps, weak words, typing mistakes."""
    themes = (ThemeRule(name="one", pains=(entry,)), ThemeRule(name="two", topics=("caisse",)))
    policy = POLICY.model_copy(update={"themes": themes, "feelings": Feelings()})
    told = ThemeFinder(policy).read({"comment": comment}, "detractor")
    assert ("one" in told.pains) is found


@pytest.mark.parametrize(
    ("segment", "comment", "pains", "strengths"),
    [
        pytest.param("detractor", "lent, puis lent", ("one",), (), id="a detractor means it"),
        pytest.param("promoter", "lent, puis lent", (), ("one",), id="a promoter, too"),
        pytest.param("passive", "lent, puis lent", (), (), id="who is indifferent may not"),
        pytest.param("detractor", "c'est lent là", (), (), id="one word is no reason"),
        pytest.param("detractor", "le lent est là", ("one",), (), id="but what it begins with is"),
        pytest.param("detractor", "le lent", (), (), id="if it says something of it"),
        pytest.param("passive", "le lent est là", (), (), id="who is indifferent does not, again"),
        pytest.param("detractor", "le lent, puis le vide", (), (), id="nor are two of two themes"),
        pytest.param(
            "detractor", "lent et vide, lent et vide", ("one",), (), id="the first of as many"
        ),
        pytest.param(
            "detractor", "le lent, le vide et le vide", ("two",), (), id="the one hinted most"
        ),
        pytest.param("detractor", "le lent à la caisse", ("two",), (), id="a theme named wins"),
        pytest.param("detractor", "un lent bureau", (), (), id="words meaning something else"),
    ],
)
def test_weak_words_hint_together_at_a_theme_where_nothing_names_one(
    segment: Segment, comment: str, pains: tuple[str, ...], strengths: tuple[str, ...]
) -> None:
    """Of whoever is far from indifferent; and how it feels the score says."""
    themes = (
        ThemeRule(name="one", topics=("~lent",)),
        ThemeRule(name="two", topics=("caisse", "~vide")),
    )
    feelings = Feelings(otherwise=("lent bureau",))
    policy = POLICY.model_copy(update={"themes": themes, "feelings": feelings})
    told = ThemeFinder(policy).read({"comment": comment}, segment)
    assert (told.pains, told.strengths) == (pains, strengths)


def test_a_word_set_aside_names_nothing_though_it_shares_a_stem() -> None:
    """`otherwise` takes a word from all rules of its length: "raison" is not "raisonnable"."""
    themes = (ThemeRule(name="one", praises=("raisonnable",)),)
    feelings = Feelings(otherwise=("=raison",))
    policy = POLICY.model_copy(update={"themes": themes, "feelings": feelings})
    finder = ThemeFinder(policy)
    assert finder.read({"comment": "pour cette raison"}, "promoter").strengths == ()
    assert finder.read({"comment": "un montant raisonnable"}, "promoter").strengths == ("one",)


@pytest.mark.parametrize(
    ("comment", "pains"),
    [
        pytest.param("une caisse en retard", ("two",), id="as it is"),
        pytest.param("le train est en retard", ("three",), id="in other company"),
        pytest.param("Le train ? En retard", ("three",), id="anywhere in the answer"),
        pytest.param("un retard de train et du colis", ("two",), id="unless"),
        pytest.param("le médecin est en retard", ("three",), id="the second fits"),
        pytest.param("le médecin du train est en retard", ("three",), id="the first that fits"),
        pytest.param("le facteur est grincheux", ("two",), id="a weak word"),
        pytest.param("le facteur est impoli", ("three",), id="a strong one stays"),
    ],
)
def test_what_a_theme_means_in_company(comment: str, pains: tuple[str, ...]) -> None:
    """What else is named in an answer says whose lateness it is."""
    readings = (
        Reading(means="three", where=("train",), unless=("colis",)),
        Reading(means="three", where=("médecin",)),
    )
    courier = Reading(means="two", weak=True, where=("facteur",))
    themes = (
        ThemeRule(name="two", pains=("retard",), readings=readings),
        ThemeRule(name="three", pains=("~grincheux", "impoli"), readings=(courier,)),
    )
    policy = POLICY.model_copy(update={"themes": themes, "feelings": Feelings()})
    assert ThemeFinder(policy).read({"comment": comment}, "detractor").pains == pains


def test_a_reading_means_another_theme_of_these() -> None:
    """A theme that nobody has, or the very same, is refused by name."""
    rule = {"name": "one", "readings": [{"means": "one", "where": ["train"]}]}
    with pytest.raises(ValidationError, match="a reading of one means one: name another theme"):
        TypeAdapter(Themes).validate_python([rule])


@pytest.mark.parametrize(
    ("comment", "pains"),
    [
        pytest.param("je travaille dans une caisse en retard", (), id="her own work"),
        pytest.param("je travaille dans une caisse, en retard", ("two",), id="her part only"),
        pytest.param("je travaille dans une caisse mais retard", ("two",), id="up to a but"),
    ],
)
def test_what_is_said_aside_is_about_something_else(comment: str, pains: tuple[str, ...]) -> None:
    """The part of a sentence in which it stands tells nothing."""
    themes = (ThemeRule(name="two", pains=("retard",)),)
    feelings = Feelings(asides=("je travaille dans",))
    policy = POLICY.model_copy(update={"themes": themes, "feelings": feelings})
    assert ThemeFinder(policy).read({"comment": comment}, "detractor").pains == pains


@pytest.mark.parametrize(
    ("answers", "pains"),
    [
        pytest.param({"comment": "J'en vois la caisse. Retard"}, ("two",), id="in passing"),
        pytest.param({"comment": "La caisse, la caisse. Retard"}, ("one", "two"), id="twice"),
        pytest.param({"comment": "La caisse est là. Rien"}, ("one",), id="nothing else"),
        pytest.param({"improve": "La caisse. Retard"}, ("one", "two"), id="asked for it"),
    ],
)
def test_a_theme_named_in_passing_is_not_told_beside_one_that_is_felt(
    answers: dict[str, Value], pains: tuple[str, ...]
) -> None:
    """Once and openly is in passing, but not in answer to a question for it."""
    themes = (ThemeRule(name="one", topics=("caisse",)), ThemeRule(name="two", pains=("retard",)))
    policy = POLICY.model_copy(update={"themes": themes, "feelings": Feelings()})
    assert ThemeFinder(policy).read(answers, "detractor").pains == pains


def test_a_currency_sign_is_a_word() -> None:
    """An amount is written with a sign more often than with the word."""
    assert read(comment="une option à 4 € sur mon relevé").pains == ("price",)
    assert read(comment="a £4 add-on I know nothing about").pains == ("price",)


_EVERYDAY = """
    pendant faire vu su connais utiliser pays heureusement simplement livre livres attentes
    attention équipé conseille personne personnes client monde maison travail chose place point
    partie question numéro adresse magasin boutique banque regard bonjour cordialement sur sous
    mois jour semaine année heure minute matin soir reste trouve donne passe demande appliquer
    wife friend use used came thought tell put help show set understand watch speak win pull
    charger book read work people person house place thing month hour morning experience review
    customer family children money's right left open run live move turn house card letter number
"""


@pytest.mark.parametrize("word", _EVERYDAY.split())
def test_an_everyday_word_names_nothing(word: str) -> None:
    """A stem that it shares by chance with a word of the rules must be written with `=`."""
    assert read(comment=word) == Told()


def test_stems_are_found_by_the_compiled_library() -> None:
    """Without PyStemmer beside it, snowballstemmer silently takes some 300 times as long."""
    assert {type(one).__module__ for one in vars(Stems())["_stemmers"]} == {"Stemmer"}
