"""Time of a training step on one and on two threads, idle and beside a busy process: `python benchmarks/threads.py`.

Two threads of torch wait for each other several times in a step. By default (`spin`) they keep a core busy while they
wait, which is fast on idle cores, and slow where another process needs one of them: the scheduler then stops a thread
that the other one waits for. With `OMP_WAIT_POLICY=PASSIVE` (`sleep`), which `zoo train` sets, they give the core back.
The policy is read once, when torch is loaded, so each contender is a process of its own. They run in turn. Prints the
median milliseconds of a step over the rounds, and the speed relative to one thread.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

POLICIES = {"1 thread": (1, "PASSIVE"), "2 threads, spin": (2, "ACTIVE"), "2 threads, sleep": (2, "PASSIVE")}
STEPS = {"vae": 300, "vae:train.batch_size=128": 200, "vae:network=conv": 40}
BUSY = "while True: pass"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("contestants", nargs="*", default=list(STEPS), metavar="CONTESTANT")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    for busy in (0, 1):
        print("beside a busy process" if busy else "idle", flush=True)
        others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(busy)]
        try:
            for contestant in asked.contestants:
                report(contestant, asked.rounds)
        finally:
            for each in others:
                each.kill()


def report(contestant: str, rounds: int) -> None:
    """Print the median time of a step under each policy."""
    found = [{name: timed(contestant, *policy) for name, policy in POLICIES.items()} for _ in range(rounds)]
    print(f"  {contestant}")
    for name in POLICIES:
        milliseconds = median(each[name] for each in found)
        ratio = median(each["1 thread"] / each[name] for each in found)
        print(f"    {name:18} {milliseconds:8.1f} ms   {ratio:5.2f}x", flush=True)


def timed(contestant: str, threads: int, policy: str) -> float:
    """Return the milliseconds of a step, in a process of its own."""
    environment = os.environ | {"OMP_WAIT_POLICY": policy}
    environment.pop("OMP_NUM_THREADS", None)
    command = [sys.executable, __file__, "--child", contestant, str(threads)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def child(contestant: str, threads: int) -> None:
    import zoo

    data = zoo.load_data("mnist")
    zoo.train(contestant, data, steps=10, threads=threads)
    steps = STEPS.get(contestant, 100)
    with tempfile.TemporaryDirectory() as folder:
        zoo.train(contestant, data, steps=steps, threads=threads, folder=folder)
        print(1000 * json.loads((Path(folder) / "run.json").read_text())["seconds"] / steps)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]))
    else:
        main()
