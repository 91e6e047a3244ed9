"""An invented answer as the signed webhook its survey tool would send. Pure.

In: the answer, the secrets by source, the time. Out: path, headers and body. Answer times are
relative to `now`, so reactions are due whenever the demo runs; ids are not, so that a second run
tells the same answers again.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from services.demo.data import Post, Response, Source
from services.ingest.examples import (
    GENERIC,
    Answer,
    SignedRequest,
    formbricks,
    shop,
    typeform,
)
from services.ingest.verify.signatures import key_of, sign
from shared.errors import ConfigError

#: Where an instance keeps the secret of each source (deploy/config/sources.yaml).
SECRETS: Final[Mapping[Source, str]] = {
    "typeform-nps": "NPS_SECRET_TYPEFORM_NPS",
    "formbricks-nps": "NPS_SECRET_FORMBRICKS_NPS",
    "shop": "NPS_SECRET_SHOP",
}
#: A well-formed secret that no instance has.
_FORGERS: Final = "whsec_bm90IHRoZSBzZWNyZXQgb2YgYW55IGluc3RhbmNlISE="
#: Beyond the five minutes that Standard Webhooks tolerates.
_STALE: Final = timedelta(hours=1)


def secrets_of(environ: Mapping[str, str]) -> dict[Source, str]:
    """Find each source's secret; raises `ConfigError` naming what is missing."""
    missing = [name for name in SECRETS.values() if not environ.get(name)]
    if missing:
        raise ConfigError(
            f"{', '.join(missing)}: not set and not in the data folder: is the instance that "
            "`make run` started on this data folder running?"
        )
    return {source: environ[name] for source, name in SECRETS.items()}


def webhook(response: Response, secrets: Mapping[Source, str], now: datetime) -> SignedRequest:
    """Make the request of one answer, as its source sends and signs it at `now`."""
    answer = _answer(response, now)
    secret = secrets[response.source]
    if response.source == "typeform-nps":
        return typeform(answer, secret=secret)
    if response.source == "formbricks-nps":
        return formbricks(answer, secret=secret, now=now)
    return shop(answer, secret=secret)


def tampered(post: Post, secrets: Mapping[Source, str], now: datetime) -> SignedRequest:
    """Make the request of a special case, with whatever is wrong with it."""
    if post.tamper == "forged":
        return webhook(post.send, dict.fromkeys(secrets, _FORGERS), now)
    if post.tamper == "stale":
        return webhook(post.send, secrets, now - _STALE)
    if post.tamper == "cut":
        whole = shop(_answer(post.send, now), secret=secrets["shop"])
        half = whole.body[: len(whole.body) // 2]
        signed = sign(GENERIC, key_of(secrets["shop"], "plain"), half)
        return replace(whole, headers={**whole.headers, **signed}, body=half)
    request = webhook(post.send, secrets, now)
    if post.tamper == "unknown_source":
        return replace(request, path="/v1/webhooks/no-such-source")
    return request


def _answer(response: Response, now: datetime) -> Answer:
    when: datetime | str | None = response.answered_at
    if response.minutes_ago is not None:
        # Whole seconds, as most platforms send them.
        when = now.replace(microsecond=0) - timedelta(minutes=response.minutes_ago)
    hidden = {
        "first_name": response.first_name,
        "last_name": response.last_name,
        "title": response.title,
        "tone": response.tone,
        "consent_email": response.consent,
        "callback_requested": response.callback,
    }
    return Answer(
        response_id=response.id,
        score=response.score,
        comment=response.comment,
        email=response.email,
        language=response.language,
        answered_at=when,
        updated_at=when,
        hidden={name: value for name, value in hidden.items() if value is not None},
    )
