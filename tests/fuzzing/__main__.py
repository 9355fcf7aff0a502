"""Feeds damaged and hostile files to the readers and watches what happens: `python -m tests.fuzzing --inputs=20000`.

Each input must become a data set or one line of a UserError. A child process for each kind does the reading, in 2 GiB
more of memory than it starts with and within 5 s an input, with an audit hook: to write a file, to open one that was
not asked for, to run or import or unpickle anything is a failure. An input is made from (kind, seed, number) alone,
so one that failed is made again by `--kind=K --start=N --inputs=1`.
"""
import argparse
import json
import subprocess
import sys
from pathlib import Path

from tests.fuzzing.kinds import KINDS
from tests.fuzzing.watch import child


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=2000, help="in all, shared by the kinds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, help="only this one, and in this process")
    parser.add_argument("--start", type=int, default=0, help="the first input's number")
    options = parser.parse_args(arguments)
    if options.kind:
        print(json.dumps(child(options.kind, options.seed, options.start, options.inputs)))
        return 0
    row = "{:12} {:>7} {:>8} {:>9} {:>14} {:>10}".format
    print(row("kind", "inputs", "refused", "accepted", "worst seconds", "peak MiB"))
    failures, total = [], 0
    share = -(-options.inputs // len(KINDS))
    for kind in KINDS:
        command = [sys.executable, "-m", "tests.fuzzing", f"--kind={kind}", f"--seed={options.seed}",
                   f"--start={options.start}", f"--inputs={share}"]
        root = Path(__file__).resolve().parents[2]
        result = subprocess.run(command, capture_output=True, text=True, cwd=root)
        if result.returncode:
            failures.append(f"{kind}: the process ended with {result.returncode} at {result.stderr[-400:]!r}")
            continue
        entry = json.loads(result.stdout)
        total += entry["inputs"]
        failures += entry["failures"]
        print(row(kind, entry["inputs"], entry["refused"], entry["accepted"], f"{entry['worst_seconds']:.3f}",
                  f"{entry['peak_mib']:.0f}"), flush=True)
    print(f"{total} inputs, {len(failures)} failures", *failures[:20], sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
