"""Measurements of speed on this machine, each beside an anchor in the same run; none of them is a test."""
