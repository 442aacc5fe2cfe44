"""Is the shop world calibrated? Prints the figures that docs/world.md states, measured again.

    python -m benchmarks.calibration [--seeds 10] [presets] [gates] [faults] [loop] [curve] [costs]

A seed takes some 3 s for each preset, 9 s for the faults, 8 s for the loop (`sated`: a minute); set
OPENBLAS_NUM_THREADS=1, as everywhere.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from benchmarks.shop import (
    Plan,
    Shop,
    harm,
    live_through,
    lost_by_age,
    popular,
    slates,
    warmed_up,
)
from reference_stack.features.impressions import Impressions
from reference_stack.features.snapshot import build, customer_row
from reference_stack.seeds import stream
from reference_stack.trainer.evaluation import evaluate
from reference_stack.trainer.model import fit
from reference_stack.trainer.scorer import Scorer
from reference_stack.world import World, preset

DAYS = 21


def table(title: str, columns: Iterable[str], rows: Iterable[tuple[str, Iterable[str]]]) -> None:
    print(f"\n{title}\n" + "".join(f"{name:>12}" for name in ("", *columns)))
    for name, cells in rows:
        print(f"{name:>12}" + "".join(f"{cell:>12}" for cell in cells), flush=True)


def of_a_preset(name: str, seeds: int) -> list[str]:
    clicks, popularity, oracle, rows, wobble = [], [], [], [], []
    ages: dict[int, list[float]] = {1: [], 3: [], 7: [], 14: []}
    for seed in range(1, 1 + few(name, seeds)):
        shop = live_through(warmed_up(World.draw(preset(name), seed)), DAYS, Plan())
        world = shop.world
        quality = np.array([shop.quality[day] for day in range(DAYS)])
        clicks.append(quality.mean())
        best = [float(world.customers.activity @ world.best_values(day)) for day in range(DAYS)]
        oracle.append((quality / best).mean())
        floor = [world.quality(day, popular(world, shop.releases[day], day), 0.02) for day in range(DAYS)]
        popularity.append((quality / floor).mean())
        wobble.append(np.diff(quality).std() / quality.mean() / np.sqrt(2))
        rows += [len(shop.partitions[day]) for day in range(DAYS)]
        for age, lost in ages.items():
            lost.append(float(np.mean([lost_by_age(shop, day, age) for day in range(0, DAYS, 2)])))
    return [
        f"{np.mean(clicks):.2f}",
        f"{np.mean(popularity):.2f} ({np.min(popularity):.2f})",
        f"{np.mean(oracle):.3f}",
        *(f"{100 * np.mean(lost):.1f}%" for lost in ages.values()),
        f"{100 * np.mean(wobble):.1f}%",
        f"{np.mean(rows):.0f}",
    ]


def presets(seeds: int) -> None:
    columns = ["clicks", "÷popularity", "÷oracle", "1 d", "3 d", "7 d", "14 d", "sd a day", "rows"]
    names = ("default", "starved", "rich", "hungry", "sated")
    table(f"presets, {seeds} seeds", columns, ((name, of_a_preset(name, seeds)) for name in names))


def gates(seeds: int) -> None:
    for name in ("default", "starved", "rich", "hungry"):
        results = []
        for seed in range(1, 1 + seeds):
            shop = live_through(warmed_up(World.draw(preset(name), seed)), DAYS, Plan())
            for day in range(DAYS):
                days = shop.window(day)[1:]
                rows = Impressions.join([shop.partitions[d] for d in days])
                serving = shop.releases[day]
                challenger = fit(rows, shop.world.catalogue, day)
                results.append(
                    evaluate(
                        challenger,
                        shop.partitions[day],
                        serving.snapshot,
                        shop.world.catalogue,
                        serving.model,
                    )
                )
        marks = (0, 0.01, 0.05, 0.5, 0.99)
        rows_of = [
            ("z popularity", [r.z_popularity for r in results]),
            ("z champion", [r.z_champion for r in results]),
            ("AUC", [r.auc for r in results]),
        ]
        cells = ((n, [f"{q:.2f}" for q in np.quantile(values, marks)]) for n, values in rows_of)
        table(f"innocent challengers, {name}, {len(results)} days", [f"{m:.0%}" for m in marks], cells)


FAULTS = {
    "late 3 d": Plan(missing=range(3), until=4),
    "  hold": Plan(hold=range(1, 4)),
    "late 5 d": Plan(missing=range(5), until=6),
    "  hold ": Plan(hold=range(1, 6)),
    "late 7 d": Plan(missing=range(7), until=8),
    "  hold  ": Plan(hold=range(1, 8)),
    "popular 3 d": Plan(popularity=range(1, 4)),
    "zeros 3 d": Plan(strangers=range(1, 4)),
    "placebo": Plan(missing=range(-7, -6), until=1),
}


def faults(seeds: int) -> None:
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in FAULTS}
    for seed in range(1, 1 + seeds):
        shop = warmed_up(World.draw(preset("default"), seed))
        control = live_through(shop, 15, Plan())
        for name, plan in FAULTS.items():
            arm = live_through(shop, 15, plan)
            found[name].append((harm(arm, control, range(1, 8)), harm(arm, control, range(1, 15))))
    table(
        f"harm in %-days of true quality, default, {seeds} seeds, mean ± SE",
        ["7 d", "14 d"],
        ((name, [spread(np.array(harms)[:, i]) for i in (0, 1)]) for name, harms in found.items()),
    )


def spread(values: np.ndarray) -> str:
    return f"{values.mean():.0f} ± {values.std(ddof=1) / np.sqrt(len(values)):.0f}"


def loop(seeds: int) -> None:
    columns = ["quality end", "week later", "rows end", "users end", "week later"]
    table(f"14 slow days, % of the control, {seeds} seeds, mean ± SE", columns, loops(seeds))


def loops(seeds: int) -> Iterator[tuple[str, list[str]]]:
    for name in ("hungry", "sated"):
        count = few(name, seeds)
        shops = [warmed_up(World.draw(preset(name), seed)) for seed in range(1, 1 + count)]
        controls = [live_through(shop, 23, Plan(returning=True)) for shop in shops]
        for latency_s in (5.5, 3.5):
            plan = Plan(slow=range(14), latency_s=latency_s, returning=True)
            arms = [live_through(shop, 23, plan) for shop in shops]
            pairs = list(zip(arms, controls, strict=True))

            def change(figure: Callable[[Shop], float], pairs: list[tuple[Shop, Shop]] = pairs) -> str:
                return spread(np.array([100 * (figure(arm) / figure(control) - 1) for arm, control in pairs]))

            cells = [
                change(lambda shop: float(np.mean([shop.quality[d] for d in (12, 13, 14)]))),
                change(lambda shop: float(np.mean([shop.quality[d] for d in (20, 21, 22)]))),
                change(lambda shop: float(shop.releases[14].model.rows)),
                change(lambda shop: shop.levels[13]),
                change(lambda shop: shop.levels[20]),
            ]
            yield f"{name} {latency_s}s", cells


SHARES = (1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125)


def curve(seeds: int) -> None:
    """Quality by how many of a window's page views a model is trained on: the learning curve of the loop."""
    columns = [f"1/{round(1 / share)}" for share in SHARES[1:]] + ["popularity"]
    names = ("default", "hungry", "sated")
    levels, slopes = {}, {}
    for name in names:
        shops = [
            live_through(warmed_up(World.draw(preset(name), seed)), 8, Plan())
            for seed in range(1, 1 + few(name, seeds))
        ]
        found = np.array([thinned(shop, day) for shop in shops for day in (5, 7)])
        levels[name] = [f"{100 * value:.0f}%" for value in found.mean(axis=0)]
        log = np.log(np.concatenate([[1.0], found.mean(axis=0)[:-1]]))
        slopes[name] = [f"{value:.2f}" for value in -np.diff(log) / np.log(2)]
    table(f"quality with fewer views, {seeds} seeds", columns, levels.items())
    table("ε on the way there", columns[:-1], slopes.items())


