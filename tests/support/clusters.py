"""Two workers, as TF_CONFIG names them."""
import json

TWO = {"worker": ["a:1", "b:2"]}


def tf_config(cluster, kind="worker", index=0):
    """The environment's variable for one task of a cluster: a dict."""
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}
