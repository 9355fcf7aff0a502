"""What people use today, each as a process that `support.turns` drives; `PEERS` are the names for --peers."""

PEERS = ["original", "keras", "keras_mixed", "pytorch", "pytorch_mixed"]
