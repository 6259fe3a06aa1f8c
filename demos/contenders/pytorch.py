"""PyTorch: eager, with its fused Adam, compiled, and as a CUDA graph."""

from functools import partial

import torch
from torch.nn import functional as F

from contenders.contender import BETA1, BETA2, CHANNELS, EPS, LR, SIDE, SMALL, Contender, Unavailable


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
        self.batches = [torch.tensor(batch, device=self.device) for batch in problem.batches]
        self.x = self.batches[0]
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), LR, (BETA1, BETA2), EPS, fused=self.fused, capturable=self.capturable
        )
        mode = "reduce-overhead" if problem.on_gpu else None
        self.forward = torch.compile(self.network, mode=mode) if self.compiled else self.network
        self.codes = torch.compile(self.network.encode, mode=mode) if self.compiled else self.network.encode

    def loss(self):
        return float(self.forward(self.x, torch.tensor(self.problem.eps, device=self.device)).detach())

    def step(self):
        self.optimizer.zero_grad()
        loss = self.forward(self.next_batch(), torch.randn(self.problem.batch, self.problem.latent, device=self.device))
        loss.backward()
        self.optimizer.step()
        if not self.problem.on_gpu:
            loss.item()

    def encode(self, rows):
        with torch.inference_mode():
            return self.codes(self.x[:rows])

    def first_moments(self):
        return [state["exp_avg"].numpy() for state in self.optimizer.state.values()]

    def finish(self):
        if self.problem.on_gpu:
            torch.cuda.synchronize()

    def peak_MB(self):
        return torch.cuda.max_memory_allocated() / 2**20 if self.problem.on_gpu else super().peak_MB()


class PyTorchFused(PyTorch):
    fused = True


class PyTorchCompiled(PyTorch):
    fused = True
    compiled = True


class PyTorchCompiledOnGPU(PyTorchCompiled):
    """Compiled code runs as CUDA graphs, except Adam; each step may overwrite the outputs of the one before."""

    def step(self):
        torch.compiler.cudagraph_mark_step_begin()
        super().step()

    def encode(self, rows):
        torch.compiler.cudagraph_mark_step_begin()
        return super().encode(rows)


class PyTorchGraph(PyTorch):
    """A whole step, with noise and Adam, recorded once as a CUDA graph and then replayed; `encode` likewise."""

    fused = True
    capturable = True

    def __init__(self, problem):
        super().__init__(problem)
        self.graphs = {}

    def step(self):
        self.replay("step", super().step)

    def encode(self, rows):
        self.replay(rows, partial(super().encode, rows))

    def replay(self, name, work):
        if name not in self.graphs:
            self.graphs[name] = self.record(work)
        self.graphs[name].replay()

    def record(self, work):
        """Run `work` a few times on a separate stream, then record it (PyTorch's documentation, "CUDA semantics")."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                work()
        torch.cuda.current_stream().wait_stream(stream)
        self.optimizer.zero_grad()  # so that the recording allocates the gradients in its own memory
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            work()
        return graph
