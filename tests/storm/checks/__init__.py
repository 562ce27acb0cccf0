"""One file per thing that is looked at: topics, Redis, offsets, logs."""
