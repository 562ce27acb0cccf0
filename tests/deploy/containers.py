"""Containers as the chart and compose.yaml declare them, and a way to run one on a machine that has no containers."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess
from musicrec.local.free_port import free_port

SCRIPT = Path(__file__).with_name("container.sh")
NEW_MOUNTS = ("unshare", "--mount", "--propagation", "private")


ADDRESSES = {"MUSICREC_KAFKA__BOOTSTRAP_SERVERS", "MUSICREC_REDIS__URL"}


@dataclass(frozen=True, eq=False)
class Container:
    """What a manifest says of one container, in one form for both kinds of manifest."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    mounts: Mapping[str, bool]
    """Path to whether it may be written to."""
    user: str
    read_only: bool
    port: int | None = None
    """That its probes ask."""
    paths: tuple[str, ...] = ()
    """Those that its probes ask for."""


@dataclass(frozen=True)
class Image:
    """What a container finds there before it starts."""

    environment: Mapping[str, str]
    folders: Mapping[str, Path]
    """Where they lie on this machine, by the place where a container sees them."""
    known: tuple[str, ...]
    """Folders of this machine that it sees below their own names."""


def of_pod(kind: Mapping[str, Any], secrets: Mapping[str, str]) -> Container:
    """Read the container of a workload's pod template.

    Args:
        kind: StatefulSet, Deployment or Job.
        secrets: value by "SECRET/KEY".
    """
    pod = kind["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    probes = [container[name]["httpGet"] for name in container if name.endswith("Probe")]
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
    (port,) = {ports[probe["port"]] for probe in probes} or {None}
    return Container(
        name=container["name"],
        command=(*container["command"], *container.get("args", ())),
        environment={v["name"]: _value(v, f"{kind['metadata']['name']}-0", secrets) for v in container["env"]},
        mounts={mount["mountPath"]: not mount.get("readOnly", False) for mount in container["volumeMounts"]},
        user=str(pod["securityContext"]["runAsUser"]),
        read_only=container["securityContext"]["readOnlyRootFilesystem"],
        port=port,
        paths=tuple(sorted({probe["path"] for probe in probes})),
    )


def _value(variable: Mapping[str, Any], pod: str, secrets: Mapping[str, str]) -> str:
    if "value" in variable:
        value = variable["value"]
        assert isinstance(value, str), f"{variable['name']} is {value!r}, and Kubernetes takes strings alone"
        return value
    source = variable["valueFrom"]
    if "fieldRef" in source:
        assert source["fieldRef"]["fieldPath"] == "metadata.name"
        return pod
    reference = source["secretKeyRef"]
    return secrets[f"{reference['name']}/{reference['key']}"]


def of_compose(name: str, service: Mapping[str, Any]) -> Container:
    """Read a service of what `docker compose config` makes of compose.yaml."""
    probe = " ".join(service.get("healthcheck", {}).get("test", ()))
    asked = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", probe)
    writable = {path.partition(":")[0]: True for path in service.get("tmpfs", ())}
    volumes = {volume["target"]: not volume.get("read_only", False) for volume in service.get("volumes", ())}
    return Container(
        name=name,
        command=tuple(service["command"]),
        environment=dict(service["environment"]),
        mounts=writable | volumes,
        user=service["user"].partition(":")[0],
        read_only=service["read_only"],
        port=int(asked[1]) if asked else None,
        paths=(asked[2],) if asked else (),
    )


def on_these_servers(container: Container, stack: StackAddresses, port: int = 0) -> Container:
    """Put the addresses of the servers that are here in the place of those that the manifest names, no more."""
    here = {name: value for name, value in stack.environment().items() if name in ADDRESSES}
    ours = {name: here[name] for name in container.environment.keys() & here.keys()}
    # All pods have the same port; here they share a machine.
    ports = {name: str(port) for name in container.environment if name.endswith("__PORT")}
    return replace(container, environment={**container.environment, **ours, **ports})


def broker_properties(service: Mapping[str, Any], port: int, data: Path) -> dict[str, str]:
    """Return what Kafka's image makes of its variables, with this port in the place of 9092, free ones of others."""
    ports = {"9092": str(port), "9093": str(free_port()), "9094": str(free_port())}
    properties = {}
    for name, value in service["environment"].items():
        if name != "KAFKA_HEAP_OPTS":
            here = re.sub(r"\b909[234]\b", lambda found: ports[found[0]], value).replace("kafka:", "127.0.0.1:")
            properties[name.removeprefix("KAFKA_").lower().replace("_", ".")] = here
    return properties | {"log.dirs": str(data)}


def can_run() -> str | None:
    """Return why containers cannot be acted here; None where they can."""
    try:
        done = subprocess.run([*_namespace(), "true"], capture_output=True, text=True, timeout=30, check=False)
    except OSError as error:
        return f"unshare: {error}"
    return done.stderr.strip() if done.returncode else None


def _namespace() -> tuple[str, ...]:
    return NEW_MOUNTS if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user", *NEW_MOUNTS[1:])


def start(container: Container, folder: Path, image: Image, shared: Mapping[str, Path]) -> ChildProcess:
    """Start a container: read-only but for its mounts, without rights, with no variables but its own and the image's.

    Args:
        container: what to run.
        folder: for its root, its volumes and its log.
        image: what it is made from.
        shared: folders that stand for volumes, by path; others begin empty.
    """
    assert container.read_only
    root_here = os.geteuid() == 0
    (folder / "root").mkdir(parents=True)
    mounts = [f"ro:{place}:{path}" for path, place in image.folders.items()]
    for path, writable in container.mounts.items():
        place = shared.get(path, folder / "volumes" / path.strip("/").replace("/", "-"))
        place.mkdir(parents=True, exist_ok=True)
        if writable and root_here:  # as fsGroup does, and a new volume of docker
            for inside in (place, *place.rglob("*")):
                os.chown(inside, int(container.user), int(container.user))
        mounts.append(f"{'rw' if writable else 'ro'}:{place}:{path}")
    return ChildProcess.start(
        container.name,
        [
            *_namespace(),
            "sh",
            SCRIPT,
            folder / "root",
            container.user if root_here else "-",
            *mounts,
            "--",
            *image.known,
            "--",
            *(f"{name}={value}" for name, value in {**image.environment, **container.environment}.items()),
            *container.command,
        ],
        folder / f"{container.name}.log",
    )
