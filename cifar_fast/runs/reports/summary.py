"""A run's final figures from its metrics: accuracy, the clock, and the arithmetic that the clock paid for."""
import statistics


def summarize(config, metrics, result, evaluation_seconds):
    """The figures of `summary.json` that follow from a run's records.

    The clock counts the training steps, from the first one's start to the last weight update, and the final evaluation
    with its TTA; compilation, loading and the evaluations in between stand beside it. `pflop` is its noise-free twin:
    the training's arithmetic in closed form, in 10¹⁵ FLOP.

    Args:
      config: a `Config`. metrics: the lines of `metrics.jsonl`, at least one. result: the final `Evaluation`.
      evaluation_seconds: what that took.
    Returns:
      a dict of plain numbers and strings.
    """
    training = sum(line["seconds"] for line in metrics)
    images = sum(line["images_per_second"] * line["seconds"] for line in metrics)
    pflop = sum(line["pflop"] for line in metrics)
    figures = {
        "test_accuracy": result.accuracy, "test_top5": result.top5, "test_loss": result.loss,
        "tta": "" if config.tta == "none" else config.tta,
        "tta_accuracy": result.tta_accuracy, "tta_top5": result.tta_top5,
        "evaluated_on": "validation" if config.validation_examples or config.validation_share else "test",
        "epochs": len(metrics), "clock_seconds": round(training + evaluation_seconds, 3),
        "training_seconds": round(training, 3), "final_evaluation_seconds": round(evaluation_seconds, 3),
        "compile_seconds": round(sum(line["compile_seconds"] for line in metrics), 3),
        "evaluation_seconds": round(sum(line.get("test_seconds", 0) for line in metrics), 3),
        "pflop": pflop, "gflops_per_second": pflop * 1e6 / training,
        "seconds_per_epoch": statistics.median(line["seconds"] for line in metrics),
        "images_per_second": images / training}
    if config.target_accuracy:
        figures["seconds_to_target"] = _seconds_to(config.target_accuracy, metrics)
    return figures


def _seconds_to(target, metrics):
    """By the clock, to the end of the evaluation that reached the target; None if none did."""
    training = 0.0
    for line in metrics:
        training += line["seconds"]
        if line.get("test_accuracy", 0) >= target:
            return round(training + line["test_seconds"], 3)
    return None
