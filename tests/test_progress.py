"""Progress where there is no terminal: few lines, each once."""

from tests.mutants import CoinsPlugin
from zoo.conformance.verdict import examine
from zoo.report.progress import ShownProgress
from zoo.training.log import Report


def test_a_long_epoch_prints_one_line_however_often_it_reports(capsys):
    progress = ShownProgress()
    for epoch, step in [(0, 5), (1, 10), (1, 15), (1, 18), (2, 20), (3, 30), (4, 40), (5, 50), (5, 55)]:
        progress.report(Report(epoch, step, float(step), step / 60, 0.1, {"loss": 1 / step}))
    assert capsys.readouterr().err.splitlines() == [
        "epoch 1  loss 0.1  10.0 s",
        "epoch 2  loss 0.05  20.0 s",
        "epoch 5  loss 0.02  50.0 s",
    ]
    assert progress.losses == {"loss": 1 / 55}


class Recorded:
    """Bars that remember what they are told."""

    def __init__(self):
        self.moved = []

    def update(self, name, share, note):
        self.moved.append((name, share, note))

    def end(self, name, text, *, failed):
        self.moved.append((name, text))

    def say(self, text):
        self.moved.append(text)

    def close(self):
        pass


def test_a_check_moves_a_bar_by_the_share_of_checks_before_it_and_prints_nothing_without_bars(capsys):
    progress = ShownProgress()
    progress.move("coins", 0.5, "nothing-is-printed")
    assert capsys.readouterr() == ("", "")
    progress._bars = Recorded()
    examine(
        CoinsPlugin,
        only=["every-setting-is-described", "settings-survive-json"],
        progress=lambda check, done, number: progress.move("coins", done / number, check.name),
    )
    assert progress._bars.moved == [
        ("coins", 0.0, "every-setting-is-described"),
        ("coins", 0.5, "settings-survive-json"),
    ]
