"""The page `docs/metrics.md`: every metric of the product, read from the meters themselves.

In: settings. Out: Markdown. Names, types, labels and meanings are the code's own; what the code
cannot say stands here: the values of each label, and how replicas are put together. With
`services.cli` and `services.schemas` a module that knows all services.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from services import schemas
from services.dispatcher.brakes.brakes import TARGET_STATES
from services.dispatcher.calls.calls import Outcome
from services.dispatcher.ledger.reason_kinds import KINDS
from services.dispatcher.metrics import Metrics as DispatcherMetrics
from services.dispatcher.platforms.findings import REASONS
from services.ingest.__main__ import build as build_ingest
from services.ingest.fetch.plan import Verdict
from services.ingest.fetch.sight import Fate
from services.ingest.keep.tombstones import Way
from services.segmenter.__main__ import build as build_segmenter
from services.segmenter.erase.waiting import WaitsFor
from shared.events.decisions import MoveKind
from shared.events.outcomes import DeliveryState, MessageState
from shared.events.vocabulary import ContactClass, Segment
from shared.http.limits import REFUSALS
from shared.meters import HostMeters
from shared.settings import Settings

_SUM: Final = "sum"
_MAX: Final = "max"
#: How the same gauge of several replicas becomes one number. `max`: each tells the same, of rows
#: that all share, or the worst counts. `sum`: each tells of its own.
GAUGES: Final[Mapping[str, str]] = {
    "nps_build_info": "count by (version)",
    "nps_bus_partitions_halted": _SUM,
    "nps_bus_waiting": _MAX,
    "nps_dispatcher_attention": _MAX,
    "nps_dispatcher_contacts_per_person_max": _MAX,
    "nps_dispatcher_coupons_free": "min",
    "nps_dispatcher_deletions_open": _MAX,
    "nps_dispatcher_lag_seconds": _MAX,
    "nps_dispatcher_lane_paused": _MAX,
    "nps_dispatcher_messages_asked_about": _MAX,
    "nps_dispatcher_notice_last_success_timestamp_seconds": _MAX,
    "nps_dispatcher_oldest_undelivered_seconds": _MAX,
    "nps_dispatcher_state_age_seconds": _MAX,
    "nps_dispatcher_state_stale": _MAX,
    "nps_dispatcher_target_failed_share": _MAX,
    "nps_dispatcher_target_failing": _MAX,
    "nps_dispatcher_target_preflight": _MAX,
    "nps_dispatcher_target_state": _MAX,
    "nps_http_connections": _SUM,
    "nps_ingest_bodies_waiting": _SUM,
    "nps_ingest_bus_away": _MAX,
    "nps_ingest_fetch_oldest_seconds": _MAX,
    "nps_ingest_fetch_paused": _MAX,
    "nps_ingest_fetch_waiting": _MAX,
    "nps_ingest_quarantine_messages": _MAX,
    "nps_ingest_quarantine_oldest_seconds": _MAX,
    "nps_ingest_spool_bytes": _MAX,
    "nps_ingest_spool_oldest_seconds": _MAX,
    "nps_ingest_spool_rows": _MAX,
    "nps_part_alive": "min",
    "nps_segmenter_erasure_oldest_seconds": _MAX,
    "nps_segmenter_figure_alerts_open": _MAX,
    "nps_segmenter_lag_seconds": _MAX,
    "nps_segmenter_sweep_age_seconds": _MAX,
    "nps_segmenter_timers_overdue_seconds": _MAX,
}

_TARGET: Final = "names of targets.yaml"
_SOURCE: Final = "names of sources.yaml"
_NOTICES: Final = ("digest", "heartbeat", "owner_week", "figure_alert")
_STATES: Final = get_args(DeliveryState)
#: The values of labels; where a metric is named, of its label alone. A text says where they come
#: from: the configuration, which bounds them.
_VALUES: Final[Mapping[str, str | Sequence[str]]] = {
    "alert": "names of policy.yaml's figure alerts",
    "brake": ("surge", "trial"),
    "contact_class": get_args(ContactClass),
    "digest": "names of policy.yaml's digests",
    "fate": get_args(Fate),
    "group": ("ingest", "segmenter", "dispatcher"),
    "kind": ("push", "action", "deletion", "status"),
    "limit": ("rows", "bytes", "age"),
    "message": tuple(one for one in get_args(MessageState) if one != "none"),
    "move": get_args(MoveKind),
    "outcome": get_args(Outcome),
    "part": ("ingest", "segmenter", "dispatcher", "sandbox"),
    "partition": "numbers of the topic's partitions",
    "play": "names of playbook.yaml",
    "pool": "names of playbook.yaml's coupon pools",
    "published": ("yes", "no"),
    "route": ("webhooks", "events", "unsubscribe"),
    "rule": "the holds that policy.yaml sets: its survey clocks, and complaint, contact_hold, "
    "marketing_rest, open_case",
    "secret": ("newest", "old"),
    "segment": (*get_args(Segment), "none"),
    "source": _SOURCE,
    "state": _STATES,
    "store": ("bodies", "quarantine", "spool", "fetches"),
    "target": _TARGET,
    "topic": ("nps.feedback", "nps.decisions", "nps.outcomes"),
    "type": "event types of asyncapi.json",
    "verdict": get_args(Verdict),
    "version": "the release",
    "waits_for": get_args(WaitsFor),
    "way": get_args(Way),
    "what": ("decision", "timer"),
    "nps_dispatcher_attention state": ("in_doubt", "parked"),
    "nps_dispatcher_call_seconds kind": ("push (deletions among them)", "action"),
    "nps_dispatcher_deliveries reason": KINDS,
    "nps_dispatcher_notice_last_success_timestamp_seconds kind": _NOTICES,
    "nps_dispatcher_notices kind": _NOTICES,
    "nps_dispatcher_notices state": ("accepted", "rejected", "expired", "waiting"),
    "nps_dispatcher_target_preflight reason": REASONS,
    "nps_dispatcher_target_state state": TARGET_STATES,
    "nps_http_refused reason": tuple(refusal.code for refusal in REFUSALS),
    "nps_ingest_bodies_dropped reason": ("queue_full", "refused", "erased"),
    "nps_ingest_requests outcome": (
        "accepted",
        "fetching",
        "ignored",
        "quarantined",
        "and codes of problems: unauthorized (a signature, token or source is wrong)",
        "undecodable",
        "too-large",
        "too-many",
        "unavailable",
        "internal",
        "failed",
        "…",
    ),
    "nps_ingest_requests source": f"{_SOURCE}, events, unsubscribe, unknown",
    "nps_segmenter_events fate": ("decided", "repeated"),
    "nps_segmenter_figure_alerts state": ("open", "quiet"),
    "nps_segmenter_kept_apart reason": ("person", "consent"),
}

_HEAD: Final = """\
# Metrics

