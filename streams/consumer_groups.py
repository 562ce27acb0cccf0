"""The names of the agents' consumer groups; apart from Faust, so that whoever only asks for lag need not import it."""


def consumer_group(agent: str) -> str:
    """Return the consumer group of an agent."""
    return f"musicrec-{agent}"
