"""The fault harness, a fault of most kinds: `python -m benchmarks.faults` tries them by the hundred."""
import json
import subprocess
import sys


def test_a_run_survives_a_fault_of_most_kinds(tmp_path):
    record = tmp_path / "faults.json"
    done = subprocess.run([sys.executable, "-m", "benchmarks.faults", "--short", f"--out={record}"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    tried = json.loads(record.read_text())["results"]
    assert all(row["tried"] == row["survived"] and not row["lost"] for row in tried)
    names = " ".join(row["fault"] for row in tried)
    for kind in ("SIGKILL", "a killed run's end", " fails", "file size limit", "a file of the run", "second run",
                 "a dead process's lock", " in ", "a file system without"):
        assert kind in names, kind
    assert any(row["fault"].startswith(("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR")) for row in tried)
