"""aiokafka writes every request into its log at the DEBUG level: one of them carries the password."""

import logging


def keep_credentials_out_of_the_log() -> None:
    """Drop the records about SASL's own messages; calling it again changes nothing."""
    logging.getLogger("aiokafka.conn").addFilter(_carries_no_credentials)


def _carries_no_credentials(record: logging.LogRecord) -> bool:
    arguments = record.args if isinstance(record.args, tuple) else ()
    return not any(type(argument).__name__.startswith("SaslAuthenticate") for argument in arguments)
