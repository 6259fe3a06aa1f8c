"""PyTorch: eager, with its fused Adam, and compiled."""

import torch
from torch.nn import functional as F

from contenders.contender import BETA1, BETA2, EPS, LR, Contender


class Network(torch.nn.Module):
    def __init__(self, params):
        super().__init__()
        self.weights = torch.nn.ParameterDict(
            {name.replace(".", "_"): torch.nn.Parameter(torch.tensor(value.T.copy())) for name, value in params.items()}
        )

    def linear(self, name, x):
        return F.linear(x, self.weights[f"{name}_W"], self.weights[f"{name}_b"])

    def encode(self, x):
        return self.linear("encoder_2", F.relu(self.linear("encoder_0", x))).chunk(2, dim=1)

    def forward(self, x, eps):
        mu, logvar = self.encode(x)
        z = mu + torch.exp(0.5 * logvar) * eps
        logits = self.linear("decoder_2", F.relu(self.linear("decoder_0", z)))
        reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = -0.5 * torch.sum(1 + logvar - mu.square() - logvar.exp())
        return (reconstruction + kl) / len(x)


class PyTorch(Contender):
    fused = False
    compiled = False

    def __init__(self, problem):
        self.problem = problem
        self.network = Network(problem.params)
        self.x = torch.tensor(problem.x)
        self.optimizer = torch.optim.Adam(self.network.parameters(), LR, (BETA1, BETA2), EPS, fused=self.fused)
        self.forward = torch.compile(self.network) if self.compiled else self.network
        self.codes = torch.compile(self.network.encode) if self.compiled else self.network.encode

    def loss(self):
        return float(self.forward(self.x, torch.tensor(self.problem.eps)).detach())

    def step(self):
        self.optimizer.zero_grad()
        loss = self.forward(self.x, torch.randn(self.problem.batch, self.problem.latent))
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def encode(self, rows):
        with torch.inference_mode():
            return self.codes(self.x[:rows])


class PyTorchFused(PyTorch):
    fused = True


class PyTorchCompiled(PyTorch):
    fused = True
    compiled = True
