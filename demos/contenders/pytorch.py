"""PyTorch: eager, with its fused Adam, compiled, and as a CUDA graph."""

from math import log

import torch
from torch.nn import functional as F

from contenders.contender import BETA1, BETA2, CHANNELS, DRAWS, EPS, LR, SIDE, SMALL, Contender, Unavailable


class Network(torch.nn.Module):
    def __init__(self, params):
        super().__init__()
        self.weights = torch.nn.ParameterDict(
            {
                name.replace(".", "_"): torch.nn.Parameter(torch.tensor(self.arranged(name, value).copy()))
                for name, value in params.items()
            }
        )

    def arranged(self, name, value):
        """A weight of scratchvae as PyTorch has it."""
        return value.T

    def linear(self, name, x):
        return F.linear(x, self.weights[f"{name}_W"], self.weights[f"{name}_b"])

    def encode(self, x):
        return self.linear("encoder_2", F.relu(self.linear("encoder_0", x))).chunk(2, dim=1)

    def decode(self, z):
        return self.linear("decoder_2", F.relu(self.linear("decoder_0", z)))

    def forward(self, x, eps):
        mu, logvar = self.encode(x)
        z = mu + torch.exp(0.5 * logvar) * eps
        logits = self.decode(z)
        reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = -0.5 * torch.sum(1 + logvar - mu.square() - logvar.exp())
        return (reconstruction + kl) / len(x)


class ConvolutionalNetwork(Network):
    def arranged(self, name, value):
        """Channels stand before rows and columns, also in the pixels that the linear layers read and write."""
        if value.ndim == 4:
            return value.transpose(3, 2, 0, 1)
        if name == "encoder.5.W":
            value = value.reshape(SMALL, SMALL, -1, value.shape[1]).transpose(2, 0, 1, 3).reshape(value.shape)
        if name == "decoder.2.W":
            value = value.reshape(len(value), SMALL, SMALL, -1).transpose(0, 3, 1, 2).reshape(value.shape)
        return value.T

    def convolve(self, name, x):
        return F.conv2d(x, self.weights[f"{name}_W"], self.weights[f"{name}_b"], stride=2, padding=1)

    def convolve_transpose(self, name, x):
        return F.conv_transpose2d(x, self.weights[f"{name}_W"], self.weights[f"{name}_b"], stride=2, padding=1)

    def encode(self, x):
        h = F.relu(self.convolve("encoder_0", x.view(-1, 1, SIDE, SIDE)))
        h = F.relu(self.convolve("encoder_2", h))
        return self.linear("encoder_7", F.relu(self.linear("encoder_5", h.flatten(1)))).chunk(2, dim=1)

    def decode(self, z):
        h = F.relu(self.linear("decoder_2", F.relu(self.linear("decoder_0", z))))
        h = F.relu(self.convolve_transpose("decoder_5", h.view(-1, CHANNELS[2], SMALL, SMALL)))
        return self.convolve_transpose("decoder_7", h).flatten(1)


