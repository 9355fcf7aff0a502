"""The pre-activation ResNet, its layers and its convolutions in C."""
