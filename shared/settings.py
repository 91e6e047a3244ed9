"""Settings of a process, YAML files of the product, and secrets by reference.

In: environment variables `NPS_…`, the folder of YAML files, references `env:NAME` / `file:/path`.
Out: frozen values, or `ConfigError` that names file, line and fix. Secrets are never printed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared import identifiers
from shared.errors import ConfigError

#: Where the key is that makes bus keys, and signs links to unsubscribe.
ROUTE_KEY: Final = "env:NPS_ROUTE_SECRET"
#: Where the password is that Kafka asks for.
KAFKA_PASSWORD: Final = "env:NPS_SECRET_KAFKA"  # noqa: S105 - where it is
#: Where a secret is: an environment variable, or a file whose content (trimmed) it is.
_SECRET_REF: Final = r"^(env:[A-Z][A-Z0-9_]*|file:.+)$"  # noqa: S105 - where one is
SecretRef = Annotated[str, Field(pattern=_SECRET_REF)]


class Misplaced(ValueError):
    """Raised by the validator of a whole that knows which part is wrong: its line is told."""

    def __init__(self, fix: str, *place: int | str) -> None:
        super().__init__(fix)
        self.place = place


class Strict(BaseModel):
    """Base of every configuration value: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Settings(BaseSettings):
    """What differs from one installation to the next; README has the same list as a table."""

    model_config = SettingsConfigDict(env_prefix="NPS_", frozen=True, extra="ignore")

    database_url: str = Field(
        default="",
        description="PostgreSQL, as postgresql+asyncpg://user:password@host:5432/name",
    )
    bus: Literal["postgres", "kafka"] = Field(
        default="postgres", description="`postgres` for one process, `kafka` for production"
    )
    kafka_bootstrap_servers: str = Field(default="", description="host:port, comma separated")
    kafka_topic_prefix: str = Field(default="", description="put before every topic and group name")
    kafka_partitions: int = Field(default=12, ge=1, description="per topic; chosen once")
    kafka_replication: int = Field(default=1, ge=1, description="copies of each partition")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT",
        description="how brokers are spoken to: `SSL` is TLS, `SASL_` signs in; `SASL_SSL` does "
        "both, `PLAINTEXT` neither",
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="how the password is shown, with `SASL_`"
    )
    kafka_sasl_user: str = Field(default="", description="who signs in, with `SASL_`")
    kafka_sasl_password: SecretRef = Field(
        default=KAFKA_PASSWORD, description="reference to the password, with `SASL_`"
    )
    kafka_tls_ca: Path | None = Field(
        default=None,
        description="file (PEM) of the authorities that sign the brokers' certificates; none: "
        "those of the system",
    )
    kafka_tls_certificate: Path | None = Field(
        default=None, description="file (PEM) of our own certificate, where brokers ask for one"
    )
    kafka_tls_key: Path | None = Field(
        default=None, description="file (PEM) of its key, without a password"
    )
    kafka_tls_check_hostname: bool = Field(
        default=True, description="whether a broker's certificate must name the host we called"
    )
    config: Path = Field(
        default=Path("deploy/config"),
        description="folder with sources, policy, playbook, targets and access .yaml",
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8080, ge=0, le=65535, description="port to listen on")
    max_connections: int = Field(
        default=4096, ge=16, description="of clients at a time; further ones are answered 503"
    )
    drain_s: float = Field(
        default=0.0,
        ge=0,
        le=120,
        description="seconds between not ready and the closed door when told to stop: as long as a "
        "balancer takes to notice",
    )
    trusted_proxies: str = Field(
        default="",
        description="networks whose `X-Forwarded-For` and `-Proto` are believed, comma separated",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="JSON lines on standard error"
    )
    traces: Literal["off", "otlp"] = Field(
        default="off",
        description="`otlp`: traces by OpenTelemetry, to where `OTEL_EXPORTER_OTLP_ENDPOINT` says",
    )

    default_region: str = Field(
        default="",
        description="country whose national telephone numbers are understood, such as FR; none: "
        "only international ones. The same for all processes",
    )
    plus_addresses: str = Field(
        default="keep",
        description="`ignore`: ana+shop@example.com is ana@example.com; `keep`: two addresses; or "
        "the domains where to ignore it, comma separated. The same for all processes",
    )
    route_key: SecretRef = Field(
        default=ROUTE_KEY,
        description="reference to the secret that makes bus keys and signs links to unsubscribe; "
        "the same for all processes",
    )

    @field_validator("default_region")
    @classmethod
    def _is_a_region(cls, region: str) -> str:
        identifiers.rules(region, "keep")
        return region

    @field_validator("plus_addresses")
    @classmethod
    def _is_a_plus_policy(cls, plus_addresses: str) -> str:
        identifiers.rules("", plus_addresses)
        return plus_addresses

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _has_port_numbers(cls, servers: str) -> str:
        for server in servers.split(",") if servers else ():
            _, colon, port = server.strip().rpartition(":")
            if colon and not (port.isascii() and port.isdigit()):
                raise ValueError("must be host:port, comma separated, each port a number")
        return servers

    @field_validator("kafka_tls_ca", "kafka_tls_certificate", "kafka_tls_key", mode="before")
    @classmethod
    def _is_a_file_or_nothing(cls, path: object) -> object:
        return path or None  # else an empty variable would be the working folder

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, proxies: str) -> str:
        for proxy in proxies.split(",") if proxies else ():
            try:
                ip_network(proxy.strip())
            except ValueError:
                raise ValueError(
                    "must be addresses or networks (10.0.0.0/8), comma separated"
                ) from None
        return proxies


