"""The closed vocabulary of the audit record: what may be written, and by which service. Pure.

An action that ends in `_asked` was written before its effect: that comes by the bus, or in many
transactions. Every other one was written in the transaction of the change that it names.
"""

from typing import Final, Literal, get_args

Service = Literal["ingest", "segmenter", "dispatcher"]
SERVICES: Final[tuple[Service, ...]] = get_args(Service)

Action = Literal[
    "configuration.used",
    "secret.used",
    "secret.left",
    "quarantine.replay_asked",
    "source.remap_asked",
    "import.begun",
    "import.rows_told",
    "bodies.erase_asked",
    "bodies.export_asked",
    "customers.merged",
    "customer.unmerged",
    "erasure.asked",
    "customer.erased",
    "customer.exported",
    "case.open_asked",
    "case.resolve_asked",
    "case.reopen_asked",
    "policy.recompute_asked",
    "dead_letters.replay_asked",
    "target.paused",
    "target.resumed",
    "target.drained",
    "target.fields_accepted",
    "deliveries.redriven",
    "deliveries.released",
    "deliveries.cancelled",
    "delivery.settled",
    "profiles.redriven",
    "coupons.imported",
    "recipients.exported",
]
#: The product itself, at its start. No token can be called so.
STARTED: Final = "@start"
