"""What a value of a sample might be: score, e-mail, id, time, comment … with the reason. Pure.

In: one value with the words around it. Out: guesses for a person to judge; each says why, and how
sure it is (0 to 1). Nothing here maps anything.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from typing import Final

from services.ingest.mapper import values
from services.ingest.mapper.moments import DateOrder, parse
from services.ingest.mapper.values import Unreadable
from services.ingest.tryout.parts import parts_of
from services.ingest.tryout.seen import Seen
from shared import identifiers

#: Below it a guess is no more than a coincidence.
LEAST: Final = 0.3

_Guess = tuple[float, str] | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One guess: what field, where, why, how sure; `part` are the keys that take it of a text."""

    field: str
    path: str
    value: object
    reason: str
    confidence: float
    part: str = ""


def candidates(seen: Sequence[Seen]) -> list[Candidate]:
    """Guess what every value is; per field the surest first, and of equals the less deep."""
    found: list[tuple[int, Candidate]] = []
    for one in seen:
        for field, guess in _GUESSES.items():
            for part, keys in parts_of(one, field):
                told = guess(part)
                if told is not None and told[0] >= LEAST:
                    made = Candidate(field, one.path, part.value, told[1], told[0], keys)
                    found.append((one.at, made))
    order = list(_GUESSES)
    found.sort(key=lambda pair: (order.index(pair[1].field), -pair[1].confidence, pair[0]))
    return [candidate for _, candidate in found]


def _named(words: Mapping[str, float]) -> Callable[[str], tuple[float, str] | None]:
    """Make what looks for the surest of some names in the words of a key."""
    patterns = [(re.compile(rf"(?:^| )({name})(?:$| )"), sure) for name, sure in words.items()]

    def named(text: str) -> tuple[float, str] | None:
        found = [(sure, pattern.search(text)) for pattern, sure in patterns]
        return max(((sure, hit[1]) for sure, hit in found if hit), default=None)

    return named


_STAFF: Final = frozenset({"agent", "owner", "sender", "author", "support", "assignee", "manager"})


def _email(one: Seen) -> _Guess:
    if not isinstance(one.value, str) or identifiers.AS_SAID.email(one.value) is None:
        return None
    if one.words & _STAFF:
        return 0.3, "an e-mail address, but of your own people"
    if one.words & {"email", "mail", "courriel", "e"}:
        return 0.95, "an e-mail address under a key that says so"
    return 0.7, "an e-mail address"


def _phone(one: Seen) -> _Guess:
    said = one.words & {"phone", "tel", "telephone", "mobile", "msisdn", "whatsapp", "sms"}
    if not said or not isinstance(one.value, str | int) or isinstance(one.value, bool):
        return None
    return (0.9, "a phone number") if identifiers.AS_SAID.phone(str(one.value)) else None


_CUSTOMER: Final = _named(
    {
        "(?:customer|client|member|loyalty|crm) (?:id|number|ref|reference|key|no|num[eé]ro)": 0.9,
        "(?:user|contact|account|subscriber|profile) (?:id|number|ref|reference|key)": 0.8,
        "external (?:id|reference|data reference)": 0.85,
        "(?:customer|client) (?:code|external)": 0.8,
    }
)


def _external_id(one: Seen) -> _Guess:
    if not _is_id(one.value) or "@" in str(one.value):
        return None
    # Its own key says it (customer_id), or the one before does (customer: {id: …}).
    hit = _CUSTOMER(" ".join(one.keys)) or _CUSTOMER(one.last)
    return None if hit is None else (hit[0], "an id of the customer by its key")


_SCORE_KEY: Final = _named(
    {"nps": 0.9, "likelihood": 0.85, "score": 0.7, "rating": 0.6, "note": 0.45, "grade": 0.45}
)
_SCORE_ASKED: Final = re.compile(
    r"\bnps\b|recommend|recommand|empfehl|recomend|consigl|how likely|probab", re.IGNORECASE
)
_NOT_SCORE: Final = frozenset({"id", "count", "version", "number", "duration", "index", "total"})


