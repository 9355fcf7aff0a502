"""Which examples come next: tf.data pipelines of index batches, or of image batches for data that don't fit.

The order of epoch e is `plan.permutation`'s, so a run that goes on in the middle of an epoch needs no saved
iterator. Both kinds of pipeline deliver the same examples in the same order.
"""
import tensorflow as tf

RESIDENT_BYTES = 2 << 30  # auto keeps up to this on the device; CIFAR takes 150 MB
PREFETCHED = 4  # batches: a fixed few, since autotuning may fill the memory with them


def index_batches(order, batch_size, start=0):
    """The full batches of an order (int32 [n]) from step `start` on, as a dataset of int32 [batch_size].

    The remainder is left out, another one each epoch."""
    steps = len(order) // batch_size
    order = order[:steps * batch_size].reshape(steps, batch_size)
    return tf.data.Dataset.from_tensor_slices(order[start:]).with_options(_options())


def image_batches(images, labels, order, batch_size, start=0, share=slice(None)):
    """The same batches with their examples: (indices int32 [B], images uint8 [B, H, W, C], labels int32 [B]); images
    and labels only of `share`, the slice of each batch that is wanted here.

    The arrays are indexed where they lie, so they may be a memory map larger than the memory; `PREFETCHED`
    batches are all that is held.
    """
    batches = index_batches(order, batch_size, start)

    def fetch(indices):
        wanted = indices[share]
        fetched = tf.numpy_function(lambda i: (images[i], labels[i]), [wanted], [images.dtype, labels.dtype])
        fetched[0].set_shape([*wanted.shape, *images.shape[1:]])
        fetched[1].set_shape(wanted.shape)
        return indices, *fetched

    return batches.map(fetch).prefetch(PREFETCHED).with_options(_options())


def is_resident(asked, images):
    """Whether the training images stay on the device; `asked` is "auto", "resident" or "stream"."""
    return asked == "resident" or asked == "auto" and images.nbytes <= RESIDENT_BYTES


def _options():
    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1  # keeps the pipeline's work off the training threads
    return options
