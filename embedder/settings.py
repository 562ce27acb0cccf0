"""Settings of the embedder, read from the environment once, in its composition root."""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from embedder.decode import DecodeLimits
from embedder.fetch import AllowedHost, FetchLimits
from embedder.network_shape import Precision
from musicrec.environment import check_variables
from musicrec.errors import Incompatible
from musicrec.settings import refused_setting

PREFIX = "MUSICREC_EMBEDDER_"


def _half_of_the_cores_and_one() -> int:
    """Half of the cores, and one that decodes while another hands over."""
    return (os.cpu_count() or 2) // 2 + 1


def _other_half_of_the_cores() -> int:
    """Those that decoders leave."""
    cores = os.cpu_count() or 2
    return max(1, cores - cores // 2)


class EmbedderSettings(BaseSettings):
    """What the embedder may read and how much it may spend; the environment prefix is `MUSICREC_EMBEDDER_`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    allowed_root: Path | None = None
    """Folder under which `file:` URIs may lie; without it they are all refused."""
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Hosts of `https:` URIs, comma-separated: `audio.example.org`, `*.example.org`, `host:8443`."""
    allow_private_addresses: bool = False
    """Whether an allowed host may have an address that is not public: an object store of your own network."""
    ssl_ca_file: Path | None = None
    """Certificates to trust for `https:`, PEM; the system's where none is given."""
    max_file_bytes: Annotated[int, Field(ge=1_024)] = 128 * 1024 * 1024
    """Largest audio file."""
    fetch_deadline_s: Annotated[float, Field(gt=0)] = 30.0
    """Longest fetch, all attempts together."""
    concurrent_fetches: Annotated[int, Field(ge=1, le=256)] = 8
    """Fetches at the same time; each holds a file of up to `max_file_bytes` in memory."""
    excerpt_s: Annotated[float, Field(ge=1, le=600)] = 30.0
    """Seconds decoded from the middle of a track; the encoder hears up to 30 of them."""
    max_duration_s: Annotated[float, Field(gt=0, le=86_400)] = 4 * 3_600.0
    """Longest track."""
    max_channels: Annotated[int, Field(ge=1, le=64)] = 8
    """Most channels."""
    decode_deadline_s: Annotated[float, Field(gt=0)] = 20.0
    """Wall clock for decoding one file; a decoder that needs longer is killed."""
    decoder_memory_bytes: Annotated[int, Field(ge=256 * 1024 * 1024)] = 1024 * 1024 * 1024
    """Address space of a decoder process."""
    decoders: Annotated[int, Field(ge=1, le=256, default_factory=_half_of_the_cores_and_one)]
    """Decoder processes; MP3 keeps one about as busy as its analysis keeps a thread."""
    batch_tracks: Annotated[int, Field(ge=1, le=256)] = 8
    """Most tracks that go through the network together; those that are decoded by then."""
    memory_ttl_ms: Annotated[int, Field(ge=0)] = 30 * 86_400_000
    """How long Redis remembers the audio of a track that is not announced again: unchanged audio is not embedded anew.
    0 embeds whatever is announced."""
    weights: Path | None = None
    """Weights (.safetensors) with their manifest beside them; those of the package where none are given."""
    device: str | None = None
    """Where to analyse and run the network: `cpu`, or a GPU as torch names it; a GPU where there are one and torch."""
    threads: Annotated[int, Field(ge=1, le=256, default_factory=_other_half_of_the_cores)]
    """CPU threads that analyse tracks and run the network."""
    precision: Precision | None = None
    """Numbers of the network on a CPU: `int8`, two to twelve times as fast, or `float32`; `int8` by default where the
    weights hold the ranges that it needs."""

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = tuple(host.strip() for host in value.split(",") if host.strip())
        for host in value:
            try:
                AllowedHost.parse(host)
            except Incompatible as error:
                raise ValueError(str(error)) from None
        return value

    def fetch_limits(self) -> FetchLimits:
        """Return what the fetcher needs."""
        return FetchLimits(
            allowed_root=self.allowed_root,
            allowed_hosts=self.allowed_hosts,
            allow_private_addresses=self.allow_private_addresses,
            max_bytes=self.max_file_bytes,
            deadline_s=self.fetch_deadline_s,
            concurrency=self.concurrent_fetches,
        )

    def decode_limits(self) -> DecodeLimits:
        """Return what the decoders need."""
        return DecodeLimits(
            excerpt_s=self.excerpt_s,
            max_duration_s=self.max_duration_s,
            max_channels=self.max_channels,
            deadline_s=self.decode_deadline_s,
            memory_bytes=self.decoder_memory_bytes,
        )


def load_embedder_settings(**overrides: Any) -> EmbedderSettings:
    """Read the settings from the environment.

    Raises:
        Incompatible: a variable is not of the type or in the range it needs, or there is no such setting; names it.
    """
    check_variables(os.environ, EmbedderSettings, elsewhere=())
    try:
        return EmbedderSettings(**overrides)
    except (ValidationError, SettingsError) as error:
        raise refused_setting(PREFIX, error) from None
