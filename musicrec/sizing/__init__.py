"""How many machines a load needs, by what one event was measured to cost."""
