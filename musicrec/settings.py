"""Every setting, read from the environment once, in the composition roots.

`MUSICREC_KAFKA__BOOTSTRAP_SERVERS=broker-1:9092,broker-2:9092` sets `Settings().kafka.bootstrap_servers`.  Secrets are
`SecretStr`: they do not appear in a log line or an error.
"""

import os
import re
import ssl
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from musicrec.environment import PREFIX, READ_ELSEWHERE, check_variables
from musicrec.errors import Incompatible
from musicrec.sasl_log import keep_credentials_out_of_the_log

Favour = Annotated[float, Field(ge=0, le=100)]
Disfavour = Annotated[float, Field(ge=-100, le=0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(_Section):
    """How to reach Kafka."""

    bootstrap_servers: str = "127.0.0.1:9092"
    """Comma-separated HOST:PORT."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """As the broker's listener has it."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """Used where the protocol has SASL."""
    sasl_username: str | None = None
    """SASL user."""
    sasl_password: SecretStr | None = None
    """SASL password."""
    ssl_ca_file: Path | None = None
    """Certificates to trust, PEM; the system's where none is given."""
    ssl_cert_file: Path | None = None
    """Client certificate, PEM."""
    ssl_key_file: Path | None = None
    """Key of the client certificate, PEM."""

    @field_validator("bootstrap_servers")
    @classmethod
    def _has_hosts_and_ports(cls, servers: str) -> str:
        addresses = [server.strip() for server in servers.split(",")]
        for address in addresses:
            found = re.fullmatch(r"(?:[^:/@\s]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})", address)
            if found is None or int(found[1]) > 65_535:
                raise ValueError(f"{address!r} is not HOST:PORT; an example: broker-1:9092,broker-2:9092")
        return ",".join(addresses)

    @property
    def uses_sasl(self) -> bool:
        """Whether the listener asks for a user and a password."""
        return self.security_protocol.startswith("SASL")

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return the TLS context, or None for a plain connection.

        Raises:
            Incompatible: a certificate file cannot be read.
        """
        if not self.security_protocol.endswith("SSL"):
            return None
        return _ssl_context("MUSICREC_KAFKA__", self.ssl_ca_file, self.ssl_cert_file, self.ssl_key_file)

    def client_options(self) -> dict[str, Any]:
        """Return the connection arguments of any aiokafka client."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "security_protocol": self.security_protocol,
            "ssl_context": self.ssl_context(),
        }
        if self.uses_sasl:
            if self.sasl_username is None or self.sasl_password is None:
                raise Incompatible(
                    f"{self.security_protocol} needs MUSICREC_KAFKA__SASL_USERNAME and MUSICREC_KAFKA__SASL_PASSWORD"
                )
            # Here, because no client of ours gets the password another way.
            keep_credentials_out_of_the_log()
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password.get_secret_value(),
            }
        return options


