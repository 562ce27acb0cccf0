"""How the shipped weights are made: synthesise, extract, train, choose nothing on real music."""
