// p(x | z): the mean and the logarithm of the density of a row x, from the outputs y of the decoder, all in the units
// of the networks. An entry of x that is NaN is missing: its term is left out, as if it were integrated out. The
// formulas are derived in scratchvae/probability.

const LIKELIHOODS = {
  // y are logits t, and σ(t) is the probability of a one
  bernoulli: {
    mean: (y) => y.map(sigmoid),
    logDensity: (y, x) => sumOfKnown(x, (d) => x[d] * y[d] - softplus(y[d])),
  },

  // exp(x t) over its integral on [0, 1], with a = |t| and g = (1 − exp(−a)) / a, which is at most 1
  continuous_bernoulli: {
    mean: (y) => y.map(continuousBernoulliMean),
    logDensity: (y, x) => sumOfKnown(x, (d) => (x[d] - (y[d] >= 0 ? 1 : 0)) * y[d] - Math.log(massOf(Math.abs(y[d])))),
  },

  gaussian: {
    mean: (y) => y,
    logDensity: (y, x, { sigma }) => sumOfKnown(x, (d) => logNormal(x[d] - y[d], 2 * Math.log(sigma[d]))),
  },

  // the second half of the outputs are r, and log σ² = −12 + softplus(r + 12)
  gaussian_heteroscedastic: {
    mean: (y, { width }) => y.subarray(0, width),
    logDensity: (y, x, { width }) => sumOfKnown(x, (d) => logNormal(x[d] - y[d], softplus(y[width + d] + 12) - 12)),
  },

  // log p(x) = x ℓ − exp(ℓ) − log x!, for the log rate ℓ; beyond 70, exp continues as its tangent
  poisson: {
    mean: (y) => y.map(rateOf),
    logDensity(y, x, { librarySize }) {
      const offset = logOffset(x, librarySize);
      return sumOfKnown(x, (d) => {
        const [logRate, bounded] = [y[d] + offset, Math.min(y[d] + offset, 70)];
        return x[d] * logRate - Math.exp(bounded) * (1 + logRate - bounded) - logGamma(x[d] + 1);
      });
    },
  },

  // counts of mean μ and variance μ + μ²/r; the second half of the outputs are ρ, and log r is close to ρ
  negative_binomial: {
    mean: (y, { width }) => y.subarray(0, width).map(rateOf),
    logDensity(y, x, { width, librarySize }) {
      const offset = logOffset(x, librarySize);
      return sumOfKnown(x, (d) => {
        const logMean = y[d] + offset;
        const logR = Math.min(softplus(y[width + d] + 12) - 12, 30);
        const r = Math.exp(logR);
        const growth = softplus(logMean - logR);
        return x[d] * logMean - (x[d] + r) * growth + logGammaRatio(r, x[d]) - logGamma(x[d] + 1);
      });
    },
  },

  // groups of columns, of which one is 1: the softmax of each group
  categorical: {
    mean(y, { groups }) {
      const q = Float64Array.from(y);
      for (const [start, stop] of groups) q.set(softmax(y.subarray(start, stop)), start);
      return q;
    },
    logDensity(y, x, { groups }) {
      let total = 0;
      for (const [start, stop] of groups) {
        const normalizer = logSumExp(y.subarray(start, stop));
        total += sumOfKnown(x.subarray(start, stop), (k) => x[start + k] * (y[start + k] - normalizer));
      }
      return total;
    },
  },

  // blocks of columns, each with a likelihood of its own
  mixed: {
    mean: (y, { blocks, width }) => {
      const mean = new Float64Array(width);
      for (const { block, outputs, start } of placesOf(blocks)) {
        mean.set(LIKELIHOODS[block.name].mean(outputs(y), block), start);
      }
      return mean;
    },
    logDensity: (y, x, { blocks }) => {
      const terms = placesOf(blocks).map(({ block, outputs, start }) =>
        LIKELIHOODS[block.name].logDensity(outputs(y), x.subarray(start, start + block.width), block),
      );
      return sum(terms);
    },
  },
};

/** Each block with its first column in x, and a function that cuts its outputs out of y. */
function placesOf(blocks) {
  let [start, first] = [0, 0];
  return blocks.map((block) => {
    const place = {
      block,
      start,
      outputs: (
        (from) => (y) =>
          y.subarray(from, from + block.outputs)
      )(first),
    };
    start += block.width;
    first += block.outputs;
    return place;
  });
}

function sumOfKnown(x, term) {
  let total = 0;
  for (let d = 0; d < x.length; d++) if (!Number.isNaN(x[d])) total += term(d);
  return total;
}

/** log N(error; 0, σ²), from log σ². */
function logNormal(error, logVariance) {
  return -0.5 * (error * error * Math.exp(-logVariance) + logVariance + Math.log(2 * Math.PI));
}

/** (1 − exp(−a)) / a, which is 1 at 0. */
function massOf(a) {
  return a < 1e-30 ? 1 : -Math.expm1(-a) / a;
}

/** 1 / (1 − exp(−t)) − 1 / t; near 0, where these are both large, the first terms of its series. */
function continuousBernoulliMean(t) {
  if (Math.abs(t) < 0.05) return 0.5 + t / 12 - t ** 3 / 720 + t ** 5 / 30240;
  return -1 / Math.expm1(-t) - 1 / t;
}

function rateOf(logRate) {
  return Math.exp(Math.min(logRate, 70));
}

/** log(T / L), for the total T of a row and the library size L; 0 without one. */
function logOffset(x, librarySize) {
  return librarySize === null ? 0 : Math.log(Math.max(sum(x), 1e-30) / librarySize);
}

/** log Γ(r + x) − log Γ(r) − x log r, which is the sum of log(1 + j / r) over j < x, for a whole number x. */
function logGammaRatio(r, x) {
  if (!Number.isInteger(x) || x > 1e6) return logGamma(r + x) - logGamma(r) - x * Math.log(r);
  let total = 0;
  for (let j = 1; j < x; j++) total += Math.log1p(j / r);
  return total;
}

/** log Γ(x) for x > 0: Stirling's series at y ≥ 8, to which Γ(x + 1) = x Γ(x) leads. */
function logGamma(x) {
  let [y, product] = [x, 1];
  for (; y < 8; y++) product *= y;
  const s = 1 / (y * y);
  const series = (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s * (1 / 1188 - (s * 691) / 360360))))) / y;
  return (y - 0.5) * Math.log(y) - y + 0.5 * Math.log(2 * Math.PI) + series - Math.log(product);
}

function logSumExp(t) {
  const largest = Math.max(...t);
  return largest + Math.log(sum(t.map((number) => Math.exp(number - largest))));
}

function softmax(t) {
  const normalizer = logSumExp(t);
  return t.map((number) => Math.exp(number - normalizer));
}
