"""What one event costs, as `musicrec bench costs` measures it."""

from pydantic import BaseModel, ConfigDict


class Costs(BaseModel):
    """Per event, on the machine that it was measured on."""

    model_config = ConfigDict(frozen=True)

    events_per_s: float
    """Rate at which it was measured."""
    session_cpu_ms: float
    """Processor time of the session agent."""
    list_cpu_ms: float
    """Of the ranking agent, for a list."""
    session_ranking_cpu_ms: float
    """Of the session-ranking agent, which does what these two do, for session and list."""
    learn_cpu_ms: float
    """Of each worker that lists, for what it learns from everybody's event."""
    outcome_cpu_ms: float
    """Of the outcome agent."""
    kafka_cpu_ms: float
    """Of the broker, with one replica and these readers."""
    redis_cpu_ms: float
    """Of the server."""
    redis_commands: float
    """That the server runs, those of scripts among them."""
    topic_bytes: dict[str, float]
    """On each topic, one replica, uncompressed."""
    redis_bytes_per_listener: float
    """Of a listener who was there today: state and newest lists."""
    ranking_bytes_per_listener: float
    """Of each worker that lists, for what it remembers of a listener and their sessions."""
