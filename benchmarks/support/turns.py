"""Contestants that take turns: each lives in a process of its own, idle until it is told to train some steps.

What is compared must run interleaved, yet TensorFlow reads switches such as oneDNN's once a process. So each
contestant is a child with its own environment; the parent says "20" and gets the seconds that 20 steps took.
While one runs the others wait in a read and use no processor.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

LEAST = 1.0  # seconds that a turn takes


class Contestant:
    """A child process that trains on command.

    Args:
      name: what the table calls it. module: "benchmarks.peers.keras_fit" or the like, which calls `serve`.
      settings: flags for the child, a dict of plain values, handed to it as JSON.
      environment: variables to set; None as a value removes one. folder: the checkout that it runs in; None: this one.
    Raises (from any method):
      RuntimeError: the child died; its last lines are in the message.
    """

    def __init__(self, name, module, settings, environment=(), folder=None):
        self.name, self.settings, self.environment = name, settings, dict(environment)
        # On a GPU each would otherwise take all the memory when it starts.
        shared = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}
        variables = {k: v for k, v in (os.environ | shared | self.environment).items() if v is not None}
        self.errors = tempfile.TemporaryFile("w+")
        begin = time.perf_counter()
        self.child = subprocess.Popen([sys.executable, "-m", module, json.dumps(settings)], env=variables, text=True,
                                      cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        self.about = self._answer()
        self.ready_seconds = time.perf_counter() - begin

    def turn(self, steps, *of):
        """Trains `steps` steps. of: more ints, of which the child knows the meaning. Returns (images, seconds)."""
        self.child.stdin.write(" ".join(map(str, (steps, *of))) + "\n")
        self.child.stdin.flush()
        answer = self._answer()
        return answer["images"], answer["seconds"]

    def peak_memory_mib(self):
        with open(f"/proc/{self.child.pid}/status", encoding="utf-8") as status:
            return next(int(line.split()[1]) >> 10 for line in status if line.startswith("VmHWM"))

    def close(self):
        self.child.kill()  # it holds nothing worth saving, and `fit`'s processes can take a minute to leave
        self.child.wait()
        self.errors.close()

    def _answer(self):
        for line in self.child.stdout:  # libraries print too: ours are the lines that start with the mark
            if line.startswith(MARK):
                return json.loads(line[len(MARK):])
        self.errors.seek(0)
        raise RuntimeError(f"{self.name} ended: {self.errors.read()[-2000:]}")


def paced(contestant, steps, *of, seconds=LEAST):
    """A contestant's turns for `harness.interleave`: of so many steps, or of as many more as take the seconds, by what
    the turns before took. Short turns would measure how a call begins and ends. of: as for its turn."""
    def turn():
        nonlocal steps
        images, taken = contestant.turn(steps, *of)
        steps = max(steps, round(steps * seconds / taken))
        return images, taken
    return turn


MARK = "@turn "


def serve(make):
    """The child's side.

    `make(settings)` builds the contestant and returns (about, train): `about` is a dict for the record, its
    "settings" beside those asked for; train(steps, *of) → (images, seconds) trains that many steps. The first step,
    which compiles, has been taken when `make` returns.
    """
    about, train = make(json.loads(sys.argv[1]))
    print(MARK + json.dumps(about), flush=True)
    for line in sys.stdin:
        images, seconds = train(*map(int, line.split()))
        print(MARK + json.dumps({"images": images, "seconds": seconds}), flush=True)