class RegistrySettings(_Section):
    """A schema registry, where a platform has one; nothing of ours asks it unless told to."""

    url: str | None = None
    """Its Confluent-compatible API: `https://registry:8081`; Apicurio's ends in `/apis/ccompat/v7`."""
    username: str | None = None
    """User, or API key, where it asks for one."""
    password: SecretStr | None = None
    """Password, or API secret."""
    token: SecretStr | None = None
    """Bearer token, instead of user and password."""
    ssl_ca_file: Path | None = None
    """Certificates to trust, PEM; the system's where none is given."""
    ssl_cert_file: Path | None = None
    """Client certificate, PEM."""
    ssl_key_file: Path | None = None
    """Key of the client certificate, PEM."""
    schema_id: Literal["none", "header", "prefix"] = "none"
    """Where what agents and clients publish names its registered schema: nowhere; in the header `__value_schema_id`,
    beside plain JSON; or in five bytes before the JSON, which plain JSON readers do not take."""

    @field_validator("url")
    @classmethod
    def _is_an_http_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        # The value itself may hold a password, so it is not shown.
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("it is no http:// or https:// URL; an example: https://registry-1:8081")
        if "@" in parts.netloc:
            raise ValueError("user and password have settings of their own: MUSICREC_REGISTRY__USERNAME, __PASSWORD")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.schema_id != "none" and self.url is None:
            raise ValueError("MUSICREC_REGISTRY__SCHEMA_ID needs MUSICREC_REGISTRY__URL")
        if (self.username is None) != (self.password is None):
            raise ValueError("MUSICREC_REGISTRY__USERNAME and MUSICREC_REGISTRY__PASSWORD go together")
        if self.token is not None and self.username is not None:
            raise ValueError("either MUSICREC_REGISTRY__TOKEN or MUSICREC_REGISTRY__USERNAME, not both")
        return self

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return the TLS context, or None where the URL is not https; raises as `KafkaSettings.ssl_context`."""
        if self.url is None or not self.url.startswith("https:"):
            return None
        return _ssl_context("MUSICREC_REGISTRY__", self.ssl_ca_file, self.ssl_cert_file, self.ssl_key_file)


class RedisSettings(_Section):
    """How to reach Redis or Valkey."""

    url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    """`redis://` or `rediss://` (TLS), with user and password where the server asks for them."""
    cluster: bool = False
    """Whether it is a Redis Cluster; `url` is then that of any of its nodes."""
    deadline_s: Annotated[float, Field(gt=0)] = 5.0
    """Longest wait for one answer."""

    @field_validator("url")
    @classmethod
    def _is_a_redis_url(cls, url: SecretStr) -> SecretStr:
        from redis.asyncio.connection import parse_url

        try:
            parse_url(url.get_secret_value())
        except ValueError:  # its message may hold a part of the password
            raise ValueError(
                "it is no Redis URL; an example: rediss://USER:PASSWORD@redis-1:6379/0, where the password has %2F for "
                "/, %40 for @ and so on"
            ) from None
        return url


class SessionSettings(_Section):
    """What a session is."""

    gap_ms: Annotated[int, Field(ge=1_000)] = 40 * 60_000
    """A session ends when this much time or more passes between the end of a listen and the start of the next."""
    grace_ms: Annotated[int, Field(ge=0)] = 10 * 60_000
    """How far behind the listener's newest event an event may lie and still be placed in order."""
    future_tolerance_ms: Annotated[int, Field(ge=0)] = 5 * 60_000
    """How far ahead of the broker's clock an event may lie."""
    max_entries: Annotated[int, Field(ge=1, le=1_000)] = 100
    """Tracks of a session that a snapshot carries; older ones are counted."""
    completed_fraction: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of a track that counts as heard to its end."""
    early_skip_ms: Annotated[int, Field(ge=0)] = 30_000
    """A listen shorter than this, of a track that is not as short itself, was turned away early."""
    like_weight: Favour = 2.0
    """What a like counts beside one completed listen of the track."""
    save_weight: Favour = 3.0
    """What a save counts."""
    share_weight: Favour = 3.0
    """What a share counts."""
    purchase_weight: Favour = 5.0
    """What a purchase counts."""
    dislike_weight: Disfavour = -3.0
    """What a dislike counts: it takes so many listens back."""
    block_weight: Disfavour = -5.0
    """What the block of a track counts, beside keeping it out of every list."""
    redis_ttl_ms: Annotated[int, Field(ge=3_600_000)] = 7 * 86_400_000
    """Housekeeping only: an idle listener's state is dropped after this, unless they block something or set a dial."""


class AgentSettings(_Section):
    """How an agent works through its partitions."""

    instance_id: str | None = None
    """Static group membership: a restart within the session timeout moves no partition. The pod name in Kubernetes."""
    max_batch: Annotated[int, Field(ge=1)] = 500
    """Most messages handled together."""
    max_pending: Annotated[int, Field(ge=1)] = 2_000
    """So many messages are taken from Kafka ahead of the handler; beyond it, partitions that have their share wait."""
    read_ahead_mb: Annotated[int, Field(ge=0)] = 256
    """Memory for what the session and the ranking agent read ahead of partitions that lag, so that listeners who are
    there now need not wait for it; one to two million events. 0 works off each partition in its order."""
    retry_deadline_s: Annotated[float, Field(gt=0)] = 120.0
    """How long a step is retried while Redis or the broker is away; then the process ends without acknowledging."""
    start_deadline_s: Annotated[float, Field(ge=0)] = 900.0
    """How long a start waits for each of Kafka with its topics, the schema registry and Redis; then it ends with status
    2. Above the ten minutes after which Kubernetes forgets how often it has started a worker; 0 asks once."""
    stop_deadline_s: Annotated[float, Field(gt=0)] = 25.0
    """Longest clean stop; beyond it the process ends with status 70 and the reason, and what was in flight comes again.
    Below the 30 s after which Kubernetes kills what it has told to stop."""
    session_timeout_s: Annotated[float, Field(gt=0, le=90)] = 10.0
    """The broker gives a silent worker's partitions away after this; at most as long as a client waits for answers."""
    commit_interval_s: Annotated[float, Field(gt=0)] = 1.0
    """How often finished offsets are committed; what lies between is seen twice after a kill, and applied once."""
    linger_ms: Annotated[int, Field(ge=0)] = 0
    """How long a produce request waits for company; 2 gives a quarter more throughput and 2 ms more latency."""
    declare_topics: bool = False
    """Create missing topics at start; for development, in production they are declared by operators."""
    crash_after: Literal["take", "decide", "emit", "save", "ack"] | None = None
    """For tests: kill the process, as kill -9 does, when the first batch is done with this step of the loop."""