def _score(one: Seen) -> _Guess:
    if not _is_score(one.value):
        return None
    told = [" ".join(one.keys), one.asked.replace("_", " ")]
    if any(_SCORE_ASKED.search(text) for text in told) and "id" not in one.last.split():
        return 0.95, "a whole number from 0 to 10 where the recommendation is asked"
    if one.words & _NOT_SCORE and not one.listed:
        return None
    hit = _SCORE_KEY(" ".join(one.keys)) or _SCORE_KEY(one.asked.lower())
    if hit is not None:
        return hit[0], f"a whole number from 0 to 10 at {hit[1]!r}"
    return (0.3, "a whole number from 0 to 10 among the answers") if one.listed else None


_COMMENT: Final = _named(
    {
        "comment": 0.95,
        "comments": 0.95,
        "commentaire": 0.95,
        "verbatim": 0.95,
        "feedback": 0.85,
        "reason": 0.9,
        "raison": 0.9,
        "why": 0.9,
        "pourquoi": 0.9,
        "(?:remark|remarque|avis)": 0.8,
        "open": 0.7,
        "explain": 0.8,
        "text": 0.5,
        "message": 0.5,
    }
)
_ABOUT: Final = frozenset(
    {"title", "label", "question", "name", "description", "placeholder", "subject", "agent", "url"}
)


_KEYS: Final = frozenset({"id", "type", "ref", "key", "code", "kind", "status", "email", "lang"})


def _comment(one: Seen) -> _Guess:
    text = one.value
    if not isinstance(text, str) or one.words & _ABOUT or one.last in _KEYS or _is_time(text):
        return None
    hits = [_COMMENT(" ".join(one.keys)), _COMMENT(plain_words(one.asked))]
    hit = max((found for found in hits if found), default=None)
    if " " not in text.strip():
        return (0.4, f"a text at {hit[1]!r}") if hit and hit[0] > 0.6 and text.strip() else None
    if hit is not None:
        return hit[0], f"a sentence at {hit[1]!r}"
    return (0.45, "a sentence") if len(text) >= 20 else None


def plain_words(text: str) -> str:
    """Fold a question to plain words."""
    return " ".join(re.findall(r"[a-zà-ÿ]+", text.lower()))


_RESPONSE: Final = _named(
    {
        "(?:response|reponse|réponse) (?:id|uid|uuid|guid|token)": 0.95,
        "(?:submission|answer|feedback|entry|reply|interview|resp) (?:id|uid|uuid|guid|token)": 0.9,
        "(?:submission|response|answer|feedback|entry|reply|interview|resp) "
        "(?:number|reference|ref|no|key)": 0.8,
        "(?:uid|uuid|guid)": 0.6,
        "token": 0.65,
    }
)


def _response_id(one: Seen) -> _Guess:
    if not _is_id(one.value) or one.listed:
        return None
    hit = _RESPONSE(" ".join(one.keys))
    if hit is not None:
        return hit[0], "an id of the answer by its key"
    if one.last == "id" and not one.words & {"survey", "form", "customer", "user", "contact"}:
        return max(0.6 - 0.1 * one.at, LEAST), "an id; of the message or the answer"
    if one.last in ("event id", "message id"):
        return 0.35, "an id of the message: each repeat may have another"
    return None


_SURVEY: Final = _named(
    {
        "(?:survey|form|questionnaire|poll|enquete|enquête) (?:id|uuid|key|code|slug)": 0.95,
        "(?:survey|form|questionnaire|poll|enquete|enquête)": 0.8,
        "(?:survey|form) (?:name|title)": 0.6,
        "(?:campaign|project|touchpoint) (?:id|key|code)": 0.5,
        "(?:campaign|touchpoint)": 0.4,
    }
)


def _survey(one: Seen) -> _Guess:
    if not _is_id(one.value) or one.listed or len(str(one.value)) > 128:
        return None
    own = _SURVEY(one.last)
    if own is None and one.last in ("id", "uuid", "key", "code", "slug", "name", "title"):
        own = _SURVEY(" ".join(one.keys))
    return None if own is None else (own[0], "names the survey by its key")


