"""Tests the network in Keras and in OpenVINO."""

import json

import numpy as np
import openvino as ov
import pytest

from ml.images.grey import IMAGENET_MEANS, NEUTRAL
from ml.model.artifact import ArtifactError
from ml.model.graph import build_graph
from ml.model.resnet import build_resnet, load_weights, read_model_weights
from ml.model.topology import Topology, fold_grey, is_backbone

SHAPES = [
    Topology("resnet18", 3, ("4",), width=8),
    Topology("resnet34", 4, ("4:rms", "4:spread", "5"), width=8),
    Topology("resnet50", 3, ("2", "3:rms", "4", "4:peak"), width=8),
    Topology("resnet18", 3, ("3", "3:spread", "4", "4:rms", "4:spread"), width=8, branches=2, branch_blocks=1),
    Topology("resnet50", 3, ("3:spread", "4:spread"), width=8, branches=3, branch_blocks=2),
]


def _inputs(topology: Topology, height: int = 64, width: int = 96) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    share = rng.random((2, *topology.grid(height, width))).astype(np.float32)
    image = rng.integers(0, 256, (2, height, width, 1)).astype(np.float32)
    return {"image": image, "attention": share / share.sum(axis=(1, 2), keepdims=True)}


@pytest.mark.parametrize("topology", SHAPES, ids=lambda t: f"{t.architecture}-{t.stages}-{t.branches}")
def test_keras_and_openvino_agree_and_the_map_explains_the_logit(topology: Topology) -> None:
    model = build_resnet(topology, height=64, width=96, seed=1, experts=2)
    _stir(model)
    inputs = _inputs(topology)
    keras_answer = {key: np.asarray(value) for key, value in model.predict_on_batch(inputs).items()}
    graph = build_graph(topology, read_model_weights(model), height=64, width=96)
    compiled = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    answer = compiled([inputs["image"].transpose(0, 3, 1, 2), inputs["attention"]])
    assert keras_answer["features"].shape == (2, topology.features)
    for name in ("features", "map"):
        size = np.abs(keras_answer[name]).max()
        assert np.abs(keras_answer[name] - answer[name]).max() < 1e-4 * max(size, 1)
    logit = keras_answer["logit"]
    assert logit.shape == (2, 2)
    assert np.allclose(keras_answer["map"].mean(axis=(2, 3)), logit, rtol=1e-3, atol=1e-4 * max(1, np.abs(logit).max()))


def test_weights_read_and_loaded_again_give_equal_answers() -> None:
    topology = SHAPES[0]
    first, second = (build_resnet(topology, height=64, width=96, seed=seed) for seed in (1, 2))
    inputs = _inputs(topology)
    before = np.asarray(first.predict_on_batch(inputs)["logit"])
    assert not np.array_equal(before, np.asarray(second.predict_on_batch(inputs)["logit"]))
    load_weights(second, read_model_weights(first), need_head=True)
    assert np.array_equal(before, np.asarray(second.predict_on_batch(inputs)["logit"]))


def test_three_colour_weights_fold_into_one_grey_channel() -> None:
    rng = np.random.default_rng(0)
    colour = {
        "conv1_conv/kernel": rng.normal(size=(7, 7, 3, 4)).astype(np.float32),
        "conv1_conv/bias": np.zeros(4, np.float32),
    }
    grey = fold_grey(colour)
    patch = rng.integers(0, 256, (7, 7)).astype(np.float64)
    by_colour = sum(
        (colour["conv1_conv/kernel"][:, :, c, :] * (patch - mean)[..., None]).sum(axis=(0, 1))
        for c, mean in enumerate(IMAGENET_MEANS)
    )
    by_grey = (grey["conv1_conv/kernel"][:, :, 0, :] * (patch - NEUTRAL)[..., None]).sum(axis=(0, 1))
    assert np.allclose(by_colour, by_grey + grey["conv1_conv/bias"], rtol=1e-4, atol=1e-2)


