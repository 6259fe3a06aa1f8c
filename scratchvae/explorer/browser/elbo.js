// The two terms of the ELBO of one row.

/** KL(N(mu, σ²) ‖ N(0, 1)) of each dimension: ½ (μ² + σ² − 1 − log σ²). */
function klPerDimension({ mu, logvar }) {
  return mu.map((m, k) => 0.5 * (m * m + Math.expm1(logvar[k]) - logvar[k]));
}

/** z = μ + σ ε. */
function drawCode({ mu, logvar }, eps) {
  return mu.map((m, k) => m + Math.exp(0.5 * logvar[k]) * eps[k]);
}

/**
 * The ELBO of x, { value, reconstruction, kl, parts }, with the mean of log p(x | z) over a draw of z for each of
 * `noise`.
 * `parts` are the KL of each dimension. Without a posterior, z is the code, and the KL is null.
 */
function elboOf(model, x, label, noise) {
  const posterior = model.encode(x, label);
  if (posterior.logvar === null) {
    const reconstruction = model.logLikelihood(x, posterior.mu, label);
    return { value: reconstruction, reconstruction, kl: null, parts: null };
  }
  const draws = noise.map((eps) => model.logLikelihood(x, drawCode(posterior, eps), label));
  const parts = klPerDimension(posterior);
  const [reconstruction, kl] = [sum(draws) / draws.length, sum(parts)];
  return { value: reconstruction - model.beta * kl, reconstruction, kl, parts };
}
