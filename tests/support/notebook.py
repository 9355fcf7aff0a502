"""The notebook, run cell by cell. `python -m tests.support.notebook` runs it as users do and keeps what it printed."""
import os
from pathlib import Path

import nbclient
import nbformat

PATH = Path(__file__).parents[2] / "docs" / "cifar_fast.ipynb"


def executed(folder, small=False):
    """The notebook after a kernel has run all its cells in a folder; with its small settings if asked for.

    The kernel's "ZMQError: Socket operation on non-socket" says no more than that a cell took longer than it may.
    """
    notebook = nbformat.read(PATH, as_version=4)
    cells = [cell for cell in notebook.cells if cell.source.startswith("SMALL = False")]
    assert len(cells) == 1
    if small:
        cells[0].source = cells[0].source.replace("SMALL = False", "SMALL = True")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(PATH.parents[1])  # the checkout, if it is not installed
    try:
        nbclient.NotebookClient(notebook, timeout=1800, startup_timeout=600,
                                resources={"metadata": {"path": str(folder)}}).execute()
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
    return notebook


def main():
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        notebook = executed(folder)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when each cell ran
    nbformat.write(notebook, PATH)


if __name__ == "__main__":
    main()
