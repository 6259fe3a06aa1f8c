"""Tests of modules: children, parameters and their initial values, binding, and the config."""

import copy
import inspect
import pickle

import numpy as np
import pytest
from strategies import normal, uniform

import scratchvae as sv
from scratchvae import flows, layers, objectives, probability
from scratchvae.backend import NUMPY, to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.errors import ConfigError, DTypeError, ReadOnlyError, ShapeError
from scratchvae.layers import ConditionalLinear, Layer, Linear, ReLU, Sequential, Tanh
from scratchvae.memory import BatchBuffers, FlatVector, Module, arguments_of, check_methods, required
from scratchvae.probability import Gaussian, GaussianLearned, MaskedLikelihood


class Scale(Layer):
    """y = s x, s (I,), with only the required methods of a layer."""

    def __init__(self, width):
        self.width = width

    def output_shape(self, input_shape):
        return input_shape

    def parameter_shapes(self):
        return {"s": (self.width,)}

    def forward(self, x):
        self.check_inputs(x=x)
        self.x = x
        return x * self.s

    def backward(self, dy):
        self.check_gradients(dy=dy)
        self.ds[...] = (self.x * dy).sum(axis=0)
        return dy * self.s


class Residual(Layer):
    """y = x + Σ_k a_k f_k(x), with a parameter of its own, a (K,), beside those of its children."""

    def __init__(self, first, others):
        self.first, self.others = first, list(others)
        self.in_a_dict = {"first": first}  # a module in a dict is not a child

    def output_shape(self, input_shape):
        return input_shape

    def parameter_shapes(self):
        return {**super().parameter_shapes(), "a": (1 + len(self.others),)}

    def allocate(self, buffers):
        for child in (self.first, *self.others):
            child.bind(buffers, self.input_shape)

    def initial_values(self, rng):
        return {"a": rng.random(1 + len(self.others))}

    def forward(self, x):
        self.check_inputs(x=x)
        self.ys = [child.forward(x).copy() for child in (self.first, *self.others)]
        return x + sum(a * y for a, y in zip(self.a, self.ys, strict=True))

    def backward(self, dy):
        self.check_gradients(dy=dy)
        self.da[...] = [(y * dy).sum() for y in self.ys]
        dx = [child.backward(a * dy) for a, child in zip(self.a, (self.first, *self.others), strict=True)]
        return dy + sum(dx)


def residual(*seeds):
    first, second = seeds or (None, None)
    return Residual(Linear(4, 4, seed=first), [Sequential(Linear(4, 4, seed=second), Tanh()), Scale(4)])


def bound_to_vectors(module, input_shape, rows=5, dtype="float64"):
    """Bind the module to flat vectors, as a model does; return those of the parameters and the gradients."""
    shapes = module.parameter_shapes()
    params, grads = (FlatVector(np, shapes, dtype) for _ in range(2))
    module.bind_parameters(params.views, grads.views)
    module.initialize(NUMPY, np.random.default_rng(3))
    module.bind(BatchBuffers(NUMPY, dtype, rows), input_shape)
    return params, grads


def test_children_are_the_modules_in_attributes_and_in_lists_and_tuples():
    module = residual()
    assert module.children() == {"first": module.first, "others.0": module.others[0], "others.1": module.others[1]}
    assert Scale(3).children() == {}
    chain = Sequential(Linear(4, 4), ReLU())
    assert chain.children() == {"0": chain.layers[0], "1": chain.layers[1]}


def test_parameters_are_named_by_the_path_to_their_module():
    assert residual().parameter_shapes() == {
        "first.W": (4, 4),
        "first.b": (4,),
        "others.0.0.W": (4, 4),
        "others.0.0.b": (4,),
        "others.1.s": (4,),
        "a": (3,),
    }
    assert Sequential(Linear(4, 4), ReLU(), Scale(4)).parameter_shapes() == {"0.W": (4, 4), "0.b": (4,), "2.s": (4,)}
    # MaskedLikelihood leaves the name of its child out of the path
    assert MaskedLikelihood(GaussianLearned()).parameter_shapes() == {"logvar": (1,)}


