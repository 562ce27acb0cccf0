"""How good the recommendations are, measured with the code that makes them."""