class PyTorch(Contender):
    jobs = (*Contender.jobs, "log_likelihood")
    fused = False
    compiled = False
    capturable = False

    def __init__(self, problem):
        if problem.on_gpu and not torch.cuda.is_available():
            raise Unavailable("this PyTorch finds no GPU")
        torch.backends.cuda.matmul.allow_tf32 = False
        self.problem = problem
        self.device = "cuda" if problem.on_gpu else "cpu"
        kind = ConvolutionalNetwork if problem.architecture == "conv" else Network
        self.network = kind(problem.params).to(self.device)
        if not problem.on_gpu:
            self.network.to(memory_format=torch.channels_last)  # a convolutional step takes 0.85 of its time
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), LR, (BETA1, BETA2), EPS, fused=self.fused, capturable=self.capturable
        )
        self.forward, self.codes = map(self.compile, (self.network, self.network.encode))

    def compile(self, function):
        return function

    def upload(self, rows):
        return torch.tensor(rows, device=self.device)

    def loss(self):
        x = self.upload(self.problem.first_rows(self.problem.batch))
        return float(self.forward(x, self.upload(self.problem.eps)).detach())

    def step(self, x):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.forward(x, torch.randn(self.problem.batch, self.problem.latent, device=self.device))
        loss.backward()
        self.optimizer.step()
        if not self.problem.on_gpu:
            loss.item()

    def encode(self, x):
        with torch.inference_mode():
            return self.codes(x)

    def log_likelihood(self, x):
        """Estimate log p(x) of each row by importance sampling, four rows at a time."""
        with torch.inference_mode():
            return torch.cat([self.log_likelihood_of(rows) for rows in x.split(4)])

    def log_likelihood_of(self, x):
        mu, logvar = self.codes(x)
        eps = torch.randn(DRAWS, *mu.shape, device=self.device)
        z = mu + torch.exp(0.5 * logvar) * eps
        logits = self.network.decode(z.flatten(0, 1)).view(DRAWS, *x.shape)
        log_likelihood = (x * logits - F.softplus(logits)).sum(dim=2)
        log_ratio = 0.5 * (z.square() - eps.square() - logvar).sum(dim=2)
        return torch.logsumexp(log_likelihood - log_ratio, dim=0) - log(DRAWS)

    def threads(self):
        return {"torch": torch.get_num_threads()}

    def first_moments(self):
        return [state["exp_avg"].numpy() for state in self.optimizer.state.values()]

    def finish(self):
        if self.problem.on_gpu:
            torch.cuda.synchronize()

    def peak_MB(self):
        return torch.cuda.max_memory_allocated() / 2**20 if self.problem.on_gpu else super().peak_MB()


class PyTorchFused(PyTorch):
    fused = True


class PyTorchFlush(PyTorchFused):
    """With `torch.set_flush_denormal`: the processor takes subnormal numbers for 0, in all threads started later."""

    jobs = ("step",)  # in the others it is as PyTorch

    def __init__(self, problem):
        torch.set_flush_denormal(True)
        super().__init__(problem)


class PyTorchCompiled(PyTorchFused):
    """Forward and backward compiled, in the default mode, for the sizes that occur; Adam is the fused one.

    On a CPU the modes "reduce-overhead" and "max-autotune" make the step 0.99 times as long, within the noise, and a
    compiled `Adam.step` 1.1 times (Xeon, two threads).
    """

    mode = None

    def compile(self, function):
        return torch.compile(function, mode=self.mode, dynamic=False)


class PyTorchCompiledOnGPU(PyTorchCompiled):
    """Compiled code runs as CUDA graphs, except Adam; each step may overwrite the outputs of the one before."""

    mode = "reduce-overhead"

    def step(self, x):
        torch.compiler.cudagraph_mark_step_begin()
        super().step(x)

    def encode(self, x):
        torch.compiler.cudagraph_mark_step_begin()
        return super().encode(x)


class PyTorchGraph(PyTorchFused):
    """A whole step, with noise and Adam, recorded once as a CUDA graph and then replayed; `encode` likewise.

    A graph reads its input from one place, so each call begins with a copy of x to there.
    """

    capturable = True

    def __init__(self, problem):
        super().__init__(problem)
        self.graphs = {}

    def step(self, x):
        self.replay("step", super().step, x)

    def encode(self, x):
        self.replay("encode", super().encode, x)

    def replay(self, name, work, x):
        if (name, len(x)) not in self.graphs:
            self.graphs[name, len(x)] = self.record(work, x.clone())
        graph, place = self.graphs[name, len(x)]
        place.copy_(x)
        graph.replay()

    def record(self, work, place):
        """Run `work` a few times on a separate stream, then record it (PyTorch's documentation, "CUDA semantics")."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                work(place)
        torch.cuda.current_stream().wait_stream(stream)
        self.optimizer.zero_grad(set_to_none=True)  # so that the recording allocates the gradients in its own memory
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            work(place)
        return graph, place
