"""From --vary, --list and --seeds to the variants of a study."""
import pytest

from cifar_fast.config import Config
from cifar_fast.errors import UserError
from cifar_fast.study import variants


def test_seeds():
    assert variants.seeds("0:3") == [0, 1, 2] and variants.seeds("4") == [4] and variants.seeds("0:2,7") == [0, 1, 7]


@pytest.mark.parametrize("text", ["", "a", "3:3", "3:1", "0,0", "0:2,1", "-1", "1.5", "0:99999999"])
def test_seeds_that_are_none(text):
    with pytest.raises(UserError, match="--seeds"):
        variants.seeds(text)


def test_every_combination_the_last_flag_fastest():
    found = variants.combinations(Config(epochs=3), ["learning_rate=0.1,0.2", "activation=relu,silu"])
    assert [v.name for v in found] == [
        f"learning_rate={rate} activation={kind}" for rate in (0.1, 0.2) for kind in ("relu", "silu")]
    assert found[3].config == Config(epochs=3, learning_rate=0.2, activation="silu")
    assert found[3].folder == "learning_rate=0.2,activation=silu"
    assert [v.name for v in variants.combinations(Config(), [])] == ["base"]


def test_a_value_with_a_comma_stands_in_quotes():
    found = variants.combinations(Config(epochs=4), ["image_sizes='20x2,32x2',32x4"])
    assert [v.config.image_sizes for v in found] == ["20x2,32x2", "32x4"]
    assert found[0].folder != found[1].folder and "," not in found[0].folder.partition("=")[2][:4]


def test_a_list_of_flags(tmp_path):
    path = tmp_path / "ideas"
    path.write_text("# ideas\n--blur --learning_rate=0.1\n\n--noblur\n")
    found = variants.listed(Config(blur=True), path)
    assert [(v.name, v.config.blur, v.config.learning_rate) for v in found] == [
        ("blur=true learning_rate=0.1", True, 0.1), ("blur=false", False, 1e-3)]


@pytest.mark.parametrize("vary", [
    ["learning_rate"], ["learning_rate="], ["nothing=1,2"], ["seed=0,1"], ["workdir=a,b"], ["epochs=1,x"],
    ["epochs=1", "epochs=2"], ["epochs=1,1"], ["image_sizes='20x2"]])
def test_what_can_not_be_varied_is_one_line(vary):
    with pytest.raises(UserError) as caught:
        variants.combinations(Config(), vary)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing\n", "blur\n", "--learning_rate='0.1\n", "--blur\n--blur=true\n",
                                  "--seed=3"])
def test_lists_that_are_none(tmp_path, text):
    path = tmp_path / "list"
    path.write_text(text)
    with pytest.raises(UserError):
        variants.listed(Config(), path)
    with pytest.raises(UserError, match="can't be read"):
        variants.listed(Config(), tmp_path / "nowhere")


def test_folders_are_safe_names():
    odd = variants.Variant("data_dir=../../etc augmentation=a:b", Config())
    assert "/" not in odd.folder and ":" not in odd.folder and len(odd.folder) <= 80
