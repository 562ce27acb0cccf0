"""The dashboards: `python deploy/grafana/dashboards.py` writes dashboards/*.json beside this file.

Needs grafana-foundation-sdk (`pip install -e .[dev]`); Grafana 10.1 or newer reads the files.  What a panel is about
stands in one line here; its page of the runbook is a link in its corner.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

FOLDER: Final = Path(__file__).with_name("dashboards")
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
CHOSEN: Final = 'job=~"$job",instance=~"$instance"'
RATE: Final = "[$__rate_interval]"
WIDTH, HEIGHT = 12, 8
RUNBOOK_HINT: Final = "Where the pages of deploy/runbook are to be read."

SECONDS, SHARE, MESSAGES, PER_SECOND, BYTES, COUNT, YES_OR_NO = (
    "s",
    "percentunit",
    "short",
    "cps",
    "bytes",
    "none",
    "bool",
)


class Query(NamedTuple):
    """One expression, and how its lines are called."""

    expression: str
    legend: str


class Panel(NamedTuple):
    """One picture of lines over time."""

    title: str
    unit: str
    description: str
    page: str
    """Of the runbook: the alert that this picture is looked at for."""
    queries: Sequence[Query]


def quantiles(metric: str, *by: str, more: str = "") -> list[Query]:
    """Return the median and the 99th percentile of a histogram, by labels."""
    labels, legend = ", ".join((*by, "le")), " ".join(f"{{{{{label}}}}}" for label in by)
    buckets = f"sum by ({labels}) (rate({metric}_bucket{{{CHOSEN}{more}}}{RATE}))"
    return [
        Query(f"histogram_quantile({quantile}, {buckets})", f"{legend} {name}".strip())
        for quantile, name in ((0.5, "p50"), (0.99, "p99"))
    ]


def rate(metric: str, *by: str, more: str = "") -> list[Query]:
    """Return a counter's rate, by labels."""
    legend = " ".join(f"{{{{{label}}}}}" for label in by) or "all"
    return [Query(f"sum by ({', '.join(by)}) (rate({metric}{{{CHOSEN}{more}}}{RATE}))", legend)]


def shown(metric: str, *by: str) -> list[Query]:
    """Return a gauge, by labels."""
    return [Query(f"max by ({', '.join(by)}) ({metric}{{{CHOSEN}}})", " ".join(f"{{{{{label}}}}}" for label in by))]


def share(metric: str) -> list[Query]:
    """Return the share of a variant's listens: of six hours, and of the week before."""
    return [
        Query(f"variant:musicrec_variant_{metric}:ratio_rate{window}", f"{{{{variant}}}} {window}")
        for window in ("6h", "7d")
    ]


MODEL_AND_RANKER: Final = [
    Query(f"count by (version) (musicrec_model_info{{{CHOSEN}}})", "encoder {{version}}"),
    Query(f"count by (version) (musicrec_ranker_info{{{CHOSEN}}})", "ranker {{version}}"),
]

