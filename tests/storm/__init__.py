"""A storm over the whole system, and an oracle that looks on from outside.

`run.py --seed 7 --minutes 10` starts Kafka, Valkey and several workers of each kind, publishes events and what only
looks like events, and meanwhile does what `schedule` drew from the seed: kills, suspensions, cut connections, full
disks.  Then all is healed, the workers finish what is left, and the checks read topics, Redis and logs to their ends
and say what was lost, applied twice, or answered in two ways.

    schedule    seed ▸ what befalls the system and when          servers     Kafka and Valkey, each behind a proxy
    traffic     seed ▸ what is published                         workers     the processes, restarted when they end
    reference   what should become of each event                 faults      how each fault is done
    checks      what became of it, and where that differs        report      what a person reads afterwards
"""
