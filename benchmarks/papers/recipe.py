"""The recipe: run what is missing of a paper's preset, judge its claims, write JSON, figures and report."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.common import plots
from benchmarks.common.environment import available_cores, describe_environment
from benchmarks.common.errors import BenchmarkError
from benchmarks.common.jobs import run_jobs
from benchmarks.common.results import UnitStore, last_line, write_json, write_text
from benchmarks.papers import figures
from benchmarks.papers.claims import Judged, Verdict, judge
from benchmarks.papers.finished import (
    UNITS,
    finished_to_json,
    load_results,
    load_unit,
    save_unit,
    settings_to_json,
    take_up,
    unit_store,
)
from benchmarks.papers.paper import Paper, Preset, Record, Resources, Setting, Unit
from benchmarks.papers.records import Results
from benchmarks.papers.registry import PAPERS, find_paper
from benchmarks.papers.report import has_curves, render_report

_MADE_FOR = "made-for"
"""In a setting's folder: the parameters that what it serves was made for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe's own options."""
    parser.add_argument("--paper", required=True, metavar="NAME", help=", ".join(PAPERS))
    parser.add_argument("--preset", choices=("cpu", "full"), default="cpu", help="default %(default)s")
    parser.add_argument("--settings", metavar="NAME,...", help="run only these settings")
    parser.add_argument("--strategies", metavar="NAME,...", help="run only these strategies")
    parser.add_argument("--report", action="store_true", help="run nothing; report what is finished")
    parser.add_argument(
        "--extend",
        type=Path,
        metavar="JSON",
        help="count what was published there as finished, not to run it anew",
    )
    parser.add_argument("--processes", type=int, help="units at the same time (the cores, 2 at most)")
    parser.add_argument("--work", type=Path, help="folder for what is made on the way (out/papers)")


def run(options: argparse.Namespace) -> int:
    """Run the recipe; see the package."""
    paper = find_paper(options.paper)
    name = "quick" if options.quick else options.preset
    preset = paper.presets[name]
    work: Path = (options.work or Path("out/papers")) / paper.name / name
    if options.extend is not None:
        take_up(options.extend, paper, preset, work)
    if not options.report:
        chosen = _chosen(preset, options.settings)
        strategies = _names(options.strategies)
        if unknown := set(strategies) - {each for setting in chosen for each in setting.strategies}:
            raise BenchmarkError(f"no such strategy in these settings: {', '.join(sorted(unknown))}")
        for setting in chosen:
            run_setting(
                paper,
                setting,
                work,
                strategies=strategies,
                processes=options.processes or min(2, available_cores()),
            )
    results = load_results(preset, work)
    judged = judge(paper.claims, results)
    # The committed results are those of "cpu"; the other presets' stand beside them.
    out: Path = options.out / (paper.name if name == "cpu" else f"{paper.name}-{name}")
    publish(out, paper, name, results, judged)
    print(f"results in {out}")
    print(last_line("papers", closing_values(paper.name, judged)))
    return 0


def run_setting(
    paper: Paper, setting: Setting, work: Path, *, strategies: Sequence[str], processes: int
) -> None:
    """Run the units of a setting that are not finished, those of some strategies only where any are named."""
    store = unit_store(setting, work)
    units = [unit for unit in setting.units() if not strategies or unit.strategy in strategies]
    missing = [unit for unit in units if load_unit(store, unit) is None]
    total, finished = setting.rounds * len(units), setting.rounds * (len(units) - len(missing))
    with tqdm(total=total, initial=finished, desc=f"{paper.name} {setting.name}", unit="round") as progress:
        if not missing:
            return
        with paper.prepare(missing, served_folder(setting, work)) as resources:
            run_jobs(
                missing,
                _work,
                start=partial(_start, paper.name, resources),
                keep=partial(save_unit, store),
                progress=progress,
                processes=processes,
            )


def served_folder(setting: Setting, work: Path) -> Path:
    """Return the folder of what a setting serves, without what was made there for other parameters."""
    folder = work / setting.name
    made = UnitStore(folder, setting.parameters)
    if made.load(_MADE_FOR) is None:
        for path in folder.glob("*"):
            if path.is_dir() and path.name != UNITS:
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()
        made.save(_MADE_FOR, {})
    return folder


# Of a worker process: set once by _start.
_worker: dict[str, Any] = {}


def _start(paper: str, resources: Resources) -> None:
    _worker.update(paper=find_paper(paper), resources=resources)


def _work(unit: Unit) -> Record:
    paper: Paper = _worker["paper"]
    return paper.run(unit, _worker["resources"])


def publish(out: Path, paper: Paper, preset: str, results: Results, judged: Sequence[Judged]) -> None:
    """Write the JSON, the figures and the report."""
    environment = describe_environment()
    value = {
        "name": "papers",
        "paper": paper.name,
        "preset": preset,
        **environment,
        "claims": {each.claim.name: each.to_json() for each in judged},
        "settings": settings_to_json(results.preset),
        **finished_to_json(results),
    }
    write_json(out / f"{paper.name}.json", value)
    for setting in results.preset.settings:
        finished = dict(results.finished.get(setting.name, {}))
        if finished and has_curves(finished):
            plots.save(figures.curves_figure(setting, finished), out / f"{setting.name}.png")
    for name, made in paper.figures(results).items():
        plots.save(made, out / f"{name}.png")
    write_text(out / "REPORT.md", render_report(paper, preset, results, judged, environment))


def closing_values(paper: str, judged: Sequence[Judged]) -> dict[str, float | str]:
    """Return the values of the last line."""

    def count(verdict: Verdict) -> str:
        return str(sum(each.verdict is verdict for each in judged))

    return {
        "paper": paper,
        "claims": str(len(judged)),
        "hold": count(Verdict.HOLDS),
        "fail": count(Verdict.FAILS),
        "not_run": count(Verdict.NOT_RUN),
    }


def _chosen(preset: Preset, names: str | None) -> Sequence[Setting]:
    wanted = _names(names)
    known = [setting.name for setting in preset.settings]
    if unknown := [name for name in wanted if name not in known]:
        raise BenchmarkError(f"no such setting: {', '.join(unknown)}; this preset has {', '.join(known)}")
    return [setting for setting in preset.settings if not wanted or setting.name in wanted]


def _names(given: str | None) -> list[str]:
    return [name.strip() for name in given.split(",") if name.strip()] if given else []
