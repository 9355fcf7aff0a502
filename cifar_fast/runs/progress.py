"""What a person sees while a run goes: a bar on a terminal, one plain line an epoch elsewhere."""
import sys

from tqdm import tqdm

from cifar_fast.system import streams


class Progress:
    """Context manager over a whole run: `update` within an epoch, `epoch_done` at its end."""

    def __init__(self, epochs, batch_size, stream=None):
        self.stream = stream or sys.stdout
        self.epochs, self.batch_size = epochs, batch_size
        self.bar = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._close()

    def update(self, epoch, step, steps, totals, steps_per_second):
        """step: steps done of this epoch's `steps`; totals: float32 [3] as `Engine.run` returns them."""
        if not streams.is_terminal(self.stream):
            return
        if self.bar is None:
            self.bar = tqdm(total=steps, initial=step, file=self.stream, leave=False, unit="step",
                            desc=f"epoch {epoch + 1}/{self.epochs}",
                            bar_format="{desc} {percentage:3.0f}%|{bar:30}| {remaining} left{postfix}")
        loss, hits = totals[0] / (step * self.batch_size), totals[1] / (step * self.batch_size)
        rate = f"{steps_per_second * self.batch_size:,.0f} images/s" if steps_per_second else "compiling"
        self.bar.n = step
        self.bar.set_postfix_str(f"loss {loss:.4f}, accuracy {hits:.4f}, {rate}")  # shown at once

    def epoch_done(self, line):
        """line: the epoch's record as `metrics.jsonl` has it."""
        self._close()
        text = (f"epoch {line['epoch']:>3}/{self.epochs}  loss {line['loss']:.4f}  accuracy {line['accuracy']:.4f}"
                f"  top-5 {line['top5']:.4f}")
        if "test_accuracy" in line:
            text += (f"  test loss {line['test_loss']:.4f}  accuracy {line['test_accuracy']:.4f}"
                     f"  top-5 {line['test_top5']:.4f}")
        text += f"  {line['seconds']:.1f} s  {line['images_per_second']:,.0f} images/s"
        streams.put(text, self.stream)

    def _close(self):
        if self.bar is not None:
            self.bar.close()
            self.bar = None