def test_bound_parameters_and_gradients_become_attributes_that_share_memory():
    module = residual()
    params, grads = bound_to_vectors(module, (4,))
    for owner, name in (
        (module, "a"),
        (module.first, "W"),
        (module.first, "b"),
        (module.others[0].layers[0], "W"),
        (module.others[1], "s"),
    ):
        assert np.shares_memory(getattr(owner, name), params.data)
        assert np.shares_memory(getattr(owner, f"d{name}"), grads.data)
    params.data[...] = normal(2, params.data.size)
    assert module.first.W[0, 1] == params.data[1] and np.array_equal(module.a, params.views["a"])
    dy = normal(1, 5, 4)
    module.forward(normal(0, 5, 4))
    module.backward(dy)
    assert all(view.any() for view in grads.views.values())


def test_a_read_only_parameter_is_refused_by_name():
    module = Scale(3)
    locked = np.zeros(3)
    locked.flags.writeable = False
    for arrays, name in (((locked, np.zeros(3)), "s"), ((np.zeros(3), locked), "ds")):
        with pytest.raises(ReadOnlyError, match=f"{name} is read-only"):
            module.bind_parameters({"s": arrays[0]}, {"s": arrays[1]})


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_an_unbound_module_binds_itself_and_grows_with_the_batch(dtype):
    module = residual()
    y = module.forward(normal(0, 2, 4).astype(dtype))
    assert module.input_shape == (4,) and y.shape == (2, 4)
    assert {array.dtype for array in (module.a, module.da, module.first.W, module.others[1].s)} == {np.dtype(dtype)}
    before = module.first.W.copy(), module.a.copy()
    x = normal(1, 9, 4).astype(dtype)
    module.forward(x)
    assert np.array_equal(module.first.W, before[0]) and np.array_equal(module.a, before[1])
    assert module.backward(x).shape == (9, 4)
    for wrong, error in ((x[:, :3], ShapeError), (x.astype("float16"), DTypeError), (x.astype(int), DTypeError)):
        with pytest.raises(error):
            module.forward(wrong)


def test_a_module_bound_by_a_model_does_not_bind_itself_again():
    vae = sv.VAE(4, 4, (), dtype="float64", encoder=Sequential(Linear(4, 8)), likelihood="gaussian")
    layer = vae.encoder.layers[0]
    vae.encode(uniform(0, 700, 4))
    assert np.shares_memory(layer.W, vae.theta) and np.shares_memory(layer.dW, vae.dtheta)
    with pytest.raises(DTypeError, match="float32 and computes in float64"):
        layer.forward(uniform(0, 3, 4).astype("float32"))


def test_an_input_of_several_axes_arrives_flat_and_input_shape_gives_the_axes():
    class Corners(Layer):
        def output_shape(self, input_shape):
            if len(input_shape) != 2:
                raise ShapeError(f"Corners was given rows of shape {input_shape}; expected two axes")
            return 2, 2

        def forward(self, x):
            rows = self.check_inputs(x=x)
            return x.reshape(rows, *self.input_shape)[:, [0, 0, -1, -1], [0, -1, 0, -1]]

        def backward(self, dy):
            dx = np.zeros((self.check_gradients(dy=dy), *self.input_shape))
            dx[:, [0, 0, -1, -1], [0, -1, 0, -1]] = dy
            return dx.reshape(len(dy), -1)

    module = Corners()
    assert module.bind(BatchBuffers(NUMPY, "float64", 3), (3, 5)) == (2, 2)
    y = module.forward(np.tile(np.arange(15.0), (2, 1)))
    assert y.tolist() == [[0, 4, 10, 14]] * 2
    assert module.backward(y).shape == (2, 15)
    with pytest.raises(ShapeError, match=r"x of shape \(2, 14\); expected \(2, 15\)"):
        module.forward(np.zeros((2, 14)))
    with pytest.raises(ShapeError, match=r"dy of shape \(2, 3\); expected \(2, 4\)"):
        module.backward(np.zeros((2, 3)))
    with pytest.raises(ShapeError, match="expected two axes"):
        Corners().bind(BatchBuffers(NUMPY, "float64", 3), (15,))