DASHBOARDS: Final[dict[str, tuple[str, Sequence[Panel]]]] = {
    "Overview": (
        "Are lists fresh, does anything wait, and does everybody answer?",
        [
            Panel(
                "Event to list",
                SECONDS,
                "From the publication of an event to the delivery of its list; the objective is 99 % within 0.5 s.",
                "MusicrecListsLate",
                quantiles("musicrec_event_to_recommendation_seconds"),
            ),
            Panel(
                "Lists late",
                SHARE,
                "Share of lists later than 0.5 s, or that were not made because their event had waited too long; the "
                "objective allows 1 % over 30 days.",
                "MusicrecListsLateSlowly",
                [Query(f"musicrec:lists_late:ratio_rate{window}", window) for window in ("5m", "1h", "6h", "3d")],
            ),
            Panel(
                "Lag by agent",
                MESSAGES,
                "Messages published and not finished, of all partitions that workers have.",
                "MusicrecLagGrowing",
                [Query("agent:musicrec_consumer_lag_messages:sum", "{{agent}}")],
            ),
            Panel(
                "Messages by outcome",
                PER_SECOND,
                "What became of messages; outcomes of a topic add up to its messages.",
                "MusicrecLagGrowing",
                rate("musicrec_events_total", "job", "outcome"),
            ),
            Panel(
                "Dead letters by reason",
                PER_SECOND,
                "Messages refused; `musicrec dlq list` shows them. `unreadable_state` and `handler_error` page.",
                "MusicrecDeadLetters",
                [Query(f"{rate('musicrec_dlq_total', 'topic', 'reason')[0].expression} > 0", "{{topic}} {{reason}}")],
            ),
            Panel(
                "Workers ready",
                COUNT,
                "Processes whose /readyz says yes, by agent; none is an alert.",
                "MusicrecAgentDown",
                [
                    Query(
                        f"sum by (agent) (musicrec_ready{{{CHOSEN}}} "
                        "* on (job, instance) group_left (agent) musicrec_build_info)",
                        "{{agent}}",
                    )
                ],
            ),
            Panel(
                "Servers",
                SHARE,
                "Share of the workers that Kafka and Redis answer.",
                "MusicrecRedisAway",
                [Query(f"avg by (server) (musicrec_server_up{{{CHOSEN}}})", "{{server}}")],
            ),
            Panel(
                "Alerts firing",
                COUNT,
                "Alerts of musicrec that fire.",
                "README",
                [
                    Query(
                        'count by (alertname, severity) (ALERTS{alertstate="firing",alertname=~"Musicrec.+"})',
                        "{{severity}}: {{alertname}}",
                    )
                ],
            ),
            Panel(
                "Newest message",
                SECONDS,
                "Time since the newest message finished was published, by topic; grows in quiet times too.",
                "MusicrecLagGrowing",
                [Query(f"time() - max by (topic) (musicrec_last_event_timestamp_seconds{{{CHOSEN}}})", "{{topic}}")],
            ),
            Panel(
                "Open pages",
                COUNT,
                "Browsers that watch the live page; 100 at most.",
                "MusicrecOpenFiles",
                shown("musicrec_page_streams", "instance"),
            ),
        ],
    ),
    "Agents": (
        "Each worker: what waits for it, how long it takes, what it tries again.",
        [
            Panel(
                "Lag by worker and partition",
                MESSAGES,
                "Messages that wait, of the partitions that a worker is assigned.",
                "MusicrecLagPersistent",
                shown("musicrec_consumer_lag_messages", "instance", "topic", "partition"),
            ),
            Panel(
                "Lag of the groups",
                MESSAGES,
                "The same as the broker tells the page, committed offsets against ends: also where no worker is.",
                "MusicrecNobodyConsumes",
                shown("musicrec_group_lag_messages", "agent", "topic", "partition"),
            ),
            Panel(
                "Processing time",
                SECONDS,
                "From a message's turn to its acknowledgement; a batch is one turn.",
                "MusicrecListsLate",
                quantiles("musicrec_event_processing_seconds", "job", "topic"),
            ),
            Panel(
                "Retries",
                PER_SECOND,
                "Batches tried again because Redis or Kafka was away, or another worker was ahead.",
                "MusicrecRedisErrors",
                rate("musicrec_retries_total", "instance", "topic"),
            ),
            Panel(
                "Rebalances",
                PER_SECOND,
                "Rebalances of its group that a worker has been through.",
                "MusicrecRebalanceStorm",
                rate("musicrec_rebalances_total", "job", "instance"),
            ),
            Panel(
                "Redis calls",
                SECONDS,
                "Round trips to Redis by operation, those that fail included.",
                "MusicrecRedisSlow",
                quantiles("musicrec_redis_call_seconds", "op"),
            ),
            Panel(
                "Redis errors",
                PER_SECOND,
                "Round trips that failed, by operation.",
                "MusicrecRedisErrors",
                rate("musicrec_redis_errors_total", "job", "op"),
            ),
            Panel(
                "Redis memory",
                BYTES,
                "What Redis uses, and what it may use; needs redis_exporter.",
                "MusicrecRedisMemory",
                [
                    Query("redis_memory_used_bytes", "{{instance}} used"),
                    Query("redis_memory_max_bytes > 0", "{{instance}} maxmemory"),
                ],
            ),
            Panel(
                "Since last fetch",
                SECONDS,
                "Time since the broker answered a fetch, with messages or none: a second at most while all is well.",
                "MusicrecLagPersistent",
                [
                    Query(
                        f"time() - min by (instance, topic) (musicrec_last_fetch_timestamp_seconds{{{CHOSEN}}})",
                        "{{instance}} {{topic}}",
                    )
                ],
            ),
            Panel(
                "Overtaken",
                PER_SECOND,
                "Messages finished ahead of what lags before them, because their listener is there now.",
                "MusicrecLagPersistent",
                rate("musicrec_overtaken_total", "job", "topic"),
            ),
            Panel(
                "Duplicates",
                PER_SECOND,
                "Messages that had been applied before.",
                "MusicrecDeadLetters",
                rate("musicrec_duplicates_total", "topic"),
            ),
            Panel(
                "Start-up",
                SECONDS,
                "What the newest start needed until it was ready.",
                "MusicrecWorkerUnready",
                shown("musicrec_startup_seconds", "job", "instance"),
            ),
        ],
    ),
    "Quality": (
        "What lists foresee of what is played next, by variant of the ranking.",
        [
            Panel(
                "HR@20",
                SHARE,
                "Share of the listens whose track was among the first 20 of the list before; six hours and a week.",
                "MusicrecHitRateFallen",
                share("hits"),
            ),
            Panel(
                "MRR@20",
                SHARE,
                "Mean of 1 / place of these, 0 for the others, of six hours.",
                "MusicrecHitRateFallen",
                [
                    Query(
                        f"sum by (variant) (rate(musicrec_variant_reciprocal_ranks_total{{{CHOSEN}}}[6h])) "
                        f"/ sum by (variant) (rate(musicrec_variant_listens_total{{{CHOSEN}}}[6h]))",
                        "{{variant}} 6h",
                    )
                ],
            ),
            Panel(
                "Skip rate",
                SHARE,
                "Share of the listens that were skipped, of six hours and a week.",
                "MusicrecSkipRateRisen",
                share("skips"),
            ),
            Panel(
                "Listens",
                COUNT,
                "Listens of six hours on which these shares stand; below 1,000 no alert looks at them.",
                "MusicrecHitRateFallen",
                [Query("variant:musicrec_variant_listens:increase6h", "{{variant}}")],
            ),
            Panel(
                "Time of one list",
                SECONDS,
                "Candidates, ranker and re-ranking of one list.",
                "MusicrecListsLate",
                quantiles("musicrec_variant_ranking_seconds", "variant"),
            ),
        ],
    ),
    "Embedder and index": (
        "From a track to its vector, and how fresh what ranking workers know is.",
        [
            Panel(
                "Tracks by outcome",
                PER_SECOND,
                "What became of announced tracks.",
                "MusicrecEmbedderBehind",
                rate("musicrec_events_total", "outcome", more=',topic="musicrec.tracks.v1"'),
            ),
            Panel(
                "Refused tracks",
                PER_SECOND,
                "Tracks without a vector, by reason.",
                "MusicrecEmbedderFailing",
                rate("musicrec_dlq_total", "reason", more=',topic="musicrec.tracks.v1"'),
            ),
            Panel(
                "Embed time",
                SECONDS,
                "From the fetch of a track's audio to its vector.",
                "MusicrecEmbedderBehind",
                quantiles("musicrec_embed_seconds"),
            ),
            Panel(
                "Vectors",
                COUNT,
                "Tracks in the vector index that answers, by worker.",
                "MusicrecIndexBehind",
                shown("musicrec_index_vectors", "instance"),
            ),
            Panel(
                "Age of newest vector",
                SECONDS,
                "Time since the newest vector in a worker's index was made; workers should agree.",
                "MusicrecIndexBehind",
                [
                    Query(
                        f"time() - max by (instance) (musicrec_index_newest_timestamp_seconds{{{CHOSEN}}})",
                        "{{instance}}",
                    )
                ],
            ),
            Panel(
                "Followers' lag",
                MESSAGES,
                "Records of followed topics that a ranking worker has not taken in.",
                "MusicrecFollowerLag",
                shown("musicrec_follower_lag_messages", "instance", "topic"),
            ),
            Panel(
                "Snapshot age",
                SECONDS,
                "Time since a ranking worker saved what it has learned; grows while nothing comes.",
                "MusicrecSnapshotOld",
                [
                    Query(
                        f"time() - max by (instance) (musicrec_snapshot_timestamp_seconds{{{CHOSEN}}})",
                        "{{instance}}",
                    )
                ],
            ),
            Panel(
                "Learned",
                PER_SECOND,
                "Listens that each ranking worker has learned from.",
                "MusicrecFollowerLag",
                rate("musicrec_learned_total", "instance"),
            ),
            Panel(
                "Models in use",
                COUNT,
                "Ranking workers by the session encoder and the trained ranker that they use.",
                "MusicrecModelsDiffer",
                MODEL_AND_RANKER,
            ),
            Panel(
                "Model loads",
                PER_SECOND,
                "What became of announced models.",
                "MusicrecModelRefused",
                rate("musicrec_model_loads_total", "outcome"),
            ),
            Panel(
                "Records passed over",
                PER_SECOND,
                "Records of followed topics that break the contract.",
                "MusicrecUnreadableRecords",
                rate("musicrec_unreadable_total", "topic"),
            ),
            Panel(
                "Rules in force",
                COUNT,
                "Rules that lists obey, by effect.",
                "MusicrecHitRateFallen",
                shown("musicrec_rules", "effect"),
            ),
            Panel(
                "Embedding memory failures",
                PER_SECOND,
                "Times that Redis did not say or take what is known of tracks' audio.",
                "MusicrecEmbeddingMemory",
                rate("musicrec_embedding_memory_failures_total", "instance"),
            ),
            Panel(
                "Re-embedding",
                MESSAGES,
                "Tracks that another model still has to embed, and whether it lets the embedder go first.",
                "MusicrecEmbedderBehind",
                [
                    *shown("musicrec_re_embedding_remaining_messages", "instance"),
                    Query(f"max by (instance) (musicrec_re_embedding_waits{{{CHOSEN}}})", "{{instance}} waits"),
                ],
            ),
        ],
    ),
    "Runtime": (
        "Processes: memory, processor, garbage, files, starts.",
        [
            Panel(
                "Memory",
                BYTES,
                "Resident memory; a ranking worker needs about 2 GB per million sessions.",
                "MusicrecWorkerUnreachable",
                shown("process_resident_memory_bytes", "job", "instance"),
            ),
            Panel(
                "CPU",
                COUNT,
                "Cores in use; session, ranking and outcome workers use one at most.",
                "MusicrecListsLateSlowly",
                rate("process_cpu_seconds_total", "job", "instance"),
            ),
            Panel(
                "Garbage collections",
                PER_SECOND,
                "Collections by generation; the oldest one stops a worker for tens of milliseconds.",
                "MusicrecListsLateSlowly",
                rate("python_gc_collections_total", "job", "generation"),
            ),
            Panel(
                "Open files",
                SHARE,
                "Open files against what the process may have.",
                "MusicrecOpenFiles",
                [
                    Query(
                        f"process_open_fds{{{CHOSEN}}} / process_max_fds{{{CHOSEN}}}",
                        "{{job}} {{instance}}",
                    )
                ],
            ),
            Panel(
                "Starts",
                COUNT,
                "Starts within the last hour.",
                "MusicrecRestartLoop",
                [Query(f"changes(process_start_time_seconds{{{CHOSEN}}}[1h])", "{{job}} {{instance}}")],
            ),
            Panel(
                "Releases",
                COUNT,
                "Processes by agent and release.",
                "MusicrecModelsDiffer",
                [Query(f"count by (agent, version) (musicrec_build_info{{{CHOSEN}}})", "{{agent}} {{version}}")],
            ),
        ],
    ),
}


