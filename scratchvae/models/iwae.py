"""The importance-weighted autoencoder."""

from __future__ import annotations

from typing import Any

from scratchvae.errors import ConfigError
from scratchvae.models.vae import VAE
from scratchvae.objectives import ImportanceWeighted
from scratchvae.validation import check_int


class IWAE(VAE):
    """A VAE that is trained by the tighter bound of K draws together. Burda, Grosse and Salakhutdinov 2016.

        h (B, O) ─► K times each ─► posterior ─► z (B·K, Z) ─► decoder ─► log p(x | z_k)
                                                     │                          │
                                                     ▼                          ▼
                                   log p(z_k) − log q(z_k | x) ─────────► log w_k (B, K) ─► log (1/K) Σ_k w_k (B,)

    The ELBO asks every draw to explain x, this bound that one of them does: q may be wider, and what is learnt of p(x)
    is less bent to what q can express. With missing=True, of data in which NaN marks what is missing, it is the MIWAE
    of Mattei and Frellsen 2019.

    importance_samples   K; with 1, the bound is an ELBO whose KL is that of the one draw
    The other settings are those of `VAE`, but for beta and free_bits: there is no KL to weigh. It is
    VAE(objective=ImportanceWeighted(K)).

    In what `elbo` returns, value is the bound, reconstruction the mean of log p(x | z_k) as the weights weigh it, and
    kl what lies between the two. eps is (B, K·Z).
    """

    def __init__(self, *settings: Any, importance_samples: int = 20, **named: Any) -> None:
        self.importance_samples = check_int("importance_samples", importance_samples)
        super().__init__(*settings, **named)

    def own_config(self) -> dict[str, Any]:
        """The number of draws."""
        return {"importance_samples": self.importance_samples}

    def compose(self, own: dict[str, Any]) -> dict[str, Any]:
        """Those of a VAE, with the bound for its objective. Raises ConfigError."""
        for name, without in (("beta", 1.0), ("free_bits", 0.0)):
            if self.config[name] != without:
                raise ConfigError(
                    f"{name}={self.config[name]}: the bound of an IWAE has no KL to weigh; leave {name} out"
                )
        if "objective" in own:
            raise ConfigError("the objective of an IWAE is its bound: take a VAE for an objective of your own")
        return super().compose({**own, "objective": ImportanceWeighted(self.importance_samples)})
