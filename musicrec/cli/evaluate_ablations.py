"""`musicrec evaluate ablations`: what each part of the ranking is worth, as a page with a picture."""

from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from musicrec.evaluation.ablations import EVERYTHING, NO_RANKER, Ablation, AblationResult, ablations_of, measured
from musicrec.evaluation.ablations_document import ablations_page, draw_course
from musicrec.evaluation.baselines import FOR_STREAMS
from musicrec.evaluation.contest import OURS
from musicrec.sequence.encoder_loading import load_encoders

BESIDE = ("vstan", "rank-fusion")
STRETCH = 10_000


def command(
    file: Annotated[
        Path,
        typer.Argument(help="Parquet with user, ended_at_ms, ms_played, track, artist; or listen events as .jsonl."),
    ],
    out: Annotated[Path, typer.Option(help="Page to write; the picture stands beside it.")] = Path("docs/ablations.md"),
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many events of FILE.")] = None,
    unscored: Annotated[int, typer.Option(min=0, help="The first so many events of FILE are learned, not scored.")] = 0,
    encoder: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a trained session encoder; the one speaks that saw most before a case."),
    ] = None,
    stretch: Annotated[int, typer.Option(min=1, help="Cases per point of the picture.")] = STRETCH,
    jobs: Annotated[int, typer.Option(min=1, help="Passes at a time.")] = 1,
) -> None:
    """Pass over a listening log once per part of the ranking, with that part left out, and write a page.

    Every pass tests, then trains, as `musicrec evaluate stream` does.  The picture shows the ranking, the same without
    its ranker, and two baselines over the stream.
    """
    console = Console(stderr=True)
    ablations = ablations_of(file)
    results: dict[str, AblationResult] = {}
    with ProcessPoolExecutor(jobs) as pool:
        passes = [pool.submit(_measured, each, file, limit, unscored, encoder, stretch) for each in ablations]
        for done in as_completed(passes):
            result = done.result()
            results[result.name] = result
            ours = result.figures[OURS]["all"]
            console.print(f"{len(results)} of {len(ablations)}: {result.name}: {ours['hr@20']} {ours['mrr@20']}")
    everything = results[EVERYTHING.name]
    out.parent.mkdir(parents=True, exist_ok=True)
    picture = out.with_suffix(".svg")
    without_ranker = results[NO_RANKER.name].points[OURS]
    draw_course({**everything.points, "musicrec without its ranker": without_ranker}, stretch, picture)
    about = (
        f"{everything.figures[OURS]['all']['events']:,} cases of {file.name}, test then train, by\n"
        f"`musicrec evaluate ablations {file.name}{_options(limit, unscored, encoder, stretch)}`."
    )
    out.write_text(ablations_page([results[each.name] for each in ablations], about, picture.name), encoding="utf-8")
    console.print(f"{out}, {picture}")


def _measured(
    ablation: Ablation, file: Path, limit: int | None, unscored: int, encoder: list[Path] | None, stretch: int
) -> AblationResult:
    baselines = {name: FOR_STREAMS[name] for name in BESIDE} if ablation == EVERYTHING else {}
    return measured(
        ablation,
        file,
        limit=limit,
        unscored=unscored,
        encoders=load_encoders(encoder),
        baselines=baselines,
        stretch=stretch,
    )


def _options(limit: int | None, unscored: int, encoder: list[Path] | None, stretch: int) -> str:
    said = [f" --limit {limit}" if limit is not None else "", f" --unscored {unscored}" if unscored else ""]
    said += [f" --encoder {folder.name}" for folder in encoder or ()]
    return "".join([*said, f" --stretch {stretch}" if stretch != STRETCH else ""])