class Secrets:
    """Resolves references. `environ` is passed in so that tests and `make run` bring their own."""

    def __init__(self, environ: Mapping[str, str], used: Mapping[str, str] | None = None) -> None:
        self._environ = environ
        self._used = dict(used or {})

    def copy(self) -> "Secrets":
        """Give the same secrets to a part: what it asks for is its own."""
        return type(self)(self._environ, self._used)

    def used(self) -> Mapping[str, str]:
        """Return all that was asked for so far, by reference: to be fingerprinted, never shown."""
        return dict(self._used)

    def get(self, reference: str) -> str:
        """Return the secret; raises `ConfigError` naming the reference, never a value."""
        kind, _, where = reference.partition(":")
        if kind == "env":
            value = self._environ.get(where, "")
        else:
            try:
                value = Path(where).read_text(encoding="utf-8")
            except OSError as error:
                raise ConfigError(f"secret {reference}: {error.strerror}") from None
            except UnicodeDecodeError:
                raise ConfigError(f"secret {reference}: not a text in UTF-8") from None
        if not value.strip():
            raise ConfigError(f"secret {reference} is empty or not set: set it, then start again")
        self._used[reference] = value.strip()
        return value.strip()


ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Loaded(Generic[ModelT]):
    """A configuration file as a value; `version` is the hash of its text, kept by decisions."""

    value: ModelT
    version: str
    text: str
    path: Path

    def told(self, location: Sequence[int | str], fix: str) -> str:
        """Say a problem that only shows after loading, as `file:line: key: fix`."""
        line = _line_of(_composed(self.text), location)
        return f"{self.path}:{line}: {'.'.join(map(str, location))}: {fix}"


