"""The requests that the load is made of: signed as a survey tool signs them, each its own answer.

In: a shape, a number, the source's secret. Out: the bytes of one HTTP/1.1 request, keep-alive.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

from services.ingest.examples import Answer, SignedRequest, shop, typeform

#: The first body is 731 bytes: the size that the project's measurements so far were made with.
_COMMENT: Final = (
    "La livraison est arrivée avec deux jours de retard et le carton était ouvert, mais la "
    "conseillère a tout de suite proposé un échange et rappelé le lendemain pour savoir si le "
    "nouveau colis allait bien. Il faudrait seulement prévenir avant, par message, quand un retard "
    "est connu, plutôt que de laisser attendre toute la journée sans aucune nouvelle du tout."
    " Merci encore à toute la petite équipe du magasin de Nantes"
)


def answer(number: int, moment: datetime) -> Answer:
    """Make one customer's whole answer; it fills twelve mapped fields."""
    return Answer(
        response_id=f"R-{number:010d}",
        score=number % 11,
        comment=_COMMENT,
        email=f"client.{number:08d}@example.com",
        external_id=f"C-{number:08d}",
        language="fr",
        answered_at=moment,
        updated_at=moment,
        hidden={"first_name": "Camille", "last_name": "Durand", "plan": "premium"},
    )


#: Flat JSON with the signature in hex, and a tool's nested JSON with answers found by their ref.
SHAPES: Final[Mapping[str, Callable[[Answer, str], SignedRequest]]] = {
    "shop": lambda one, secret: shop(one, secret=secret),
    "typeform": lambda one, secret: typeform(one, secret=secret),
}


def wire(request: SignedRequest) -> bytes:
    """Write a request as it leaves a keep-alive connection."""
    lines = [
        f"POST {request.path} HTTP/1.1",
        "Host: bench.example",
        "User-Agent: survey-tool/1.0",
        "Accept: */*",
        *(f"{name}: {value}" for name, value in request.headers.items()),
        f"Content-Length: {len(request.body)}",
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + request.body


def signed(shape: str, one: Answer, secret: str) -> bytes:
    """Write an answer as one request of a shape."""
    return wire(SHAPES[shape](one, secret))


def requests(shape: str, secret: str, moment: datetime, numbers: Iterable[int]) -> list[bytes]:
    """Make a different request for every number."""
    return [signed(shape, answer(number, moment), secret) for number in numbers]
