"""The names of the agents' consumer groups; apart from Faust, so that whoever only asks for lag need not import it."""


def consumer_group(agent: str, model_version: str = "") -> str:
    """Return the consumer group of an agent; of one that works through a topic once per model, that of the model."""
    return f"musicrec-{agent}" + (f"-{model_version}" if model_version else "")
