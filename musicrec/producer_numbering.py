"""The numbers by which a broker knows what an idempotent producer has sent."""

from aiokafka import AIOKafkaProducer


def begin_anew(producer: AIOKafkaProducer) -> None:
    """Have a producer be another one from here on, for after a delivery that has failed for good.

    aiokafka has numbered what the broker refused; the broker waits for that number, and refuses all that follows.
    What is still on its way keeps its old number.
    """
    numbering = producer._txn_manager
    numbering.__init__(None, numbering.transaction_timeout_ms)
