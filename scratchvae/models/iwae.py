"""The importance-weighted autoencoder."""

from __future__ import annotations

from typing import Any

from scratchvae.errors import ConfigError
from scratchvae.models.vae import VAE
from scratchvae.objectives import ImportanceWeighted
from scratchvae.validation import check_int


class IWAE(VAE):
    """A VAE trained by the tighter, importance-weighted bound of K draws. Burda, Grosse and Salakhutdinov 2016.

        h (B, O) ─► K times each ─► posterior ─► z (B·K, Z) ─► decoder ─► log p(x | z_k)
                                                     │                          │
                                                     ▼                          ▼
                                   log p(z_k) − log q(z_k | x) ─────────► log w_k (B, K) ─► log (1/K) Σ_k w_k (B,)

    The ELBO is high only if every draw explains x; this bound is high if one of the K draws does. So q may be wider,
    and the learned p(x) depends less on the family of q. With missing=True it is the MIWAE of Mattei and Frellsen 2019.

    importance_samples   K; with 1, the bound is the ELBO with a KL estimated from the one draw
    The other settings are those of `VAE`, except beta and free_bits: the bound has no KL term to weight. The model is
    equivalent to VAE(objective=ImportanceWeighted(K)).

    In the result of `elbo`, value is the bound, reconstruction = Σ_k w̃_k log p(x | z_k) with the normalized weights
    w̃_k = w_k / Σ_j w_j, and kl is the rest, reconstruction − value. eps is (B, K·Z), the K draws of a row side by side.
    """

    def __init__(self, *args: Any, importance_samples: int = 20, **kwargs: Any) -> None:
        self.importance_samples = check_int("importance_samples", importance_samples)
        super().__init__(*args, **kwargs)

    def extra_config(self) -> dict[str, Any]:
        """The settings that an IWAE has beside those of a VAE: the number of draws K."""
        return {"importance_samples": self.importance_samples}

    def compose(self, custom: dict[str, Any]) -> dict[str, Any]:
        """The parts of a VAE, with the importance-weighted objective. Raises ConfigError."""
        for name, without in (("beta", 1.0), ("free_bits", 0.0)):
            if self.config[name] != without:
                raise ConfigError(
                    f"{name}={self.config[name]} has no effect: the bound of an IWAE has no KL term; leave {name} out"
                )
        if "objective" in custom:
            raise ConfigError("an IWAE has a fixed objective: for a custom one, use a VAE")
        return super().compose({**custom, "objective": ImportanceWeighted(self.importance_samples)})
