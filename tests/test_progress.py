"""Progress where there is no terminal: few lines, each once."""

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
