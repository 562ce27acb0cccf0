"""musicrec: a streaming, session-aware next-track recommender.

The package is the recommender as a library: contracts, session logic, ranking, evaluation and the command line.  The
services live beside it in `streams` (Kafka, Redis, web), `embedder` (audio) and `index` (FAISS).
"""

__version__ = "0.1.0"