def load_yaml(path: Path, model: type[ModelT]) -> Loaded[ModelT]:
    """Read one YAML file into its model. Raises `ConfigError` with `file:line: key: fix` lines."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: create it, or set NPS_CONFIG") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: not UTF-8: save it in that encoding") from None
    return read_yaml(text, path, model)


def read_yaml(text: str, path: Path, model: type[ModelT]) -> Loaded[ModelT]:
    """Read the text of one YAML file, as `load_yaml` does; `path` is what its lines name."""
    try:
        node = _composed(text)
        data = (_UniqueKeys("").construct_document(node) if node is not None else None) or {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 1
        raise ConfigError(f"{path}:{line}: {error.problem}: not valid YAML") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{path}:{line}: a control character: not valid YAML") from None
    try:
        value = model.model_validate(data)
    except ValidationError as error:
        # Anew: making values of it has put the keys of anchors among its own.
        node = _composed(text)
        told = [(_place_of(problem), fix_of(problem)) for problem in _innermost(error)]
        lines = [
            f"{path}:{_line_of(node, place)}: {'.'.join(map(str, place)) or 'file'}: {fix}"
            for place, fix in told
        ]
        raise ConfigError("\n".join(lines)) from None
    return Loaded(value=value, version=version_of(text), text=text, path=path)


def _composed(text: str) -> yaml.Node | None:
    """Parse a text: in C where the machine has it (a policy takes 0.03 s and not 0.3).

    What that refuses is read once more in Python, whose words about mistakes are ours.
    """
    try:
        return _compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return _compose(text, yaml.SafeLoader)


def _compose(text: str, loader: type[yaml.SafeLoader]) -> yaml.Node | None:
    found: yaml.Node | None = yaml.compose(text, Loader=loader)
    return found


def version_of(text: str) -> str:
    """Name the text of a configuration file by its hash."""
    return sha256(text.encode()).hexdigest()[:16]


def _innermost(error: ValidationError) -> list[Any]:
    """Leave out what only follows from a problem further in (a list is short of its bad item)."""
    problems = error.errors(include_input=False, include_url=False)
    places = [problem["loc"] for problem in problems]
    return [
        problem
        for problem in problems
        if not any(
            len(place) > len(problem["loc"]) and place[: len(problem["loc"])] == problem["loc"]
            for place in places
        )
    ]


def _place_of(problem: Mapping[str, Any]) -> tuple[int | str, ...]:
    """Return where a problem is: as far as pydantic knows it, and then as a validator does."""
    raised = problem.get("ctx", {}).get("error")
    place: tuple[int | str, ...] = problem["loc"]
    return (*place, *raised.place) if isinstance(raised, Misplaced) else place


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key given twice, for the last would silently win, and a key that is no text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    problem="a key must be a plain text (quote one with brackets or braces)",
                    problem_mark=key_node.start_mark,
                )
            if key_node.value in seen and key_node.value != "<<":
                raise yaml.constructor.ConstructorError(
                    problem=f"key {key_node.value!r} is given twice",
                    problem_mark=key_node.start_mark,
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def _line_of(node: yaml.Node | None, location: Sequence[int | str]) -> int:
    """Find the line of the deepest part of a pydantic location that the file really has."""
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                continue  # a discriminator's tag or a missing key: stay at the parent
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                break
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


_FIXES: Final = {
    "extra_forbidden": "unknown key: remove it or correct its spelling",
    "unexpected_keyword_argument": "unknown key: remove it or correct its spelling",
    "missing": "missing: add it",
    "model_type": "must hold keys of its own (`key: value`)",
    "dataclass_type": "must hold keys of its own (`key: value`)",
    "dict_type": "must hold keys of its own (`key: value`)",
    "tuple_type": "must be a list, as in [one, other]",
    "list_type": "must be a list, as in [one, other]",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    "string_type": "must be a text: write it in quotes",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be {ge} or more",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be {le} or less",
    "less_than": "must be less than {lt}",
    "union_tag_not_found": "missing: add {discriminator}",
    "union_tag_invalid": "{discriminator} must be one of {expected_tags}",
}


def fix_of(problem: Mapping[str, Any]) -> str:
    """Say a validation problem as the thing to do."""
    if fix := _FIXES.get(problem["type"]):
        return fix.format_map(problem["ctx"]) if "{" in fix else fix
    if problem.get("ctx", {}).get("pattern") == _SECRET_REF:
        return "a secret is given by reference: env:NAME, or file:/path"
    message: str = problem["msg"]
    return message.removeprefix("Value error, ")