def thinned(shop: Shop, day: int) -> list[float]:
    """Quality of `day` with a share of the window's views (whole ones), and with popularity, ÷ with all."""
    world, kept = shop.world, dict(shop.partitions)
    exploration = world.parameters.exploration
    found = []
    for share in SHARES:
        for known in shop.window(day):
            rows = kept[known]
            draws = stream(world.seed, "thinned", known).random(int(rows.view.max()) + 1)
            shop.partitions[known] = rows.where(draws[rows.view] < share)
        found.append(world.quality(day, slates(world, shop.train(day, shop.window(day)), day), exploration))
    shop.partitions = kept
    found.append(world.quality(day, popular(world, shop.releases[day], day), exploration))
    return [value / found[0] for value in found[1:]]


def few(name: str, seeds: int) -> int:
    """`sated` has seven times the rows of `default` and next to no noise: three seeds are enough."""
    return min(seeds, 3) if name == "sated" else seeds


def costs(_: int) -> None:
    start = time.process_time()
    shop = warmed_up(World.draw(preset("default"), 1))
    warm_s = time.process_time() - start
    world, catalogue = shop.world, shop.world.catalogue
    rows = Impressions.join([shop.partitions[day] for day in shop.window(0)])
    snapshot = build(rows, catalogue, 0)
    model = fit(rows, catalogue, 0, snapshot=snapshot)
    live = world.live_products(0)
    scorer = Scorer.of(model, catalogue, 0, live, snapshot.products)
    row, slate, arrivals = (
        customer_row(snapshot, 7),
        scorer.slate(customer_row(snapshot, 7), 2).tolist(),
        world.arrivals(0, 1),
    )
    print(f"\nCPU time, default\n{'warm-up':>12}{warm_s:>12.2f} s")
    for name, call, times in (
        ("snapshot", lambda: build(rows, catalogue, 0), 20),
        ("fit", lambda: fit(rows, catalogue, 0, snapshot=snapshot), 20),
        ("evaluate", lambda: evaluate(model, shop.partitions[-1], snapshot, catalogue, model), 20),
        ("scorer", lambda: Scorer.of(model, catalogue, 0, live, snapshot.products), 200),
        ("row", lambda: customer_row(snapshot, 7), 2000),
        ("slate", lambda: scorer.slate(row, 2), 2000),
        ("look", lambda: world.look(arrivals, 5, slate), 2000),
    ):
        print(f"{name:>12}{1e6 * timed(call, times):>12.1f} µs")


def timed(call: Callable[[], object], times: int) -> float:
    call()
    start = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - start) / times


def main() -> None:
    parts = {
        "presets": presets,
        "gates": gates,
        "faults": faults,
        "loop": loop,
        "curve": curve,
        "costs": costs,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], default=[])
    arguments = parser.parse_args()
    for name in arguments.parts or parts:
        parts[name](arguments.seeds)


if __name__ == "__main__":
    main()
