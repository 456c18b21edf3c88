"""How the contestants of a table were trained: rows that are finished runs have budgets and seeds of their own."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.results.schema import BudgetFacts, Protocol, Results, Row


@dataclass(frozen=True)
class Trained:
    """How a contestant was trained.

    Attributes:
        budget: of each training, e.g. `20 epochs`.
        seeds: of the trainings, at least one.
        is_run: whether it is a finished run, trained before the comparison.
        weights: sha256 of the weights with which a run's training started; "" if they were drawn.
    """

    budget: str
    seeds: tuple[int, ...]
    is_run: bool = False
    weights: str = ""

    def __str__(self) -> str:
        """`20 epochs, 5 seeds`; of a run `a run of 20 epochs with seed 0`."""
        if not self.is_run:
            return f"{self.budget}, {count(len(self.seeds))}"
        start = f", started from weights of sha256 {self.weights[:12]}" if self.weights else ""
        return f"a run of {self.budget} with seed {self.seeds[0]}{start}"


def budget_text(budget: BudgetFacts | None) -> str:
    """`20 epochs`; "" for None."""
    return f"{budget.value:g} {budget.unit}" if budget else ""


def count(seeds: int) -> str:
    """`1 seed`, `5 seeds`."""
    return f"{seeds} seed{'' if seeds == 1 else 's'}"


def trained(row: Row, protocol: Protocol) -> Trained | None:
    """Return how a row of a comparison was trained; None for one that was not, and for files of samples."""
    if row.role != "contestant" or row.kind == "samples" or not row.cells:
        return None
    settings = row.settings or {}
    budget = settings.get("budget") or budget_text(protocol.budget)
    seeds = tuple(cell.seed for cell in row.cells)
    return Trained(budget, seeds, row.kind == "run", settings.get("weights", "")) if budget else None


def budget_of(row: Row, protocol: Protocol) -> str:
    """Return the budget of a row's trainings; "" for a row that was not trained."""
    how = trained(row, protocol)
    return how.budget if how else ""


def all_trained(results: Results) -> dict[str, Trained]:
    """Return how each contestant was trained, by its text; without those that were not."""
    found = {row.contestant: trained(row, results.protocol) for row in results.rows}
    return {text: each for text, each in found.items() if each}


def in_brief(results: Results) -> str:
    """Return the trainings of the whole table: those of the comparison itself, or of the runs if it has no others.

    `100 epochs, 5 seeds`, `a run of 20 epochs with seed 0`, `runs of 20 epochs`, `trainings with different budgets`;
    "" if nothing was trained.
    """
    found = list(all_trained(results).values())
    own = [each for each in found if not each.is_run] or found
    budgets = {each.budget for each in own}
    if not own:
        return ""
    if len(budgets) > 1:
        return f"{'runs' if own[0].is_run else 'trainings'} with different budgets"
    if own[0].is_run:
        return str(own[0]) if len(own) == 1 else f"runs of {own[0].budget}"
    numbers = sorted({len(each.seeds) for each in own})
    seeds = count(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {count(numbers[-1])}"
    return f"{own[0].budget}, {seeds}"


def in_full(results: Results) -> str:
    """Return the trainings of each contestant in one sentence; "" where `in_brief` says as much."""
    groups: dict[str, list[str]] = {}
    for text, each in all_trained(results).items():
        groups.setdefault(str(each), []).append(text)
    if list(groups) in ([], [in_brief(results)]):
        return ""
    sentences = [f"{', '.join(names)}: {how}" for how, names in groups.items()]
    return f"Trainings: {'; '.join(sentences)}"
