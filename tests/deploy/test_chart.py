"""The Helm chart: what it renders is what Kubernetes takes, and what its values must not be is refused by name."""

import json
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from rendering import CHART, NEWEST, OLDEST, ROOT, VALUES, helm, of_kind, rendered, template

from musicrec.cli.settings import settings_document
from musicrec.settings import AgentSettings
from musicrec.topics import LISTENS, REQUESTS, SESSIONS, TRACKS
from streams.consumer_groups import consumer_group
from streams.faust_app import REBALANCE_TIMEOUT_S

ALL_VALUES = sorted(path.stem for path in VALUES.glob("*.yaml"))
WORKLOADS = ("StatefulSet", "Deployment", "Job")
CUSTOM = {"keda.sh/v1alpha1", "monitoring.coreos.com/v1"}
GROUPS = {"session": [LISTENS], "ranking": [SESSIONS, REQUESTS], "outcome": [SESSIONS], "embedder": [TRACKS]}


@pytest.mark.parametrize("values", ALL_VALUES)
def test_helm_finds_nothing_to_complain_of(values: str) -> None:
    done = helm("lint", CHART, "--strict", "--kube-version", NEWEST, "--values", VALUES / f"{values}.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("values", ALL_VALUES)
def test_every_object_is_what_kubernetes_takes(values: str, version: str) -> None:
    objects = rendered(values, version=version)
    ours = [thing for thing in objects if thing["apiVersion"] not in CUSTOM]
    assert len(ours) > 10
    for thing in ours:
        kubernetes_validate.validate(thing, version, strict=True)
    names = [(thing["kind"], thing["metadata"]["name"]) for thing in objects]
    assert len(names) == len(set(names))


def test_kubernetes_schemas_would_find_a_wrong_field() -> None:
    (job,) = of_kind(rendered("smallest"), "Job").values()
    job["spec"]["template"]["spec"]["containers"][0]["enviroment"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, NEWEST, strict=True)


def test_the_schema_knows_the_values_that_there_are_and_no_others() -> None:
    """The schema refuses all others, so what it misses could never be given."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert values.keys() | {"global"} == schema["properties"].keys()
    for worker, meant in schema["properties"]["workers"]["properties"].items():
        assert values["workers"][worker].keys() <= meant["properties"].keys()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("workers.sesion.replicas=2", "sesion"),
        ("workers.session.replicas=two", "/workers/session/replicas"),
        ("workers.session.replicas=-1", "/workers/session/replicas"),
        ("workers.ranking.autoscaling.minReplicas=0", "/workers/ranking/autoscaling/minReplicas"),
        ("topics.userPartitions=0", "/topics/userPartitions"),
        ("workers.re-embedder.autoscaling.enabled=true", "/workers/re-embedder/autoscaling/enabled"),
        ("kafka.bootstrapServers=kafka", "/kafka/bootstrapServers"),
        ("kafka.securityProtocol=TLS", "/kafka/securityProtocol"),
        ("kafka.password=hunter2", "password"),
        ("redis.url=redis://ada:hunter2@valkey:6379/0", "/redis/url"),
        ("env.MUSICREC_KAFKA__SASL_PASSWORD=hunter2", "MUSICREC_KAFKA__SASL_PASSWORD"),
        ("workers.session.env.MUSICREC_REDIS__URL=redis://:hunter2@valkey", "MUSICREC_REDIS__URL"),
        ("workers.session.env.MUSICREC_AGENT__INSTANCE_ID=one", "MUSICREC_AGENT__INSTANCE_ID"),
        ("registry.url=https://key:hunter2@registry", "/registry/url"),
        ("registry.schemaId=footer", "/registry/schemaId"),
        ("env.MUSICREC_REGISTRY__TOKEN=hunter2", "MUSICREC_REGISTRY__TOKEN"),
        ("services.web.port=0", "/services/web/port"),
        ("services.Web_2.enabled=true", "Web_2"),
        ('services.web.secretFiles=[{"secret": "tokens"}]', "/services/web/secretFiles/0"),
        ("services.web.env.MUSICREC_WEB__OPERATOR_TOKEN=hunter2", "MUSICREC_WEB__OPERATOR_TOKEN"),
        ("services.web.secretEnv.MUSICREC_WEB__OPERATOR_TOKEN=hunter2", "/services/web/secretEnv"),
        ("podSecurityContext.runAsNonRoot=false", "/podSecurityContext/runAsNonRoot"),
        ("securityContext.privileged=true", "/securityContext/privileged"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
        ("images.worker.digest=latest", "/images/worker/digest"),
        ("topics.replicationFactor=0", "/topics/replicationFactor"),
        ("monitoring.serviceMonitor.interval=fast", "/monitoring/serviceMonitor/interval"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(wrong: str, named: str) -> None:
    done = template("smallest", wrong)
    assert done.returncode != 0
    assert "don't meet the specifications of the schema" in done.stderr
    assert named in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("values", "sets", "said"),
    [
        (None, [], "kafka.bootstrapServers is needed"),
        (None, ["kafka.bootstrapServers=kafka:9092"], "redis.url or redis.existingSecret is needed"),
        ("smallest", ["kafka.securityProtocol=SASL_SSL"], "name a Secret in kafka.existingSecret"),
        ("smallest", ["workers.re-embedder.enabled=true"], "workers.re-embedder.weights.existingClaim is needed"),
        ("smallest", ["workers.embedder.weights.existingClaim=w"], "workers.embedder.weights.file is needed"),
        ("smallest", ["kafka.bootstrapServers=kafka:19092"], "networkPolicy.kafka.ports lacks 19092"),
        ("smallest", ["registry.schemaId=header"], "registry.schemaId header needs registry.url"),
        ("smallest", ["registry.url=http://registry:8080"], "networkPolicy.registry.ports lacks 8080"),
        ("smallest", ["registry.url=http://registry"], "networkPolicy.registry.ports lacks 80,"),
        (
            "smallest",
            [
                "keda.enabled=true",
                "workers.ranking.autoscaling.minReplicas=5",
                "workers.ranking.autoscaling.maxReplicas=4",
            ],
            "minReplicas 5 is above maxReplicas 4",
        ),
        ("smallest", ["workers.session.replicas=13"], "workers.session: 13 pods for topics.userPartitions 12"),
        ("smallest", ["workers.embedder.replicas=7"], "workers.embedder: 7 pods for topics.trackPartitions 6"),
        (
            "smallest",
            ["keda.enabled=true", "workers.ranking.autoscaling.maxReplicas=24"],
            "workers.ranking: 24 pods for topics.userPartitions 12",
        ),
    ],
)
def test_values_that_do_not_fit_together_are_refused_with_the_way_out(
    values: str | None, sets: list[str], said: str
) -> None:
    done = template(values, *sets)
    assert done.returncode != 0
    assert said in done.stderr


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield name, pod spec and container of every workload."""
    for name, workload in of_kind(objects, *WORKLOADS).items():
        spec = workload["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        yield name, spec, container


def variables(container: dict[str, Any]) -> dict[str, Any]:
    return {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in container["env"]}


@pytest.mark.parametrize("values", ALL_VALUES)
def test_every_pod_keeps_the_restricted_standard_and_has_its_share(values: str) -> None:
    """Source: Kubernetes, "Pod Security Standards", the profile Restricted."""
    for name, spec, container in pods(rendered(values)):
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"emptyDir", "persistentVolumeClaim", "secret"}
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}


