"""A Kubernetes API server of the tests' own: etcd and kube-apiserver, no nodes, no controllers.

Both are built once from the modules pinned in deploy/tools into .tools/, which takes some
ten minutes; so only `make apiserver` asks for it. On loopback, with a certificate of its own.
"""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.builders.charts import Document, tool
from tests.builders.ports import free_ports
from tests.builders.waiting import eventually

#: Whoever has it may do anything: nobody else can reach the server.
_TOKEN: Final = "of-the-tests"
#: The strictest Pod Security Standard: other pods are refused, what would make them is told of.
_RESTRICTED: Final = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/warn": "restricted",
}


class ApiServer:
    """A running server, asked as an administrator."""

    def __init__(self, client: httpx.AsyncClient, kubeconfig: Path) -> None:
        self._client = client
        self.kubeconfig = kubeconfig
        self._places: dict[tuple[str, str], tuple[str, bool]] = {}

    async def create(self, document: Document, *, dry_run: bool = True) -> httpx.Response:
        """Have a resource created, or only admitted; a field that is not known is refused."""
        metadata = document["metadata"]
        path = await self._path(document["apiVersion"], document["kind"], metadata.get("namespace"))
        asked = {"fieldValidation": "Strict", "fieldManager": "tests"}
        if dry_run:
            asked["dryRun"] = "All"
        return await self._client.post(path, params=asked, json=document)

    async def made(self, document: Document) -> None:
        """Create what must be there before something else can be tried."""
        answer = await self.create(document, dry_run=False)
        assert answer.status_code in (201, 409), answer.text

    async def namespace(self, name: str) -> None:
        """Make a namespace that takes pods of the `restricted` standard only."""
        await self.made(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "labels": _RESTRICTED},
            }
        )

    async def define(self, definitions: Sequence[Document]) -> None:
        """Install definitions of custom resources and wait until they are served."""
        for definition in definitions:
            await self.made(definition)
        for definition in definitions:
            spec = definition["spec"]
            for version in (v["name"] for v in spec["versions"] if v["served"]):
                path = f"/apis/{spec['group']}/{version}/{spec['names']['plural']}"

                async def served(path: str = path) -> bool:
                    return (await self._client.get(path)).status_code == 200

                await eventually(served, what=f"{path} is served")

    async def names(self, api_version: str, kind: str, namespace: str) -> set[str]:
        """List what there is of a kind."""
        answer = await self._client.get(await self._path(api_version, kind, namespace))
        answer.raise_for_status()
        return {item["metadata"]["name"] for item in answer.json()["items"]}

    async def _path(self, api_version: str, kind: str, namespace: str | None) -> str:
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        if (api_version, kind) not in self._places:
            answer = await self._client.get(root)
            answer.raise_for_status()
            for resource in answer.json()["resources"]:
                if "/" not in resource["name"]:
                    place = (resource["name"], resource["namespaced"])
                    self._places[api_version, resource["kind"]] = place
        plural, namespaced = self._places[api_version, kind]
        return f"{root}/namespaces/{namespace}/{plural}" if namespaced else f"{root}/{plural}"


@pytest.fixture(scope="session")
async def apiserver(
    tmp_path_factory: pytest.TempPathFactory, definitions: list[Document]
) -> AsyncIterator[ApiServer]:
    """Give a server that knows the operators' custom resources."""
    etcd, server = tool("etcd"), tool("kube-apiserver")
    folder = tmp_path_factory.mktemp("apiserver")
    store, peers, port = free_ports(3)
    _keys(folder)
    commands = (_etcd(etcd, folder, store, peers), _server(server, folder, store, port))
    children = [_started(command, folder) for command in commands]
    try:
        async with _asked(folder, port, children) as running:
            await running.define(definitions)
            yield running
    finally:
        for child in reversed(children):
            child.terminate()
            await asyncio.to_thread(child.wait)


def _started(command: Sequence[object], folder: Path) -> "subprocess.Popen[bytes]":
    with (folder / "log").open("ab") as log:
        words = [str(word) for word in command]
        return subprocess.Popen(words, stdout=log, stderr=log, cwd=folder)


def _keys(folder: Path) -> None:
    """Write the key that signs tokens of service accounts, and the one token there is."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (folder / "accounts.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    (folder / "tokens.csv").write_text(f'{_TOKEN},tests,tests,"system:masters"\n')


def _etcd(binary: Path, folder: Path, port: int, peers: int) -> list[object]:
    here, there = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peers}"
    return [
        binary,
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={here}",
        f"--advertise-client-urls={here}",
        f"--listen-peer-urls={there}",
        f"--initial-advertise-peer-urls={there}",
        f"--initial-cluster=default={there}",
        "--unsafe-no-fsync",
    ]


def _server(binary: Path, folder: Path, store: int, port: int) -> list[object]:
    accounts = folder / "accounts.pem"
    return [
        binary,
        f"--etcd-servers=http://127.0.0.1:{store}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={accounts}",
        f"--service-account-signing-key-file={accounts}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",
    ]


@asynccontextmanager
async def _asked(
    folder: Path, port: int, children: Sequence["subprocess.Popen[bytes]"]
) -> AsyncIterator[ApiServer]:
    """Wait until it is ready, and ask it by the certificate that it made for itself."""
    certificate, url = folder / "apiserver.crt", f"https://127.0.0.1:{port}"

    async def written() -> bool:
        for child in children:
            if child.poll() is not None:
                tail = (folder / "log").read_text(errors="replace")[-4000:]
                raise RuntimeError(f"etcd or kube-apiserver ended:\n{tail}")
        return (folder / "apiserver.key").exists()  # written after the certificate

    await eventually(written, within=120, what="the server's certificate")
    async with httpx.AsyncClient(
        base_url=url,
        headers={"Authorization": f"Bearer {_TOKEN}"},
        verify=ssl.create_default_context(cafile=str(certificate)),
        timeout=60,
    ) as client:

        async def ready() -> bool:
            await written()
            try:
                return (await client.get("/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(ready, within=120, what="the server is ready")
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(_kubeconfig(url, certificate)), encoding="utf-8")
        kubeconfig.chmod(0o600)  # else Helm warns
        yield ApiServer(client, kubeconfig)


def _kubeconfig(url: str, certificate: Path) -> dict[str, Any]:
    """Say to Kubernetes' own clients where it is and who asks."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "tests",
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
        "clusters": [
            {
                "name": "tests",
                "cluster": {"server": url, "certificate-authority": str(certificate)},
            }
        ],
        "users": [{"name": "tests", "user": {"token": _TOKEN}}],
    }
