"""A broker that asks who is there: by a password under TLS, or by a certificate; and then allows
only what it was told to.

Beside that it has the plain listener of every broker of the tests, on which everything is allowed:
by it topics are made and rights given.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest

from tests.builders.authority import Authority
from tests.builders.brokers import JavaBroker
from tests.builders.ports import free_ports

#: Numbers of Kafka's protocol.
_KINDS: Final = {"topic": 2, "group": 3}
_OPERATIONS: Final = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10}
_LITERAL, _ALLOW = 3, 3
_PLAIN: Final = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule"


class SecuredBroker(JavaBroker):
    """`users` sign in with passwords at `signed_in`, with certificates of `authority` at `shown`.

    Its own certificate is for `localhost` alone. It knows SCRAM-SHA-512 and PLAIN only.
    """

    def __init__(self, folder: Path, users: Mapping[str, str]) -> None:
        super().__init__(folder)
        self.authority = Authority(folder / "authority")
        self.users = dict(users)
        signed_in, shown = free_ports(2)
        self.signed_in, self.shown = f"localhost:{signed_in}", f"localhost:{shown}"
        certificate, key = self.authority.signs("broker", "localhost")
        store = folder / "broker.pem"
        store.write_bytes(key.read_bytes() + certificate.read_bytes())
        passwords = " ".join(f'user_{name}="{password}"' for name, password in users.items())
        plain, listeners = self._config["listeners"], "SASL_SSL://{0},SSL://{1}"
        self._config |= {
            "listeners": f"{plain},{listeners.format(*self._at('127.0.0.1'))}",
            "advertised.listeners": (
                f"{self._config['advertised.listeners']},{listeners.format(*self._at('localhost'))}"
            ),
            "listener.security.protocol.map": (
                "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL"
            ),
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.name.sasl_ssl.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{_SCRAM} required;",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": f"{_PLAIN} required {passwords};",
            "listener.name.ssl.ssl.client.auth": "required",
            "listener.name.ssl.ssl.principal.mapping.rules": "RULE:^CN=([^,]+)$/$1/",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(store),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.ca),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS;User:admin",
        }
        self._formatting = [
            part
            for name, password in users.items()
            for part in ("--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]")
        ]

    def _at(self, host: str) -> tuple[str, str]:
        return tuple(  # type: ignore[return-value]
            f"{host}:{where.rpartition(':')[2]}" for where in (self.signed_in, self.shown)
        )

    async def allow(
        self, acls: Mapping[str, Mapping[str, Any]], topics: Sequence[str], prefix: str
    ) -> None:
        """Let each user `nps-<service>` do what `acls` says of its service, below a prefix."""
        for service, mine in acls.items():
            rights = [("group", mine["group"], "Read")]
            for topic in topics:
                rights += [("topic", topic, "Describe"), ("topic", topic, "DescribeConfigs")]
            rights += [("topic", topic, "Read") for topic in mine["reads"]]
            rights += [("topic", topic, "Write") for topic in mine["writes"]]
            await self.give(f"nps-{service}", rights, prefix)

    async def give(self, user: str, rights: Iterable[tuple[str, str, str]], prefix: str) -> None:
        """Give a user rights: (kind of resource, its name behind the prefix, what it may)."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        await admin.start()
        try:
            for kind, name, operation in rights:
                answer = await admin._send_request(
                    CreateAclsRequest(
                        _KINDS[kind],
                        f"{prefix}{name}",
                        _LITERAL,
                        f"User:{user}",
                        "*",
                        _OPERATIONS[operation],
                        _ALLOW,
                    )
                )
                assert not any(code for code, _ in answer.creation_responses), answer
        finally:
            await admin.close()
