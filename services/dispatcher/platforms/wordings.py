"""The phrases of alerts, by language. Pure data; `words` composes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Language = Literal["en", "fr"]


@dataclass(frozen=True, slots=True)
class Wording:
    """One language. `terms` are our closed words; whatever is not there is the operator's own."""

    colon: str
    months: tuple[str, ...]
    moment: str
    before: str
    by: str
    corrected: str
    labels: Mapping[str, str]
    terms: Mapping[str, str]

    def of(self, term: object) -> str:
        """Say a word of ours; another one as it is, its underscores as blanks."""
        if term is None:
            return ""
        known = str(term)
        return self.terms.get(known) or " ".join(known.replace("_", " ").split())

    def line(self, label: str, said: str | None) -> str | None:
        """Write one line, its label before it; None where nothing is to be said."""
        if not said:
            return None
        named = self.labels.get(label, label)
        return f"{named[:1].upper()}{named[1:]}{self.colon}{said}"


WORDINGS: Final[Mapping[Language, Wording]] = {
    "en": Wording(
        colon=": ",
        months=(
            *("January", "February", "March", "April", "May", "June"),
            *("July", "August", "September", "October", "November", "December"),
        ),
        moment="{day} {month}, {clock}",
        before="{segment} before",
        by="{case}, to be called by {moment}",
        corrected="was {before}, is {now}",
        labels={
            "theme": "reason",
            "raised": "raised",
            "who": "customer",
            "comment": "comment",
            "case": "case",
            "page": "her page",
            "corrected": "corrected",
            "segments": "segments",
            "themes": "reasons",
            "state": "state is stale",
            "cases": "cases",
            "comments": "comments",
            "week_before": "the week before",
            "figure_after": "now",
            "figure_before": "before",
            "figure_apart": "difference",
            "figure_why": "why",
            "figure_page": "figures",
            "survey": "survey",
            "source": "source",
            "other_answer": "said in another answer, to the survey",
        },
        terms={
            "move_first": "first answer",
            "move_up": "up",
            "move_down": "down",
            "move_same": "as before",
            "move_lapsed": "silent for long",
            "move_churned": "she left",
            "call_me": "wants to be called",
            "none": "nothing",
            "digest": "{n} more: {action}, {begun} to {end}",
            "more": "… and {n} more",
            "running": "All running",
            "trouble": "Not running as it should",
            "counts": "Last {hours} h: alerts: {alerts}, answers: {answers}",
            "no": "none",
            "waiting": "Waiting for a person: {n}",
            "week": "Week of {first} to {last}",
            "week_score": "NPS {nps}, answers: {answers}",
            "week_silent": "no answers",
            "week_interval": "95 % between {low} and {high}",
            "week_few": "too few answers to conclude",
            "week_changed": "a real change",
            "week_cases": "opened {opened}, closed {resolved}, open now {open}",
            "figure_down": "NPS down from {before} to {after} ({alert})",
            "figure_up": "NPS up from {before} to {after} ({alert})",
            "figure_quiet": "Quiet again: NPS {after} ({alert})",
            "figure_period": "{first} to {last}, {score}",
            "figure_points": "{points}, {interval}",
            "figure_back": "the score is back at what it was before the change",
            "figure_late_answers": "answers that came late took the difference back",
            "figure_new_level": "so many periods at the new level: it is no news any more",
            "figure_too_few": "so many periods with too few answers: nothing can be said any more",
        },
    ),
    "fr": Wording(
        colon=" : ",
        months=(
            *("janvier", "février", "mars", "avril", "mai", "juin"),
            *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
        ),
        moment="{day} {month} à {clock}",
        before="{segment} avant",
        by="{case}, à rappeler avant le {moment}",
        corrected="était {before}, est {now}",
        labels={
            "theme": "motif",
            "raised": "à noter",
            "who": "client",
            "comment": "commentaire",
            "case": "dossier",
            "page": "sa fiche",
            "corrected": "correction",
            "segments": "segments",
            "themes": "motifs",
            "state": "données en retard",
            "cases": "dossiers",
            "comments": "commentaires",
            "week_before": "la semaine précédente",
            "figure_after": "maintenant",
            "figure_before": "avant",
            "figure_apart": "écart",
            "figure_why": "raison",
            "figure_page": "chiffres",
            "survey": "enquête",
            "source": "source",
            "other_answer": "dit dans une autre réponse, à l'enquête",
        },
        terms={
            "detractor": "détracteur",
            "passive": "neutre",
            "promoter": "promoteur",
            "price": "prix",
            "delivery": "livraison",
            "product": "produit",
            "other": "autre",
            "legal": "juridique",
            "safety": "sécurité",
            "abuse": "propos violents",
            "churn": "départ",
            "call_me": "demande à être rappelé",
            "move_first": "première réponse",
            "move_up": "en hausse",
            "move_down": "en baisse",
            "move_same": "stable",
            "move_lapsed": "sans réponse depuis longtemps",
            "move_churned": "parti",
            "internal_alert": "alerte interne",
            "escalation_alert": "alerte prioritaire",
            "none": "rien",
            "digest": "{n} de plus : {action}, du {begun} au {end}",
            "more": "… et {n} autres",
            "running": "Tout fonctionne",
            "trouble": "Quelque chose ne va pas",
            "counts": "Dernières {hours} h : alertes : {alerts}, réponses : {answers}",
            "no": "aucune",
            "waiting": "À traiter par une personne : {n}",
            "week": "Semaine du {first} au {last}",
            "week_score": "NPS {nps}, réponses : {answers}",
            "week_silent": "aucune réponse",
            "week_interval": "95 % entre {low} et {high}",
            "week_few": "trop peu de réponses pour conclure",
            "week_changed": "un vrai changement",
            "week_cases": "ouverts {opened}, clos {resolved}, en cours {open}",
            "figure_down": "NPS en baisse, de {before} à {after} ({alert})",
            "figure_up": "NPS en hausse, de {before} à {after} ({alert})",
            "figure_quiet": "Retour au calme : NPS {after} ({alert})",
            "figure_period": "du {first} au {last}, {score}",
            "figure_points": "{points}, {interval}",
            "figure_back": "le score est revenu à ce qu'il était avant le changement",
            "figure_late_answers": "des réponses arrivées tard ont effacé l'écart",
            "figure_new_level": "le nouveau niveau dure : ce n'est plus une nouvelle",
            "figure_too_few": "trop peu de réponses depuis : on ne peut plus rien en dire",
        },
    ),
}
