"""What is minimized and what is counted: cross-entropy with L2, top-1 and top-5."""
import numpy as np
import tensorflow as tf


def cross_entropy(logits, labels, smoothing=0.0, class_weights=None):
    """Cross-entropy of each example, float32 [B].

    Args:
      logits: float32 [B, K]. labels: int32 [B].
      smoothing: share of the label spread evenly over all K classes (Szegedy et al., 2016, arXiv:1512.00567), a float
        or a float64 scalar.
      class_weights: float32 [K], a factor for the examples of each class; None for ones.
    """
    if isinstance(smoothing, float) and not smoothing:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    else:
        classes = logits.shape[-1]
        # In float64, so that a tensor gives the bits that a constant gives.
        kept, spread = (tf.cast(share, tf.float32) for share in (1 - smoothing, smoothing / classes))
        targets = tf.one_hot(labels, classes) * kept + spread
        losses = tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=logits)
    return losses if class_weights is None else losses * tf.gather(class_weights, labels)


def balanced(labels, classes):
    """Weights by which all classes count alike, and the mean over all examples is 1: the examples, over classes times
    those of the class (King and Zeng, 2001, as scikit-learn has it); 0 for a class without examples.

    Args:
      labels: int32 [N]. classes: K.
    Returns:
      float32 [K].
    """
    counts = np.bincount(labels, minlength=classes)
    present = max(1, np.count_nonzero(counts))
    return np.divide(len(labels), present * counts, out=np.zeros(classes), where=counts > 0).astype(np.float32)


def l2_penalty(kernels, factor):
    """factor · Σ k² over all kernels, as Keras's `regularizers.L2`: float32 scalar."""
    if not factor:
        return tf.constant(0.0)
    return factor * tf.add_n([tf.reduce_sum(tf.square(k)) for k in kernels])


def ranks(logits, labels):
    """How many classes score higher than the true one: int32 [B]; 0 is a top-1 hit, below 5 a top-5 hit."""
    true = tf.gather(logits, labels, batch_dims=1)
    return tf.reduce_sum(tf.cast(logits > true[:, None], tf.int32), 1)
