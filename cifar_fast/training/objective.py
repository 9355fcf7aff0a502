"""What is minimized and what is counted: cross-entropy with L2, top-1 and top-5."""
import tensorflow as tf


def cross_entropy(logits, labels, smoothing=0.0):
    """Cross-entropy of each example, float32 [B].

    Args:
      logits: float32 [B, K]. labels: int32 [B].
      smoothing: share of the label spread evenly over all K classes (Szegedy et al., 2016, arXiv:1512.00567), a float
        or a float64 scalar.
    """
    if isinstance(smoothing, float) and not smoothing:
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    classes = logits.shape[-1]
    # In float64, so that a tensor gives the bits that a constant gives.
    kept, spread = (tf.cast(share, tf.float32) for share in (1 - smoothing, smoothing / classes))
    targets = tf.one_hot(labels, classes) * kept + spread
    return tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=logits)


def l2_penalty(kernels, factor):
    """factor · Σ k² over all kernels, as Keras's `regularizers.L2`: float32 scalar."""
    if not factor:
        return tf.constant(0.0)
    return factor * tf.add_n([tf.reduce_sum(tf.square(k)) for k in kernels])


def ranks(logits, labels):
    """How many classes score higher than the true one: int32 [B]; 0 is a top-1 hit, below 5 a top-5 hit."""
    true = tf.gather(logits, labels, batch_dims=1)
    return tf.reduce_sum(tf.cast(logits > true[:, None], tf.int32), 1)
