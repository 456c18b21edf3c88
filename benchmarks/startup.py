"""Start-up time of the command line relative to importing click and pluggy: `python benchmarks/startup.py`.

Runs the commands in turn, ten rounds, and prints each median and its ratio to `import click, pluggy`. Then prints the
ratio of `zoo list` with 47 more plugins, one broken and one that takes 10 s to import, to `zoo list` without them.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ZOO = str(Path(sys.executable).with_name("zoo"))
MANY = "zoo list, 47 more"
COMMANDS = {
    "import click, pluggy": [sys.executable, "-c", "import click, pluggy"],
    "zoo --help": [ZOO, "--help"],
    "zoo list": [ZOO, "list"],
    "zoo plugins": [ZOO, "plugins"],
    MANY: [ZOO, "list"],
}


def install(site: Path, plugins: int = 47) -> None:
    """Write distributions of one plugin each, as pip would: a module and its metadata."""
    sources = ["raise ImportError('broken')", "import time; time.sleep(10)", *[""] * plugins]
    for number, source in enumerate(sources[:plugins]):
        (site / f"zoo_many_{number}.py").write_text(source)
        info = site / f"zoo_many_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.4\nName: zoo-many-{number}\nVersion: 1.0\nSummary: one of many\n"
            "Requires-Python: >=3.11\nRequires-Dist: genzoo<0.2,>=0.1\nRequires-Dist: torch>=2.6\n\nA description.\n"
        )
        (info / "entry_points.txt").write_text(f"[zoo.models]\nmany-{number} = zoo_many_{number}:Plugin\n")


def main(rounds: int = 10) -> None:
    seconds = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as site:
        install(Path(site))
        many = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [site, os.environ.get("PYTHONPATH")]))}
        for _ in range(rounds + 1):
            for name, command in COMMANDS.items():
                began = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True, env=many if name == MANY else None)
                seconds[name].append(time.perf_counter() - began)
    medians = {name: median(each[1:]) for name, each in seconds.items()}
    base = medians["import click, pluggy"]
    for name, value in medians.items():
        print(f"{name:22} {value * 1000:6.0f} ms  {value / base:4.2f}x")
    print(f"50 plugins relative to 3: {medians[MANY] / medians['zoo list']:.2f}x")


if __name__ == "__main__":
    main()