def test_default_initial_values_are_glorot_uniform_for_matrices_and_0_for_vectors():
    class Custom(Module):
        def parameter_shapes(self):
            return {"W": (300, 200), "b": (200,), "K": (10, 3, 90)}

    values = Custom().initial_values(np.random.default_rng(0))
    assert {name: (value.shape, value.dtype) for name, value in values.items()} == {
        name: (shape, np.dtype("float64")) for name, shape in Custom().parameter_shapes().items()
    }
    assert not values["b"].any()
    for name, fans in (("W", 500), ("K", 10 * 3 + 10 * 90)):
        a = np.sqrt(6 / fans)
        assert 0.99 * a < np.abs(values[name]).max() <= a
        assert abs(values[name].mean()) < 5.5 * a / np.sqrt(3 * values[name].size)
    module = residual()
    bound_to_vectors(module, (4,))
    assert ((module.a > 0) & (module.a < 1)).all() and not module.first.b.any()


def test_a_module_initializes_its_own_parameters_before_those_of_its_children():
    module = residual()
    params, _ = bound_to_vectors(module, (4,))
    rng = np.random.default_rng(3)
    expected = {"a": rng.random(3)}
    for name, linear in (("first", module.first), ("others.0.0", module.others[0].layers[0])):
        expected |= {f"{name}.{key}": value for key, value in linear.initial_values(rng).items()}
    expected["others.1.s"] = np.zeros(4)
    assert expected.keys() == params.views.keys()
    for name, value in expected.items():
        assert np.array_equal(params.views[name], value), name


def test_initial_values_are_drawn_in_double_precision_for_every_dtype():
    double, single = residual(), residual()
    (double_params, _), (single_params, _) = (
        bound_to_vectors(double, (4,)),
        bound_to_vectors(single, (4,), dtype="float32"),
    )
    assert np.array_equal(double_params.data.astype("float32"), single_params.data)


def test_the_seed_of_a_module_alone_determines_its_initial_values():
    x = normal(0, 2, 4)
    seeded, same_seed, other_seed = Linear(4, 4, seed=5), Linear(4, 4, seed=5), Linear(4, 4, seed=6)
    for layer in (seeded, same_seed, other_seed):
        layer.forward(x)
    assert np.array_equal(seeded.W, same_seed.W) and not np.array_equal(seeded.W, other_seed.W)

    def model(layer_seed, seed):
        return sv.VAE(4, 2, (), "tanh", encoder=Sequential(Linear(4, 4, seed=layer_seed)), seed=seed, dtype="float64")

    for seed in (1, 2):
        params = model(5, seed).params
        assert np.array_equal(params["encoder.0.W"], seeded.W)
        assert np.array_equal(params["decoder.0.W"], model(6, seed).params["decoder.0.W"])
    assert not np.array_equal(model(5, 1).params["decoder.0.W"], model(5, 2).params["decoder.0.W"])
    assert not np.array_equal(model(None, 1).params["encoder.0.W"], model(None, 2).params["encoder.0.W"])
    assert np.array_equal(model(None, 1).theta, model(None, 1).theta)


def test_the_seed_of_one_module_does_not_change_the_others():
    seeded, unseeded = residual(7, None), residual(None, None)
    (seeded_params, _), (unseeded_params, _) = bound_to_vectors(seeded, (4,)), bound_to_vectors(unseeded, (4,))
    expected = Linear(4, 4, seed=7)
    expected.forward(normal(0, 1, 4))
    assert np.array_equal(seeded_params.views["first.W"], expected.W)
    assert np.array_equal(seeded_params.views["a"], unseeded_params.views["a"])  # drawn before first.W
    # without a draw for first.W, others.0.0.W takes the values that first.W has otherwise
    assert np.array_equal(seeded_params.views["others.0.0.W"], unseeded_params.views["first.W"])


