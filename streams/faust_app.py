"""A Faust app with the settings that the measurements ask for; one per process."""

from pathlib import Path
from typing import Any

import faust
from yarl import URL

from musicrec.settings import AgentSettings, KafkaSettings
from streams.consumer_groups import consumer_group
from streams.gathering import Gathering
from streams.safe_driver import SafeTransport

MAX_REQUEST_BYTES = 4 * 1024 * 1024
"""Above the largest record of any topic, and above what topics allow: the broker decides, with a reason."""

PRODUCER_BATCH_BYTES = 512 * 1024
"""Of one partition, in one request: the client has one request on its way, with one batch of each partition.  With its
default of 16 kB the snapshots of a long session go one by one, and all that comes after them waits."""

FETCH_BYTES = 256 * 1024
"""Of one partition, in one answer: all of it is handed over before anything that came later, and the default of 1 MB is
3,500 events."""

LONGEST_HEARTBEAT_S = 2.0
"""With its next heartbeat a member learns that the group hands partitions around; nobody reads those meanwhile.
Whoever lets sessions last long, so that a slow restart moves nothing, does not want to wait longer for that."""

REBALANCE_TIMEOUT_S = 60.0
"""The group waits this long for a member that is busy."""


class App(faust.App):
    """Faust's app on the guarded driver."""

    gathering: Gathering | None = None
    """What its consumer waits for; None for the first message."""

    def _new_transport(self) -> SafeTransport:
        return SafeTransport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> SafeTransport:
        return SafeTransport(self.conf.broker_producer, self)


def new_app(
    agent: str,
    kafka: KafkaSettings,
    settings: AgentSettings,
    data_dir: Path,
    *,
    group: str | None = None,
    gathering: Gathering | None = None,
) -> App:
    """Return the app of one agent.

    Args:
        agent: name.
        kafka: connection.
        settings: loop and group settings.
        data_dir: folder for what Faust writes (nothing of ours).
        group: its consumer group; `musicrec-<agent>` where none is given.
        gathering: what its consumer waits for; None for the first message.
    """
    folder = data_dir / "faust" / agent
    folder.mkdir(parents=True, exist_ok=True)
    app = App(
        group or consumer_group(agent),
        broker=[URL(f"kafka://{server}") for server in kafka.bootstrap_servers.split(",")],
        broker_credentials=_credentials(kafka),
        # Poison must reach our decoder as bytes: Faust's codecs would throw it into the agent.
        key_serializer="raw",
        value_serializer="raw",
        # State is in Redis: no tables, no changelogs, no standby, no leader topic.  Never changed in place: another
        # assignor in the same group stops every worker.
        table_standby_replicas=0,
        topic_disable_leader=True,
        topic_allow_declare=False,
        processing_guarantee="at_least_once",
        broker_commit_interval=settings.commit_interval_s,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=min(settings.session_timeout_s / 5, LONGEST_HEARTBEAT_S),
        broker_rebalance_timeout=REBALANCE_TIMEOUT_S,
        # The default of 1000 s would let a wedged agent keep its partitions for a quarter of an hour.
        broker_max_poll_interval=max(120.0, 2 * settings.retry_deadline_s),
        # Without it a kill and a restart cost the group two rebalances.
        consumer_group_instance_id=settings.instance_id,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=FETCH_BYTES,
        producer_linger=settings.linger_ms / 1000,
        # The default is 20 minutes: a dead broker must be noticed within a step's retry deadline.
        producer_request_timeout=30.0,
        producer_max_request_size=MAX_REQUEST_BYTES,
        producer_max_batch_size=PRODUCER_BATCH_BYTES,
        stream_buffer_maxsize=settings.max_pending,
        stream_wait_empty=True,
        worker_redirect_stdouts=False,
        web_enabled=False,
        datadir=str(folder),
    )
    app.gathering = gathering
    return app


def _credentials(kafka: KafkaSettings) -> Any:
    context = kafka.ssl_context()
    if kafka.uses_sasl:
        options = kafka.client_options()
        return faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=kafka.sasl_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None
