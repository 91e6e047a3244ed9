"""Themes: the reason she gave, in French and English; unknown stays unknown."""

import pytest

from services.segmenter.policy.themes import ThemeRule
from services.segmenter.themes import ThemeFinder
from shared.events.vocabulary import Value
from tests.builders.facts import shipped_policy

FINDER = ThemeFinder(shipped_policy().value)

COMMENTS: list[tuple[str | None, str]] = [
    ("price", "Beaucoup trop cher pour ce que c'est."),
    ("price", "Les tarifs ont encore augmenté cette année"),
    ("price", "TROP CHÈRE !!!"),
    ("price", "c'est devenu hors de prix"),
    ("price", "J'ai reçu deux factures pour le même mois"),
    ("price", "Des frais cachés partout"),
    ("price", "Le rapport qualité-prix n'est plus là"),
    ("price", "L'abonnement coûte un bras"),
    ("price", "far too expensive for a family"),
    ("price", "Your prices went up twice in a year"),
    ("price", "I was charged twice"),
    ("price", "Poor value for money"),
    ("price", "Hidden fees on every bill"),
    ("price", "It's overpriced, honestly"),
    ("price", "a bit pricey"),
    ("delivery", "Livraison en retard de trois jours"),
    ("delivery", "Le colis n'est jamais arrivé"),
    ("delivery", "le livreur a laissé le paquet chez le voisin"),
    ("delivery", "toujours pas livrée après deux semaines"),
    ("delivery", "Le transporteur a perdu ma commande"),
    ("delivery", "créneau de passage non respecté"),
    ("delivery", "The parcel never arrived"),
    ("delivery", "Delivered to the wrong address"),
    ("delivery", "my order was delayed for a week"),
    ("delivery", "shipping took ages"),
    ("delivery", "The courier threw the box over the fence"),
    ("delivery", "Ce n'est pas cher, mais la livraison est lente"),
    ("delivery", "Not expensive but the delivery was a mess"),
    ("product", "L'article est arrivé cassé"),
    ("product", "La qualité du tissu laisse à désirer"),
    ("product", "l'application plante sans arrêt"),
    ("product", "La chambre était bruyante"),
    ("product", "Batterie morte au bout d'un mois"),
    ("product", "tombé en panne le premier jour"),
    ("product", "The zip broke after two days"),
    ("product", "Quality is not what it used to be"),
    ("product", "the app keeps crashing"),
    ("product", "it stopped working within a week"),
    ("product", "Screen was damaged out of the box"),
    ("product", "missing features compared to last year"),
    ("service", "Le service client est injoignable"),
    ("service", "Une heure d'attente au téléphone"),
    ("service", "Vendeuse désagréable"),
    ("service", "toujours pas remboursée"),
    ("service", "Ma réclamation est restée sans réponse"),
    ("service", "l'équipe a été à l'écoute, merci"),
    ("service", "un conseiller impoli"),
    ("service", "Customer service kept me on hold"),
    ("service", "The staff were rude"),
    ("service", "I'm still waiting for my refund"),
    ("service", "nobody ever called: no reply at all"),
    ("service", "Your support team ignored three mails"),
    ("price", "L'abonnement a augmenté sans prévenir"),
    ("price", "Débitée deux fois"),
    ("delivery", "Livrée à la mauvaise adresse"),
    ("service", "Service après-vente aux abonnés absents"),
    ("service", "Un temps d'attente infini"),
    ("product", "L'appli ne s'ouvre plus"),
    (None, "ne suis plus abonné"),
    (None, "Un livre passionnant"),
    (None, "Je vous conseille à tous mes amis"),
    (None, "Toujours à la hauteur de mes attentes"),
    (None, "Facile à monter, bien équipé"),
    (None, "Les légumes ne sont pas toujours frais"),
    (None, "My charger and I are happy"),
    (None, "RAS"),
    (None, "Rien à signaler, continuez comme ça"),
    (None, "Très bien"),
    (None, "pas cher du tout !"),
    (None, "ce n'est vraiment pas cher"),
    (None, "not at all expensive"),
    (None, "It isn't expensive"),
    (None, "sans aucun retard"),
    (None, "I love it"),
    (None, "👍👍"),
    (None, "..."),
    (None, "12345"),
]


@pytest.mark.parametrize(("theme", "comment"), COMMENTS, ids=[text for _, text in COMMENTS])
def test_a_comment_names_its_theme(theme: str | None, comment: str) -> None:
    """Accents, capitals and endings do not matter; a negated complaint is none."""
    assert FINDER.find({"comment": comment}) == theme


@pytest.mark.parametrize(
    ("answers", "theme"),
    [
        pytest.param(
            {"reasons": ["Livraison"], "comment": "Trop cher"}, "delivery", id="declared first"
        ),
        pytest.param({"reasons": "TOO EXPENSIVE"}, "price", id="one reason as a text"),
        pytest.param({"reasons": ["?", "Service client"]}, "service", id="the first known reason"),
        pytest.param({"reasons": ["Autre"]}, "other", id="something else, by her own choice"),
        pytest.param(
            {"reasons": ["?"], "comment": "Trop cher"}, "price", id="an unknown reason, then a text"
        ),
        pytest.param(
            {"liked_least": "les délais de livraison", "comment": "Trop cher"},
            "delivery",
            id="what she liked least before the comment",
        ),
        pytest.param({"comment": None}, None, id="a comment taken back"),
        pytest.param({"comment": 7}, None, id="a number for a comment"),
        pytest.param({}, None, id="nothing said"),
    ],
)
def test_where_a_theme_is_looked_for(answers: dict[str, Value], theme: str | None) -> None:
    """Declared reasons, then the texts in their order."""
    assert FINDER.find(answers) == theme


def test_the_theme_named_most_often_wins() -> None:
    """Two words about the staff weigh more than one about the price."""
    comment = "Cher, mais surtout le vendeur est impoli et le conseiller absent"
    assert FINDER.find({"comment": comment}) == "service"


@pytest.mark.parametrize(
    ("entry", "comment", "found"),
    [
        pytest.param("livré", "les livres", True, id="a stem takes the whole family"),
        pytest.param("=livré", "Livré hier", True, id="to the letter, in any case"),
        pytest.param("=livré", "les livres", False, id="not its family"),
        pytest.param("=livré", "un livre", False, id="not without its accent"),
        pytest.param("=point relais", "au point relais", True, id="each word of a phrase"),
        pytest.param("=point relais", "aux points relais", False, id="to the letter, too"),
    ],
)
def test_an_entry_marked_exact_means_itself(entry: str, comment: str, found: bool) -> None:
    """Words that share a stem by chance are kept apart by `=`."""
    policy = shipped_policy().value.model_copy(
        update={"themes": (ThemeRule(name="one", topics=(entry,)),)}
    )
    assert (ThemeFinder(policy).find({"comment": comment}) == "one") is found
