"""Why a list that was published is as it is, in words."""

from musicrec.explain.explanation import Explanation, ItemExplanation, SourcePart, explain

__all__ = ["Explanation", "ItemExplanation", "SourcePart", "explain"]