def test_the_parameters_of_a_module_on_a_device_are_device_arrays():
    module = Scale(4)
    module.bind(BatchBuffers(FAKE_CUPY, "float64", 3), (4,))
    assert type(module.s) is type(module.ds) is FAKE_CUPY.array_type
    assert to_numpy(module.forward(FAKE_CUPY.upload(normal(0, 3, 4)))).tolist() == np.zeros((3, 4)).tolist()


ARGUMENTS = {  # constructor arguments that differ from the defaults
    "Linear": (3, 2, "he_normal", 7),
    "ConditionalLinear": (3, 2, 4, "he_uniform", 7),
    "LeakyReLU": (0.2,),
    "ELU": (0.5,),
    "LayerNorm": (3, 1e-3),
    "Residual": (Linear(3, 3),),
    "Conv2d": (1, 2, 3, 2, 1, "he_normal", 7),
    "ConvTranspose2d": (1, 2, 3, 2, 1, 1, "he_normal", 7),
    "SplitChannels": (3,),
    "Upsample": (3,),
    "Reshape": (2, 3),
    "Repeat": (3,),
    "Log1p": (((0, 2),),),
    "NaNToZero": (Linear(3, 2),),
    "Sequential": (Linear(3, 2), ReLU()),
    "ConditionalSequential": (ConditionalLinear(3, 2, 4), ReLU()),
    "FreeBits": (0.3,),
    "Gaussian": (0.1,),
    "GaussianLearned": (0.2,),
    "GaussianDiagonal": (4, 0.2),
    "Poisson": (20.0,),
    "NegativeBinomial": (30.0,),
    "Categorical": ((3, 2),),
    "Mixed": (((Gaussian(0.3), 2),),),
    "MaskedLikelihood": (Gaussian(0.3),),
    "ScaledLikelihood": (Gaussian(0.3), np.array([2.0])),
    "ELBO": (4.0, 0.2),
    "ImportanceWeighted": (7,),
    "DoublyReparameterized": (7,),
    "StickingTheLanding": (4.0,),
    "MaskedLinear": ((0, 1, 2), (1, 2), False, "he_normal", 7),
    "GaussianMixture": (3,),
    "MixturePrior": (3, 2, 5),
    "VampPrior": (np.zeros((3, 2)),),
    "MADE": (3, (4,), 2, 1, ReLU()),
    "InverseAutoregressive": (3, 2, (4,), 1),
}
# classes that another module constructs, and abstract ones
NO_ARGUMENTS = {"Divergence", "ExactKL", "GaussianDrawKL", "MonteCarloKL", "PathwiseKL"}
KINDS = {
    name: kind
    for package in (layers, probability, flows, objectives)
    for name, kind in ((name, getattr(package, name)) for name in package.__all__)
    if inspect.isclass(kind) and issubclass(kind, Module) and name not in NO_ARGUMENTS
}


def constructor_tree(module):
    """Return the class and the config of a module, with those of its children."""
    if isinstance(module, list | tuple):
        return [constructor_tree(item) for item in module]
    if not isinstance(module, Module):
        return module
    return type(module), {name: constructor_tree(value) for name, value in module.config().items()}


@pytest.mark.parametrize("name", KINDS)
def test_a_module_can_be_rebuilt_from_its_config(name):
    module = KINDS[name](*ARGUMENTS.get(name, ()))
    rebuilt = KINDS[name].from_config(module.config())
    assert type(rebuilt) is KINDS[name] and rebuilt is not module
    assert constructor_tree(rebuilt) == constructor_tree(module)
    plain_values = [value for value in module.config().values() if not isinstance(value, Module | tuple)]
    if name not in ("Sequential", "ConditionalSequential", "VampPrior"):  # pseudo-inputs are parameters
        given = (ARGUMENTS["Reshape"],) if name == "Reshape" else ARGUMENTS.get(name, ())
        assert plain_values == [value for value in given if not isinstance(value, Module | tuple)]


