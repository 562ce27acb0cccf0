"""The embedded stack: a real Kafka and a real Valkey as child processes, without root and without containers.

For the demo, the tests and a laptop.  Production brings its own brokers.
"""

from musicrec.local.stack import EmbeddedStack, StackAddresses

__all__ = ["EmbeddedStack", "StackAddresses"]
