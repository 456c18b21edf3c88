"""Start-up of the command line against importing its two libraries: `python benchmarks/startup.py`.

Runs the commands in turn, ten rounds, and prints each median and its ratio to `import click, pluggy`.
"""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ZOO = str(Path(sys.executable).with_name("zoo"))
COMMANDS = {
    "import click, pluggy": [sys.executable, "-c", "import click, pluggy"],
    "zoo --help": [ZOO, "--help"],
    "zoo list": [ZOO, "list"],
    "zoo plugins": [ZOO, "plugins"],
}


def main(rounds: int = 10) -> None:
    seconds = {name: [] for name in COMMANDS}
    for _ in range(rounds + 1):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - began)
    medians = {name: median(each[1:]) for name, each in seconds.items()}
    base = medians["import click, pluggy"]
    for name, value in medians.items():
        print(f"{name:22} {value * 1000:6.0f} ms  {value / base:4.2f}x")


if __name__ == "__main__":
    main()