def test_a_config_maps_argument_names_to_current_values():
    assert Linear(3, 2).config() == {"inputs": 3, "outputs": 2, "init": "glorot_uniform", "seed": None}
    assert Scale(3).config() == {"width": 3}
    assert ReLU().config() == {}
    module = residual()
    assert module.config() == {"first": module.first, "others": module.others}


def test_an_argument_without_an_attribute_is_named_with_advice(tmp_path):
    class MissingAttribute(Scale):
        def __init__(self, width, depth):
            super().__init__(width * depth)

    layer = MissingAttribute(2, 3)
    vae = sv.VAE(6, 2, (), encoder=Sequential(layer, Linear(6, 4)))
    for call in (
        layer.config,
        lambda: arguments_of(layer),
        lambda: copy.deepcopy(vae),
        lambda: pickle.dumps(vae),
        lambda: vae.astype("float64"),
        lambda: sv.save(vae, tmp_path / "vae.npz"),
    ):
        with pytest.raises(
            ConfigError, match=r"MissingAttribute has no attribute 'depth'.*self\.depth = depth.*config\(\)"
        ):
            call()
    assert not list(tmp_path.iterdir())
    assert vae.encode(uniform(0, 3, 6))[0].shape == (3, 2)  # the model still works


def test_a_custom_config_replaces_the_arguments():
    class Wide(Scale):
        def __init__(self, halves):
            super().__init__(2 * halves)

        def config(self):
            return {"halves": self.width // 2}

    assert Wide.from_config(Wide(3).config()).width == 6


def test_required_methods_that_a_class_lacks_are_named():
    class NoMethods(Layer):
        def output_shape(self, input_shape):
            return input_shape

    class NoBackward(NoMethods):
        def forward(self, x):
            return x

    class Complete(NoBackward):
        def backward(self, dy):
            return dy

    with pytest.raises(
        ConfigError, match=r"^it is a NoMethods, which lacks backward and forward: write it in the class$"
    ):
        check_methods("it", NoMethods())
    with pytest.raises(ConfigError, match="it is a NoBackward, which lacks backward: write it"):
        check_methods("it", NoBackward())
    check_methods("it", Complete())
    with pytest.raises(ConfigError, match=r"layers\[1\] is a NoBackward, which lacks backward"):
        Sequential(ReLU(), NoBackward())


def test_a_required_method_is_satisfied_by_a_subclass_that_defines_it():
    class Base(Module):
        @required
        def output_shape(self, input_shape):
            raise NotImplementedError

        @required
        def measure(self):
            """Return a number."""

    class Measured(Base):
        def output_shape(self, input_shape):
            return input_shape

        def measure(self):
            return 1

    with pytest.raises(ConfigError, match="lacks measure and output_shape"):
        check_methods("it", Base())
    check_methods("it", Measured())


def test_an_unbound_layer_has_parameters_before_forward_and_forward_casts_them():
    for dtype in ("float64", "float32"):
        changed, unchanged = Linear(3, 2, seed=4), Linear(3, 2, seed=4)
        assert changed.W.shape == (3, 2) and changed.dW.shape == (3, 2)
        changed.b[...] = 1.0
        x = normal(0, 5, 3).astype(dtype)
        np.testing.assert_allclose(changed.forward(x), unchanged.forward(x) + 1.0, rtol=1e-6)
        assert changed.W.dtype == dtype == changed.dW.dtype
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'V'"):
        _ = Linear(3, 2).V


class Chain(Sequential):
    def __init__(self, *layers, factor=1.0):
        super().__init__(*layers)
        self.factor = factor


class Forgetful(Sequential):
    def __init__(self, *layers, factor=1.0):
        super().__init__(*layers)


class OtherName(Sequential):
    def __init__(self, *args):
        super().__init__(*args)


class AsAdvised(Sequential):
    def __init__(self, *args):
        super().__init__(*args)
        self.args = args


class Picture(layers.Reshape):
    def __init__(self, height, *more, **settings):
        super().__init__(height, *more)
        self.height, self.more, self.settings = height, more, settings


class Flat(layers.Flatten):
    def __init__(self, axis=1):
        super().__init__()


class NamedAsAMethod(Scale):
    def __init__(self, width, bind=0):
        super().__init__(width)


@pytest.mark.parametrize(
    ("make", "config"),
    [
        (lambda: Chain(Linear(4, 4), ReLU(), factor=2.0), ["layers", "factor"]),
        (lambda: AsAdvised(Linear(4, 4), ReLU()), ["args"]),
        (lambda: Picture(2, 2, scale=3.0), ["height", "more", "scale"]),
    ],
)
def test_positional_and_named_arguments_are_kept(make, config, tmp_path):
    layer = make()
    assert list(layer.config()) == config
    assert constructor_tree(type(layer).from_config(layer.config())) == constructor_tree(layer)
    vae = sv.VAE(4, 2, encoder=Sequential(layer, Linear(4, 4)))
    sv.save(vae, tmp_path / "vae.npz")
    for other in (sv.load(tmp_path / "vae.npz", classes=[type(layer)]), copy.deepcopy(vae)):
        assert np.array_equal(other.embed(uniform(0, 3, 4)), vae.embed(uniform(0, 3, 4)))
        assert constructor_tree(other.encoder) == constructor_tree(vae.encoder)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Forgetful(ReLU()), "Forgetful has no attribute 'factor' .*; set self.factor = factor, or write config"),
        (OtherName(ReLU()), "OtherName has no attribute 'args' .*; set self.args = args, or write config"),
        (Flat(), "Flat has no attribute 'axis'"),
        (NamedAsAMethod(4), "argument 'bind' of __init__, which is the name of a method, .*; rename the argument, or"),
    ],
)
def test_arguments_that_would_be_lost_are_refused(layer, message, tmp_path):
    vae = sv.VAE(4, 2, encoder=Sequential(layer, Linear(4, 4)))
    for call in (layer.config, lambda: copy.copy(vae), lambda: sv.save(vae, tmp_path / "vae.npz")):
        with pytest.raises(ConfigError, match=message):
            call()