class RankingAgentSettings(_Section):
    """What the ranking agent answers with."""

    list_length: Annotated[int, Field(ge=1, le=200)] = 20
    """Items of a list that answers an event."""
    stale_after_ms: Annotated[int, Field(ge=0)] = 10 * 60_000
    """Events published longer ago, by the broker's clock, are learned from and get no list: nobody waits for it any
    more, and those who do wait less; 0 answers every event."""
    discovery: Annotated[float, Field(ge=-1, le=1)] = 0.0
    """Where the discovery dial stands for listeners who never set it: -1 mostly familiar tracks, 1 mostly new ones."""
    popularity_dial: Annotated[float, Field(ge=-10, le=10)] = 0.0
    """Taken off every score per logarithm of the track's plays: above 0 less of what is popular, below 0 more of it."""
    diversity: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Weight of not being similar to what is listed already, beside that of the score; 0 leaves lists as they are."""
    max_sessions: Annotated[int, Field(ge=1_000)] = 500_000
    """Sessions remembered, those of more than 40 tracks as several; with listeners about 2 GB of memory per million."""
    max_listeners: Annotated[int, Field(ge=2)] = 200_000
    """Listeners whose plays are remembered, and of half as many the running session; who was silent longest is
    forgotten first."""
    encoder_path: Path | None = None
    """Folder of a session encoder that `musicrec train sequence` wrote, for as long as none is announced; without
    one the lists do without its source."""
    ranker_path: Path | None = None
    """Folder of a ranker that `musicrec train ranker` wrote: a worker without a snapshot begins with it, unless one is
    announced."""
    models_dir: Path | None = None
    """Directory of models that every ranking worker and `musicrec model` see; announced folders lie below it."""
    model_wait_s: Annotated[float, Field(ge=0)] = 60.0
    """Longest wait at a worker's start for announced models; it then answers without them until it can load them."""
    learn_from_one_in: Annotated[int, Field(ge=1)] = 1
    """Each ranking worker learns from one in so many listeners, the same for all workers, and from its own, whom it
    answers; for loads at which learning from everybody takes a whole core. At most the number of partitions."""
    snapshot_interval_s: Annotated[float, Field(gt=0)] = 600.0
    """Pause between two snapshots of what was learned; after a kill, what came since the last one is learned again."""


class HealthSettings(_Section):
    """A worker's `/livez`, `/readyz` and `/metrics`, and when it ends itself."""

    host: str = "127.0.0.1"
    """Address to listen on; bound to this machine unless told otherwise."""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port; 0 takes a free one, which the log names, so that workers can share a machine."""
    watchdog: bool = True
    """End a process that is not alive, with status 70 and the reason; else only `/livez` says so."""
    still_after_s: Annotated[float, Field(gt=0)] = 30.0
    """Longest time for which the event loop may stand still."""
    stuck_after_s: Annotated[float, Field(gt=0)] = 120.0
    """Longest time in which messages wait and none is finished; an embedder's slowest batch is added to it."""


class LogSettings(_Section):
    """What a worker, the page and the gateway write to stderr."""

    format: Literal["text", "json"] = "text"
    """Lines for people, or a JSON object per line, with `trace_id` where a line is about one message of a trace."""
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe lines that are written."""


class WebSettings(_Section):
    """The live page."""

    host: str = "127.0.0.1"
    """Address to listen on; bound to this machine unless told otherwise."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8400
    """Port; 0 takes a free one."""
    operator_token: Annotated[SecretStr, Field(min_length=16)] | None = None
    """What an operator types in to replay dead letters from the page; without one the page only shows."""