@pytest.mark.parametrize("values", ALL_VALUES)
def test_a_secret_is_named_and_never_held(values: str) -> None:
    objects = rendered(values)
    assert of_kind(objects, "Secret") == {}
    secret = {
        line.split("`")[1] for line in settings_document().splitlines() if line.startswith("|") and "| secret |" in line
    }
    assert "MUSICREC_KAFKA__SASL_PASSWORD" in secret
    for _, _, container in pods(objects):
        held = {name for name, value in variables(container).items() if name in secret and isinstance(value, str)}
        assert held <= {"MUSICREC_REDIS__URL"}
        assert "@" not in str(variables(container).get("MUSICREC_REDIS__URL", ""))


@pytest.mark.parametrize("values", ALL_VALUES)
def test_every_variable_that_is_set_is_a_setting(values: str) -> None:
    known = settings_document()
    for name, _, container in pods(rendered(values)):
        for variable in variables(container):
            assert f"`{variable}`" in known or not variable.startswith("MUSICREC_"), f"{name}: {variable}"


def test_a_pod_is_the_member_of_its_name_and_may_stop_in_order() -> None:
    workers = of_kind(rendered("production"), "StatefulSet")
    assert workers.keys() == {f"m-musicrec-{agent}" for agent in GROUPS}
    for _, spec, container in pods(list(workers.values())):
        set_to = variables(container)
        assert set_to["MUSICREC_AGENT__INSTANCE_ID"] == {"fieldRef": {"fieldPath": "metadata.name"}}
        assert spec["terminationGracePeriodSeconds"] == float(set_to["MUSICREC_AGENT__STOP_DEADLINE_S"]) + 5
        # A worker that stands still for longer than these has ended itself, with the reason.
        liveness = container["livenessProbe"]
        assert liveness["periodSeconds"] * liveness["failureThreshold"] > 30
        assert float(set_to["MUSICREC_AGENT__SESSION_TIMEOUT_S"]) < REBALANCE_TIMEOUT_S