def test_missing_and_misshapen_weights_are_named() -> None:
    model = build_resnet(SHAPES[0], height=64, width=96)
    weights = read_model_weights(model)
    with pytest.raises(ArtifactError, match="hold no conv2_block1_1_conv/kernel"):
        load_weights(model, {k: v for k, v in weights.items() if k != "conv2_block1_1_conv/kernel"})
    with pytest.raises(ArtifactError, match=r"conv1_bn/gamma must have the shape \(8,\). Received: \(3,\)"):
        load_weights(model, {**weights, "conv1_bn/gamma": np.ones(3)})


@pytest.mark.parametrize(
    ("settings", "message"),
    [(("resnet99", 3, ("4",)), "architecture"), (("resnet18", 5, ("4",)), "stages"), (("resnet18", 3, ("5",)), "Taps")],
)
def test_an_unknown_network_is_refused(settings: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Topology(*settings)


@pytest.mark.parametrize(
    ("taps", "branches", "blocks", "message"),
    [
        (("3", "4"), 0, 1, "There is a branch at least, of 1 to 1 blocks. Received: 0 of 1"),
        (("3", "4"), 2, 2, "There is a branch at least, of 1 to 1 blocks. Received: 2 of 2"),
        (("3", "4"), 2, 0, "There is a branch at least, of 1 to 1 blocks. Received: 2 of 0"),
        (("4", "3"), 2, 1, "Branches go with taps of earlier stages"),
        (("3", "4", "3:spread"), 2, 1, "Branches go with taps of earlier stages"),
        (("3", "3:spread"), 2, 1, "Branches go with taps of earlier stages"),
        (("4", "4:spread"), 2, 1, "Branches go with taps of earlier stages"),
    ],
)
def test_branches_that_cannot_be_are_refused(taps: tuple, branches: int, blocks: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Topology("resnet18", 3, taps, width=8, branches=branches, branch_blocks=blocks)


def test_what_only_branches_need_does_not_bind_a_plain_network() -> None:
    assert Topology("resnet18", 3, ("4", "3", "4:peak"), width=8, branch_blocks=7).branches == 1


def test_branches_widen_the_last_stage_alone() -> None:
    plain = Topology("resnet18", 3, ("3", "3:spread", "4:spread"), width=8)
    branched = Topology("resnet18", 3, ("3", "3:spread", "4:spread"), width=8, branches=3, branch_blocks=1)
    assert (plain.sizes, plain.features, plain.shared) == ([16, 16, 32], 64, 64)
    assert (branched.sizes, branched.features, branched.shared) == ([16, 16, 96], 128, 32)
    assert branched.leading_means == plain.leading_means == 16
    assert branched.grid(64, 96) == plain.grid(64, 96)


def test_a_branched_network_has_the_public_names_and_more() -> None:
    plain, branched = (
        build_resnet(Topology("resnet18", 3, ("3", "4"), width=8, branches=n, branch_blocks=1), height=64, width=64)
        for n in (1, 2)
    )
    names, more = ({name for name in read_model_weights(model) if is_backbone(name)} for model in (plain, branched))
    assert names < more
    assert {name.split("_conv4_block2")[0] for name in more - names} == {"branch1"}


@pytest.mark.parametrize("topology", SHAPES, ids=lambda t: f"{t.architecture}-{t.stages}-{t.branches}")
def test_a_topology_survives_json(topology: Topology) -> None:
    assert Topology.from_json(json.loads(json.dumps(topology.to_json()))) == topology


def test_topologies_of_older_artefacts_have_one_branch() -> None:
    topology = Topology.from_json({"architecture": "resnet18", "stages": 3, "taps": ["4", "3"]})
    assert topology == Topology("resnet18", 3, ("4", "3"), width=64, branches=1)


def _stir(model) -> None:
    """Give the batch norms statistics that folding could get wrong."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        for variable in layer.variables:
            if variable.name in ("gamma", "moving_variance"):
                variable.assign(rng.uniform(0.5, 1.5, variable.shape))
            elif variable.name in ("beta", "moving_mean", "bias"):
                variable.assign(rng.normal(0, 0.1, variable.shape))