_WHEN: Final = _named(
    {
        "(?:answered|submitted|completed|finished|responded|ended|closed|recorded)": 0.9,
        "(?:submission|completion|response|answer|end) (?:date|time|at)": 0.9,
        "created": 0.7,
        "(?:date|time|timestamp|datetime|ts|when|horodatage)": 0.6,
        "(?:updated|modified|received)": 0.5,
        "(?:started|begun|start|sent)": 0.35,
    }
)
_CHANGED: Final = _named({"(?:updated|modified|changed)": 0.85, "(?:revision|version)": 0.4})


_OTHER_TIMES: Final = frozenset({"birth", "birthday", "expires", "expiry", "signup", "since"})
_TO_THE_SECOND: Final = re.compile(r"1[0-9]{9}(?:[0-9]{3})?|20[0-9]{2}-.*:[0-9]{2}.*")


def _answered_at(one: Seen) -> _Guess:
    if one.listed or one.words & _OTHER_TIMES or not _is_time(one.value):
        return None
    hit = _WHEN(one.last)
    if hit is not None:
        return hit[0], "a time by its key"
    return (0.4, "reads as a time") if _TO_THE_SECOND.fullmatch(str(one.value)) else None


def _revision(one: Seen) -> _Guess:
    hit = _CHANGED(one.last)
    if hit is None or one.listed or hit[0] < 0.5 or not _is_time(one.value):
        return None
    return hit[0], "a time of the last change"


def _language(one: Seen) -> _Guess:
    if not one.words & {"lang", "language", "locale", "langue"} or not isinstance(one.value, str):
        return None
    found = values.language(one.value)
    return (0.85, "a language by its key") if isinstance(found, str) else None


def _called(*names: str) -> Callable[[Seen], _Guess]:
    def guess(one: Seen) -> _Guess:
        if not isinstance(one.value, str) or not one.value.strip() or one.last not in names:
            return None
        return 0.8, f"a text at {one.last!r}"

    return guess


def _is_score(value: object) -> bool:
    with suppress(Unreadable):
        return isinstance(value, str | int | float) and isinstance(values.score(value), int)
    return False


def _is_id(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return False
    return bool(str(value).strip()) and len(str(value)) <= 256 and not str(value).count(" ") > 3


def _is_time(value: object) -> bool:
    if isinstance(value, bool):
        return False
    orders: tuple[DateOrder, ...] = ("day_first", "month_first")
    for order in orders:
        with suppress(Unreadable):
            # Other numbers read as seconds of the seventies.
            return parse(value, UTC, dates=order).year >= 2000
    return False


_GUESSES: Final[Mapping[str, Callable[[Seen], _Guess]]] = {
    "survey": _survey,
    "response_id": _response_id,
    "answered_at": _answered_at,
    "revision": _revision,
    "email": _email,
    "external_id": _external_id,
    "phone": _phone,
    "score": _score,
    "comment": _comment,
    "language": _language,
    "first_name": _called("first name", "firstname", "given name", "prenom", "prénom"),
    "last_name": _called("last name", "lastname", "surname", "family name", "nom"),
}


def best(found: Sequence[Candidate]) -> dict[str, Candidate]:
    """Choose: the surest of each field, and no value for two fields."""
    chosen: dict[str, Candidate] = {}
    taken: set[str] = set()
    for one in sorted(found, key=lambda candidate: -candidate.confidence):
        alone = one.field == "revision"  # the time of a change is often the only time
        if one.field not in chosen and (alone or one.path not in taken):
            chosen[one.field] = one
            if not alone:
                taken.add(one.path)
    return {field: chosen[field] for field in _GUESSES if field in chosen}


def foremost(found: Sequence[Candidate], most: int) -> Iterator[Candidate]:
    """List the candidates of each field, `most` of each."""
    count: dict[str, int] = {}
    for one in found:
        count[one.field] = count.get(one.field, 0) + 1
        if count[one.field] <= most:
            yield one
