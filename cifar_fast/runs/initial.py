"""The weights that a run begins with where --init_from names them: those of another run, or of a `.keras` file that
`export` wrote, trained further or not."""
import re
from pathlib import Path

import keras

from cifar_fast.errors import UserError, short
from cifar_fast.machine import devices
from cifar_fast.network import plain
from cifar_fast.runs import saved
from cifar_fast.runs.directory.workdir import config_of_run
from cifar_fast.system.streams import say
from cifar_fast.training.vectors import packed

LAST = "dense"  # the layer that a network for other classes has of its own
ESSENTIAL = re.compile(r"unit\d+_(?!blur)|whitening")  # layers that change what the others compute


class Initial:
    """Weights by layer, as `plain.weighted` names the layers, read from a run's folder or a file, `source`.

    class_names: of the data to be trained on. The last layer's weights are taken for the same classes alone; of a file,
    which does not name them, for as many.

    Raises:
      UserError: no network is there.
    """

    def __init__(self, source, class_names):
        self.source = source
        if Path(source).suffix == ".keras":
            layers, same = {layer.name: layer for layer in _opened(source).layers}, True
        else:
            compute = devices.resolve("float32", "off", convolutions="tensorflow")
            model, signature, *_ = saved.restored(config_of_run(source), "best", compute)
            layers, same = plain.weighted(model), signature.class_names == tuple(class_names)
        self.weights = {name: layer.get_weights() for name, layer in layers.items() if same or name != LAST}

    def give(self, trainer):
        """Puts the weights into a `Trainer` that has not trained yet, and says so.

        Raises:
          UserError: they are those of another network.
        """
        for engine in trainer.engines:
            layers, said = plain.weighted(engine.model), ""
            for name in [n for n in self.weights if n not in layers and ESSENTIAL.match(n)]:
                raise UserError(f"--init_from={self.source}: has a layer {short(name)}, which this network has not; "
                                f"{HINT}")
            for name, layer in layers.items():
                theirs, shapes = self.weights.get(name, []), [w.shape for w in layer.get_weights()]
                if [w.shape for w in theirs] == shapes:
                    layer.set_weights(theirs)
                elif name != LAST:
                    raise UserError(f"--init_from={self.source}: has no layer {name} with weights of "
                                    f"{', '.join(map(str, shapes))}; {HINT}")
                else:
                    said = ", all but the last layer: that is for other classes"
            if engine.average:
                engine.average.variables[0].assign(packed(engine.model.variables))
        say(f"begun with the weights of {self.source}{said}")


HINT = "give --units, --filters, --whitening as they were, and data of as many channels"


def _opened(path):
    try:
        return keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:  # whatever Keras finds wrong with a file
        raise UserError(f"--init_from={path}: can't be opened ({short(str(error))}); expected what cifar_fast export "
                        "--format=keras wrote, of this version of Keras or an older one") from error
