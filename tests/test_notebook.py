"""The notebook runs, with small settings, and what it holds is what a run of it printed."""
import pytest

nbformat = pytest.importorskip("nbformat", reason="of the extra [test]")
pytest.importorskip("nbclient", reason="of the extra [test]")

from tests.support import notebook  # noqa: E402


def texts(book):
    return ["".join(out.get("text", "") for out in cell.get("outputs", [])) for cell in book.cells]


def pictures(book):
    return sum("image/png" in out.get("data", {}) for cell in book.cells for out in cell.get("outputs", []))


def test_the_notebook_runs_with_small_settings(tmp_path):
    done = notebook.executed(tmp_path, small=True)
    written = "\n".join(texts(done))
    assert "test accuracy" in written and "times as fast" in written and pictures(done) >= 3
    assert (tmp_path / "runs" / "notebook" / "model.keras").exists()


def test_the_file_has_the_output_of_a_run():
    book = nbformat.read(notebook.PATH, as_version=4)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert pictures(book) >= 3 and not any(
        out.output_type == "error" for cell in code for out in cell.outputs)
