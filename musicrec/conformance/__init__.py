"""Whether what a platform publishes keeps the contract, judged by what stands on its topic."""

from musicrec.conformance.conformance import Conformance, Message
from musicrec.conformance.finding import Check, Finding, Verdict

__all__ = ["Check", "Conformance", "Finding", "Message", "Verdict"]