Every process serves them at `/metrics` (Prometheus text). This page is made from the meters
themselves (`nps schema metrics`); a test holds it to the code. No label holds anything personal:
their values are words of the code, or names out of your configuration files, which bound them.

*Replicas*: `sum` adds up what each replica counted by itself; of counters and histograms always the
rates, as `sum by (…) (rate(…[5m]))`. `max` is for what every replica reads from rows that all
share, or where the worst counts: added up it would be counted once per replica. Each replica reads
such rows every few seconds to a minute, by an index, and never at a scrape. Beside these there are
the client's own `process_…` and `python_…`: `process_start_time_seconds` tells of restarts.
"""

_SERVICES: Final = ("ingest", "segmenter", "dispatcher")
_TYPES: Final = {"counter": "counter", "gauge": "gauge", "histogram": "histogram"}


class _Listing(CollectorRegistry):
    """A registry that remembers what was registered."""

    def __init__(self) -> None:
        super().__init__()
        self.collectors: list[Collector] = []

    def register(self, collector: Collector) -> None:
        super().register(collector)
        self.collectors.append(collector)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it is scraped; `name` without the endings of a histogram's samples."""

    name: str
    kind: str
    labels: tuple[str, ...]
    about: str
    services: tuple[str, ...]

    @property
    def family(self) -> str:
        """Its name as the meter has it: a counter's without `_total`."""
        return self.name.removesuffix("_total") if self.kind == "counter" else self.name

    @property
    def unit(self) -> str:
        """What a value is counted in."""
        if self.family.endswith("_timestamp_seconds"):
            return "seconds since 1970"
        for ending in ("seconds", "bytes"):
            if self.family.endswith(f"_{ending}"):
                return ending
        return "share (0 to 1)" if self.family.endswith("_share") else "count"

    @property
    def replicas(self) -> str:
        """How several replicas' values become one."""
        return GAUGES[self.name] if self.kind == "gauge" else _SUM

    def values(self, label: str) -> str:
        """Tell the values of a label."""
        found = _VALUES.get(f"{self.family} {label}", _VALUES.get(label))
        if found is None:
            raise KeyError(f"{self.name}: say the values of its label {label!r}")
        return found if isinstance(found, str) else ", ".join(found)


async def gather(settings: Settings) -> list[Metric]:
    """List all metrics, by name. Nothing is connected. Raises `ConfigError`."""
    found: dict[str, Metric] = {}
    for service in _SERVICES:
        for metric in _listed(await _registered(service, settings), service):
            known = found.get(metric.name)
            services = (*known.services, service) if known else (service,)
            found[metric.name] = Metric(
                metric.name, metric.kind, metric.labels, metric.about, services
            )
    return sorted(found.values(), key=lambda metric: metric.name)


async def page(settings: Settings) -> str:
    """Write the page. Raises `ConfigError`."""
    metrics = await gather(settings)
    parts = [_HEAD]
    every = [one for one in metrics if len(one.services) > 1]
    parts += ["\n## Every process\n", *_table(every)]
    for service in _SERVICES:
        own = [one for one in metrics if one.services == (service,)]
        parts += [f"\n## {service.capitalize()}\n", *_table(own)]
    return "\n".join(parts) + "\n"


async def _registered(service: str, settings: Settings) -> list[Collector]:
    """Build the meters of one service as its process does, with a spool, as on Kafka."""
    registry = _Listing()
    context = schemas.nowhere(settings, registry, bus="kafka")
    HostMeters(registry)
    if service == "dispatcher":  # it looks at its database when it is built
        DispatcherMetrics(registry)
        return registry.collectors
    part = await _BUILDS[service](context)
    await part.close()
    return registry.collectors


_BUILDS: Final = {"ingest": build_ingest, "segmenter": build_segmenter}


def _listed(collectors: Iterable[Any], service: str) -> Iterable[Metric]:
    for collector in collectors:
        for family in collector.describe():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            told = collector if hasattr(collector, "_labelnames") else family
            labels = tuple(told._labelnames)
            yield Metric(name, _TYPES[family.type], labels, family.documentation, (service,))


def _table(metrics: Iterable[Metric]) -> list[str]:
    lines = ["| metric | type | unit | what it says | labels | replicas |", "| --- " * 6 + "|"]
    for one in metrics:
        labels = "<br>".join(f"`{label}`: {one.values(label)}" for label in one.labels)
        cells = (f"`{one.name}`", one.kind, one.unit, one.about, labels, one.replicas)
        lines.append(f"| {' | '.join(cells)} |")
    return lines
