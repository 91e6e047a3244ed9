"""A platform whose answers follow a script of each customer and each delivery.

A word of a script is one answer: `200`; `500` and `reset` did nothing; `429` asks for less; `hang`
acted and did not answer; `lost` neither. After its last word everything works. Which script is
whose follows from its id, so a run can be repeated.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from services.dispatcher.calls.calls import Idempotency, Verdict
from tests.builders.carrier import OK, ScriptedCarrier

PUSHES: Final = ("200", "500 500 200", "reset 200", "hang 200", "429 hang 200", "lost 500 200")
ACTIONS: Final = (
    *["200"] * 12,
    "500 500 200",
    "reset 200",
    "hang 200",
    "lost 200",
    "429 hang 200",
    "500 lost 500 200",
)
_ANSWERS: Final = {
    "200": OK,
    "500": Verdict("retry", "HTTP 500"),
    "reset": Verdict("retry", "not connected"),
    "429": Verdict("throttle", "HTTP 429", wait=timedelta(seconds=1)),
    "hang": Verdict("in_doubt", "no answer"),
    "lost": Verdict("in_doubt", "no answer"),
}


@dataclass
class ScriptedPlatform:
    """One target's platform. `effects` counts what really happened per delivery.

    `keyed`: it recognises a repeated key. `early` names actions for a customer whose profile had
    not arrived yet.
    """

    name: str
    keyed: bool
    effects: Counter[UUID] = field(default_factory=Counter)
    early: list[UUID] = field(default_factory=list)
    _profiles: set[UUID] = field(default_factory=set)
    _tries: Counter[UUID] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.carrier = ScriptedCarrier(
            self.name,
            action_idempotency=Idempotency("key" if self.keyed else "none"),
            on_push=self._pushed,
            on_act=self._acted,
        )

    def _pushed(self, number: int) -> Verdict:
        customer = self.carrier.pushes[number - 1].customer_id
        word = self._word(customer, PUSHES)
        if word == "200":
            self._profiles.add(customer)
        return _ANSWERS[word]

    def _acted(self, number: int) -> Verdict:
        call = self.carrier.actions[number - 1]
        if call.customer_id not in self._profiles:
            self.early.append(call.delivery_id)
        word = self._word(call.delivery_id, ACTIONS)
        if word in {"200", "hang"} and not (self.keyed and self.effects[call.delivery_id]):
            self.effects[call.delivery_id] += 1
        return _ANSWERS[word]

    def _word(self, whose: UUID, scripts: tuple[str, ...]) -> str:
        script = scripts[whose.int % len(scripts)].split()
        at = self._tries[whose]
        self._tries[whose] += 1
        return script[at] if at < len(script) else "200"