def test_the_stop_deadline_is_the_settings_own_by_default() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["stopDeadlineSeconds"] == AgentSettings().stop_deadline_s


def test_nearer_variables_win_over_farther_ones() -> None:
    found = {name: variables(container) for name, _, container in pods(rendered("production"))}
    assert found["m-musicrec-session"]["MUSICREC_SESSION__GAP_MS"] == "1800000"
    assert found["m-musicrec-ranking"]["MUSICREC_SESSION__GAP_MS"] == "2400000"


def test_an_operator_token_comes_from_a_secret() -> None:
    token = '{"MUSICREC_WEB__OPERATOR_TOKEN": {"secret": "operator", "key": "token"}}'
    done = template("smallest", f"services.web.secretEnv={token}")
    named = (
        "- name: MUSICREC_WEB__OPERATOR_TOKEN\n              valueFrom: {secretKeyRef: {name: operator, key: token}}"
    )
    assert done.stdout.count(named) == 1, done.stderr


def test_each_part_has_the_user_that_its_rights_are_given_to() -> None:
    for name, _, container in pods(rendered("production")):
        part = name.removeprefix("m-musicrec-").replace("tools", "operator")
        password = variables(container)["MUSICREC_KAFKA__SASL_PASSWORD"]
        assert password == {"secretKeyRef": {"name": f"kafka-{part}", "key": "password"}}
        if part in GROUPS:
            assert variables(container)["MUSICREC_REDIS__URL"] == {
                "secretKeyRef": {"name": f"redis-{part}", "key": "url"}
            }


def test_keda_scales_on_the_lag_of_what_the_group_reads() -> None:
    objects = rendered("production")
    scaled = of_kind(objects, "ScaledObject")
    workers = of_kind(objects, "StatefulSet")
    assert scaled.keys() == {f"m-musicrec-{agent}" for agent in GROUPS}
    for agent, topics in GROUPS.items():
        spec = scaled[f"m-musicrec-{agent}"]["spec"]
        assert spec["scaleTargetRef"]["name"] in workers
        # Who scales sets the number; one from here would undo it at every upgrade.
        assert "replicas" not in workers[spec["scaleTargetRef"]["name"]]["spec"]
        assert 1 <= spec["minReplicaCount"] <= spec["maxReplicaCount"] <= min(topic.partitions for topic in topics)
        assert [trigger["metadata"]["topic"] for trigger in spec["triggers"]] == [topic.name for topic in topics]
        for trigger in spec["triggers"]:
            assert trigger["type"] == "kafka"
            assert trigger["metadata"]["consumerGroup"] == consumer_group(agent)
            assert trigger["metadata"]["excludePersistentLag"] == "true"
            assert trigger["metadata"]["allowIdleConsumers"] == "false"
            assert trigger["metadata"]["offsetResetPolicy"] == "earliest"
            assert (trigger["metadata"]["sasl"], trigger["metadata"]["tls"]) == ("scram_sha512", "enable")
            assert int(trigger["metadata"]["lagThreshold"]) > int(trigger["metadata"]["activationLagThreshold"])
            # Metadata of a scaler are strings: KEDA refuses a number.
            assert all(isinstance(value, str) for value in trigger["metadata"].values())
            assert trigger["authenticationRef"]["name"] in of_kind(objects, "TriggerAuthentication")
        behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        # A group hands nothing of a pod that is gone to others before the session timeout.
        assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 10 * 30


