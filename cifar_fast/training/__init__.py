"""Order of examples, batches, step, optimizers, replicas, evaluation."""
