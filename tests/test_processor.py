"""What is known of the processor."""
import os

from cifar_fast import processor


def test_cores_are_those_of_the_affinity_mask():
    allowed = os.sched_getaffinity(0)
    assert 1 <= processor.usable_cores() <= len(allowed)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert processor.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_linux_names_the_processor_and_its_instructions():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        text = file.read()
    assert processor.name() in text and processor.flags() <= set(text.split())