def built(title: str) -> dashboard.Dashboard:
    """Return one dashboard."""
    description, panels = DASHBOARDS[title]
    made = (
        dashboard.Dashboard(f"musicrec: {title}")
        .uid(f"musicrec-{_name(title)}")
        .description(description)
        .tags(["musicrec"])
        .time("now-3h", "now")
        .refresh("30s")
        .link(
            dashboard.DashboardLink("musicrec")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["musicrec"])
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    for name, of in (("job", "musicrec_build_info"), ("instance", 'musicrec_build_info{job=~"$job"}')):
        made = made.with_variable(_variable(name, f"label_values({of}, {name})"))
    runbook = dashboard.TextBoxVariable("runbook").label("Runbook").description(RUNBOOK_HINT)
    made = made.with_variable(runbook.default_value("/runbook"))
    for number, panel in enumerate(panels, start=1):
        made = made.with_panel(_drawn(panel).id(number))
    return made


def _variable(name: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .datasource(SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def _drawn(panel: Panel) -> timeseries.Panel:
    legend = common.VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST)
    drawn = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.description)
        .unit(panel.unit)
        .min(0)
        .fill_opacity(5)
        .span(WIDTH)
        .height(HEIGHT)
        .datasource(SOURCE)
        .legend(legend.placement(LegendPlacement.BOTTOM))
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
        .links([dashboard.DashboardLink("Runbook").type(DashboardLinkType.LINK).url(f"${{runbook}}/{panel.page}.md")])
    )
    for number, query in enumerate(panel.queries):
        asked = prometheus.Dataquery().expr(query.expression).legend_format(query.legend).ref_id(chr(ord("A") + number))
        drawn = drawn.with_target(asked)
    return drawn


def files() -> dict[str, str]:
    """Return the text of every file by its name."""
    return {
        f"{_name(title)}.json": JSONEncoder(sort_keys=True, indent=2).encode(built(title).build()) + "\n"
        for title in DASHBOARDS
    }


def _name(title: str) -> str:
    return title.lower().replace(" ", "-")


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text)
        print(FOLDER / name, file=sys.stderr)


if __name__ == "__main__":
    main()
