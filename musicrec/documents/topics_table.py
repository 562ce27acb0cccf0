"""The table of topics in Markdown."""

from musicrec.topics import TOPICS, Topic

COLUMNS = ("topic", "key", "partitions", "kept", "holds", "written by", "read by")
DAY_MS = 86_400_000


def topics_table() -> str:
    """Return the table of all topics as Markdown, without a line feed at its end."""
    rows = [COLUMNS, tuple("---" for _ in COLUMNS), *map(_row, TOPICS)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(topic: Topic) -> tuple[str, ...]:
    # The table says it shorter than the topic: a dead-letter topic has its source's name already.
    holds = topic.purpose if topic.record is not None else "what could not be taken, with the reason"
    return (
        f"`{topic.name}`",
        f"`{topic.key}`",
        str(topic.partitions),
        _kept(topic),
        holds,
        topic.written_by,
        topic.read_by,
    )


def _kept(topic: Topic) -> str:
    if topic.retention_ms is None:
        return "latest of each key"
    days = topic.retention_ms / DAY_MS
    return f"{days:g} day{'' if days == 1 else 's'}"