def test_a_deployment_with_more_partitions_may_have_as_many_pods_as_it_has_partitions() -> None:
    objects = rendered("smallest", "topics.userPartitions=48", "workers.session.replicas=48")
    assert of_kind(objects, "StatefulSet")["m-musicrec-session"]["spec"]["replicas"] == 48
    (container,) = of_kind(objects, "Job")["m-musicrec-topics"]["spec"]["template"]["spec"]["containers"]
    assert "--user-partitions=48" in container["args"]


def test_what_the_chart_asks_for_is_what_the_table_of_topics_has() -> None:
    topics = yaml.safe_load((CHART / "values.yaml").read_text())["topics"]
    assert (topics["userPartitions"], topics["trackPartitions"]) == (LISTENS.partitions, TRACKS.partitions)


def test_every_selector_meets_the_pods_that_it_means() -> None:
    objects = rendered("production")
    pod_labels = {
        name: workload["spec"]["template"]["metadata"]["labels"]
        for name, workload in of_kind(objects, *WORKLOADS).items()
    }

    def meets(selector: dict[str, str]) -> set[str]:
        return {name for name, labels in pod_labels.items() if selector.items() <= labels.items()}

    for name, workload in of_kind(objects, "StatefulSet", "Deployment").items():
        assert meets(workload["spec"]["selector"]["matchLabels"]) == {name}
    for name, service in of_kind(objects, "Service").items():
        assert meets(service["spec"]["selector"]) == {name}
    for name, budget in of_kind(objects, "PodDisruptionBudget").items():
        assert meets(budget["spec"]["selector"]["matchLabels"]) == {name}
    (monitor,) = of_kind(objects, "ServiceMonitor").values()
    (endpoint,) = monitor["spec"]["endpoints"]
    seen = {
        name
        for name, service in of_kind(objects, "Service").items()
        if monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        and endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    }
    assert seen == {f"m-musicrec-{agent}" for agent in (*GROUPS, "web")}


def allowed(objects: list[dict[str, Any]], pod: str, direction: str) -> set[Any]:
    """Return the ports that all policies together allow a pod."""
    labels = of_kind(objects, *WORKLOADS)[pod]["spec"]["template"]["metadata"]["labels"]
    ports: set[Any] = set()
    for policy in of_kind(objects, "NetworkPolicy").values():
        selector = policy["spec"]["podSelector"]
        expressions = selector.get("matchExpressions", ())
        if selector["matchLabels"].items() <= labels.items() and all(
            labels[expression["key"]] in expression["values"] for expression in expressions
        ):
            ports |= {port["port"] for rule in policy["spec"].get(direction, ()) for port in rule["ports"]}
    return ports


def test_a_pod_reaches_what_it_needs_and_nothing_else() -> None:
    objects = rendered("production")
    assert allowed(objects, "m-musicrec-session", "egress") == {53, 9093, 6379}
    assert allowed(objects, "m-musicrec-embedder", "egress") == {53, 9093, 6379, 443}
    assert allowed(objects, "m-musicrec-web", "egress") == {53, 9093}
    assert allowed(objects, "m-musicrec-topics", "egress") == {53, 9093}
    assert allowed(objects, "m-musicrec-ranking", "ingress") == {"health"}
    assert allowed(objects, "m-musicrec-web", "ingress") == {"http"}
    assert allowed(objects, "m-musicrec-tools", "ingress") == set()


def test_a_schema_registry_is_reached_by_whoever_publishes_with_the_user_of_its_secret() -> None:
    sets = ["registry.url=https://registry.data", "registry.schemaId=header", "registry.existingSecret=registry"]
    objects = rendered("production", *sets)
    for name, _, container in pods(objects):
        found = {key: value for key, value in variables(container).items() if key.startswith("MUSICREC_REGISTRY__")}
        assert found == {
            "MUSICREC_REGISTRY__URL": "https://registry.data",
            "MUSICREC_REGISTRY__SCHEMA_ID": "header",
            "MUSICREC_REGISTRY__USERNAME": {"secretKeyRef": {"name": "registry", "key": "username"}},
            "MUSICREC_REGISTRY__PASSWORD": {"secretKeyRef": {"name": "registry", "key": "password"}},
        }, name
    assert allowed(objects, "m-musicrec-session", "egress") == {53, 9093, 6379, 443, 8081}
    assert not any("REGISTRY" in key for _, _, c in pods(rendered("production")) for key in variables(c))


