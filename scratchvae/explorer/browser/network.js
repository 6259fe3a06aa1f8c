// The model: encoder, decoder and, if it has one, classifier. Each network is a list of steps, which are functions of
// layers.js with their weights. Rows x are in the units of the data, codes z in those of the latent space.

class Model {
  /** `content` is from describe_model in scratchvae/explorer/model.py; `weights` are all weights in a row. */
  constructor(content, weights) {
    Object.assign(this, content);
    this.parameter = (name) => {
      const { start, shape } = this.parameters[name];
      return { shape, data: weights.subarray(start, start + shape.reduce((a, b) => a * b, 1)) };
    };
    for (const steps of Object.values(this.networks)) this.connect(steps);
    this.density = LIKELIHOODS[this.likelihood.name];
  }

  /** Replace the names of parameters in the steps by the weights. */
  connect(steps) {
    for (const step of steps) {
      if (step.shortcut) this.connect(step.shortcut);
      else step.parameters = step.parameters.map(this.parameter);
    }
  }

  /** The outputs of a network for one row; `label` is the number of its class, which conditional layers read. */
  run(steps, x, label) {
    for (const step of steps) {
      if (step.shortcut) {
        const before = x;
        x = this.run(step.shortcut, x, label).map((number, n) => before[n] + number);
      } else {
        x = LAYERS[step.function](x, step.parameters, step.settings, label);
      }
    }
    return x;
  }

  /** mu and logvar of q(z | x) = N(mu, exp(logvar)); logvar is null for an autoencoder, whose code is mu. */
  encode(x, label) {
    const h = this.run(this.networks.encoder, this.toNetworks(x), label);
    const Z = this.latentDim;
    return { mu: h.slice(0, Z), logvar: this.hasPosterior ? h.slice(Z, 2 * Z) : null };
  }

  /** The mean of p(x | z). */
  decode(z, label) {
    const outputs = this.run(this.networks.decoder, Float64Array.from(z), label);
    return this.toData(this.density.mean(outputs, this.likelihood));
  }

  /** log p(x | z) in nats. */
  logLikelihood(x, z, label) {
    const outputs = this.run(this.networks.decoder, Float64Array.from(z), label);
    const u = this.toNetworks(x);
    const volume = this.logFactor === null ? 0 : sumOfKnown(u, (d) => this.logFactor[d]);
    return this.density.logDensity(outputs, u, this.likelihood) - volume;
  }

  /** The probabilities q(y | x) of the classes; null for a model without a classifier. */
  classify(x) {
    if (!this.networks.classifier) return null;
    return softmax(this.run(this.networks.classifier, this.toNetworks(x)));
  }

  // The networks see u = (x − shift) / factor.

  toNetworks(x) {
    const [shift, factor] = [at(this.scale.shift, 0), at(this.scale.factor, 1)];
    return Float64Array.from(x, (number, d) => (number - shift(d)) / factor(d));
  }

  toData(u) {
    const [shift, factor] = [at(this.scale.shift, 0), at(this.scale.factor, 1)];
    return Float64Array.from(u, (number, d) => number * factor(d) + shift(d));
  }
}

/** A function from columns to numbers: those of a list, or always the same one. */
function at(numbers, otherwise) {
  if (Array.isArray(numbers)) return (d) => numbers[d];
  return () => numbers ?? otherwise;
}
