"""cifar_fast: a high-throughput CIFAR-10 and CIFAR-100 trainer on TensorFlow."""

__version__ = "0.1.0"