class Container(Layer):
    """A layer inside another one, which does not bind it, and which may check its own inputs."""

    def __init__(self, layer, checks):
        self.layer, self.checks = layer, checks

    def output_shape(self, input_shape):
        return self.layer.output_shape(input_shape)

    def forward(self, x):
        if self.checks:
            self.check_inputs(x=x)
        return self.layer.forward(x)

    def backward(self, dy):
        return self.layer.backward(dy)


@pytest.mark.parametrize("checks", [True, False])
@pytest.mark.parametrize("tried", [(4, 16, 1), (6, 6, 1), (8, 8, 1)])
def test_a_container_that_was_tried_before_is_bound_anew_by_a_model(tried, checks, tmp_path):
    layer = Container(Container(layers.Conv2d(1, 2, 3), checks), checks)
    outside = Sequential(layers.Reshape(*tried), layer)
    outside.forward(normal(0, 3, int(np.prod(tried))).astype("float32"))
    encoder = Sequential(layer, layers.Flatten())
    vae = sv.VAE(encoder=encoder, latent_dim=3, image_shape=(8, 8), dtype="float64")
    sv.Trainer(vae, batch_size=8, seed=0).fit(uniform(0, 20, 64), 1)
    sv.save(vae, tmp_path / "vae.npz")
    loaded = sv.load(tmp_path / "vae.npz", classes=[Container])
    assert layer.layer.layer.input_shape == (8, 8, 1)
    np.testing.assert_allclose(loaded.embed(uniform(0, 20, 64)), vae.embed(uniform(0, 20, 64)), rtol=1e-12)