def test_whoever_scrapes_reaches_the_metrics_of_a_service_too() -> None:
    gate = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gate"}}}
    objects = rendered("production", f"networkPolicy.servicesFrom=[{json.dumps(gate)}]")
    (rule,) = of_kind(objects, "NetworkPolicy")["m-musicrec-web"]["spec"]["ingress"]
    names = [peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for peer in rule["from"]]
    assert names == ["gate", "monitoring"]


def test_embedders_on_gpus_have_their_nodes_and_the_re_embedder_its_own_model() -> None:
    found = {name: (spec, container) for name, spec, container in pods(rendered("gpu"))}
    spec, container = found["music-embedder"]
    assert container["image"] == "musicrec/embedder-gpu:0.1.0"
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert spec["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert spec["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert spec["runtimeClassName"] == "nvidia"
    assert variables(container)["MUSICREC_EMBEDDER_DEVICE"] == "cuda"
    assert variables(container)["MUSICREC_EMBEDDER_WEIGHTS"] == "/weights/old.safetensors"
    spec, container = found["music-re-embedder"]
    assert container["image"] == "musicrec/embedder:0.1.0"
    assert container["args"] == ["worker", "re-embedder"]
    assert "MUSICREC_EMBEDDER_DEVICE" not in variables(container)
    assert variables(container)["MUSICREC_EMBEDDER_WEIGHTS"] == "/weights/new/light.safetensors"
    assert variables(container)["MUSICREC_EMBEDDER_ALLOWED_ROOT"] == "/audio"


def test_a_worker_for_sessions_and_lists_scales_on_what_it_reads_and_has_the_models() -> None:
    worker = '{"enabled": true, "kafkaSecret": "kafka-both", "redisSecret": "redis-both"}'
    objects = rendered("production", f"workers.session-ranking={worker}", "workers.session.enabled=false")
    assert "m-musicrec-session" not in of_kind(objects, "StatefulSet")
    (container,) = [each for name, _, each in pods(objects) if name == "m-musicrec-session-ranking"]
    assert container["args"] == ["worker", "session-ranking"]
    assert variables(container)["MUSICREC_RANKING__MODELS_DIR"] == "/models"
    triggers = of_kind(objects, "ScaledObject")["m-musicrec-session-ranking"]["spec"]["triggers"]
    assert {each["metadata"]["topic"] for each in triggers} == {LISTENS.name, REQUESTS.name}
    assert {each["metadata"]["consumerGroup"] for each in triggers} == {consumer_group("session-ranking")}


def test_one_more_service_is_one_more_entry() -> None:
    objects = rendered("gpu")
    assert of_kind(objects, "Service")["music-second-page"]["spec"]["type"] == "LoadBalancer"
    spec = of_kind(objects, "Deployment")["music-second-page"]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    (mount,) = [mount for mount in container["volumeMounts"] if mount["mountPath"] == "/tokens"]
    (volume,) = [volume for volume in spec["volumes"] if volume["name"] == mount["name"]]
    assert volume["secret"]["secretName"] == "tokens"
    assert variables(container)["MUSICREC_REDIS__URL"] == {"secretKeyRef": {"name": "redis", "key": "url"}}


def test_topics_are_there_before_the_workers() -> None:
    (job,) = of_kind(rendered("smallest"), "Job").values()
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    # The chart's own account is made after this hook.
    assert job["spec"]["template"]["spec"]["serviceAccountName"] == "default"


def test_the_rules_are_those_of_the_alerts_file() -> None:
    alerts = ROOT / "deploy/prometheus/alerts.yml"
    done = template("smallest", "monitoring.rules.enabled=true")
    if not alerts.exists():
        assert "has no files/prometheus/alerts.yml" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    (rule,) = of_kind([thing for thing in yaml.safe_load_all(done.stdout) if thing], "PrometheusRule").values()
    assert rule["spec"] == yaml.safe_load(alerts.read_text())


def test_the_package_holds_no_more_than_the_chart_needs(tmp_path: Path) -> None:
    done = helm("package", CHART, "--destination", tmp_path)
    assert done.returncode == 0, done.stderr
    (package,) = tmp_path.glob("*.tgz")
    with tarfile.open(package) as archive:
        names = {name.removeprefix("musicrec/") for name in archive.getnames()}
    assert {name for name in names if name.startswith("files/")} <= {"files/prometheus/alerts.yml"}
    assert {"values.yaml", "values.schema.json", "templates/workers.yaml"} <= names


def test_chart_and_package_are_of_one_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == chart["version"] == version