class GatewaySettings(_Section):
    """HTTP and WebSocket for players without a Kafka client."""

    host: str = "127.0.0.1"
    """Address to listen on; bound to this machine unless told otherwise."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8500
    """Port; 0 takes a free one."""
    tokens_file: Path | None = None
    """Hashes of tokens, which `musicrec gateway token` writes; by default `gateway-tokens.jsonl` in the data folder."""
    tls_cert_file: Path | None = None
    """Certificate chain to serve HTTPS with, PEM; without one TLS is a proxy's affair."""
    tls_key_file: Path | None = None
    """Key of the certificate, PEM, where it is not in the same file."""
    trusted_proxies: str = ""
    """Comma-separated addresses or networks whose `X-Forwarded-For` tells where a request comes from."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Comma-separated origins whose pages may call the gateway from a browser: `https://player.example.org`."""
    publish_deadline_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    """How long a record is tried on the broker before the answer is 503."""
    list_deadline_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    """Longest wait for a list that a request may ask for."""
    max_body_bytes: Annotated[int, Field(ge=10_240, le=64 * 1024 * 1024)] = 2 * 1024 * 1024
    """Largest request body."""
    body_deadline_s: Annotated[float, Field(gt=0)] = 10.0
    """Longest time that a request body takes to arrive."""
    headers_deadline_s: Annotated[float, Field(gt=0)] = 10.0
    """Longest time from a connection, or the first byte of a request, to the end of its headers."""
    max_connections: Annotated[int, Field(ge=10)] = 1_000
    """Open connections; more are closed at once."""
    max_streams: Annotated[int, Field(ge=1)] = 500
    """Streams of lists, WebSockets and server-sent events together."""
    max_streams_per_listener: Annotated[int, Field(ge=1)] = 10
    """Those of one listener's token; a platform's token has none but `max_streams`."""
    stream_waiting: Annotated[int, Field(ge=1, le=1_000)] = 100
    """Lists that wait for a slow stream; with one more it is cut off."""
    send_deadline_s: Annotated[float, Field(gt=0)] = 10.0
    """A stream that takes nothing for so long is cut off."""
    beat_s: Annotated[float, Field(gt=0)] = 15.0
    """A silent stream says so often that it is alive; its token is looked at as often."""
    token_requests_per_minute: Annotated[int, Field(ge=1)] = 600
    """Requests of one token, unless its line in the file says otherwise; each fifty records count as a request."""
    address_requests_per_minute: Annotated[int, Field(ge=1)] = 60
    """Requests without a valid token from one IPv4 address, or one IPv6 network of 64 bits."""
    stop_deadline_s: Annotated[float, Field(gt=0)] = 10.0
    """For requests that are being answered when the gateway is told to stop."""

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = tuple(origin.strip() for origin in value.split(",") if origin.strip())
        for origin in value:
            if re.fullmatch(r"https?://[^/\s*]+", origin) is None:
                raise ValueError(f"{origin!r} is no origin; an example: https://player.example.org")
        return value


class Settings(BaseSettings):
    """All settings; the environment prefix is `MUSICREC_`, a section's fields follow after `__`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", frozen=True)

    kafka: KafkaSettings = KafkaSettings()
    """Broker connection."""
    redis: RedisSettings = RedisSettings()
    """Session store connection."""
    session: SessionSettings = SessionSettings()
    """Session rules."""
    agent: AgentSettings = AgentSettings()
    """Agent loop."""
    ranking: RankingAgentSettings = RankingAgentSettings()
    """Ranking agent."""
    health: HealthSettings = HealthSettings()
    """Health of a worker."""
    log: LogSettings = LogSettings()
    """Log lines."""
    web: WebSettings = WebSettings()
    """Live page."""
    gateway: GatewaySettings = GatewaySettings()
    """Gateway."""
    registry: RegistrySettings = RegistrySettings()
    """Schema registry."""
    data_dir: Path = Path(".data")
    """Folder of a worker's snapshots, and of the embedded stack: broker and server data, logs, audio."""


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment.

    Raises:
        Incompatible: a variable is not of the type or in the range it needs, or there is no such setting; names it.
    """
    check_variables(os.environ, Settings, elsewhere=READ_ELSEWHERE)
    try:
        return Settings(**overrides)
    except (ValidationError, SettingsError) as error:
        raise refused_setting(PREFIX, error) from None


def _ssl_context(prefix: str, ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    variable, path = "SSL_CA_FILE", ca_file
    try:
        context = ssl.create_default_context(cafile=path)
        if cert_file is not None:
            variable, path = "SSL_CERT_FILE (or _KEY_FILE)", cert_file
            context.load_cert_chain(cert_file, key_file)
    except OSError as error:  # ssl.SSLError is one
        raise Incompatible(f"{prefix}{variable}: {path} cannot be read as PEM: {error}") from error
    return context


def refused_setting(prefix: str, error: ValidationError | SettingsError) -> Incompatible:
    """Return the error that names the variable, without the value, which may be a secret."""
    if isinstance(error, SettingsError):  # JSON is read for a whole section only
        section = re.search(r'"(\w+)"', str(error))
        name = f"{prefix}{section[1].upper() if section else '*'}"
        return Incompatible(
            f"{name}: it is no JSON object; set {name}__... one by one, as `musicrec settings` shows them"
        )
    first = error.errors(include_url=False, include_input=False)[0]
    name = prefix + "__".join(str(part).upper() for part in first["loc"])
    return Incompatible(f"{name}: {first['msg'].removeprefix('Value error, ')}")
