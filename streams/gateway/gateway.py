"""The parts of a gateway, put together once."""

from musicrec.settings import Settings
from streams.gateway.broker import Broker
from streams.gateway.counts import Counts
from streams.gateway.gate import Gate
from streams.gateway.streaming import Streams
from streams.gateway.tokens import Tokens, tokens_file


class Gateway:
    """What routes are made of."""

    def __init__(self, settings: Settings) -> None:
        """Read the tokens; nothing is connected yet.

        Raises:
            Incompatible: the file of tokens cannot be read.
        """
        self.settings = settings.gateway
        self.counts = Counts()
        self.gate = Gate(settings.gateway, Tokens(tokens_file(settings)))
        self.broker = Broker(
            settings.kafka,
            settings.registry,
            publish_deadline_s=settings.gateway.publish_deadline_s,
            most_waiting=settings.gateway.stream_waiting,
        )
        self.streams = Streams(settings.gateway, self.broker, self.gate, self.counts)
