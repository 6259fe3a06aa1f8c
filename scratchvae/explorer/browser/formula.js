// The ELBO of the input, with its formula, its two terms, and what they are made of.

const DRAWS = 16; // of z, for the mean of log p(x | z)
const PATIENCE = 25; // milliseconds: a slower ELBO waits until the pen rests

// what log p(x | z) is, for each likelihood
const DENSITIES = {
  bernoulli:
    "log p(x|z) = Σ x t − log(1 + exp t), over the {D} {units}; t are the decoder’s outputs, and the picture is σ(t).",
  continuous_bernoulli:
    "log p(x|z) = Σ x t − log ∫ exp(u t) du, over the {D} {units} and u from 0 to 1; t are the decoder’s outputs.",
  gaussian:
    "log p(x|z) = −½ Σ (x − μ)²/σ² + log 2πσ², over the {D} {units}; μ are the decoder’s outputs, σ is a constant.",
  gaussian_heteroscedastic:
    "log p(x|z) = −½ Σ (x − μ)²/σ² + log 2πσ², over the {D} {units}; the decoder’s outputs are μ and σ.",
  poisson: "log p(x|z) = Σ x ℓ − exp ℓ − log x!, over the {D} {units}; ℓ are the decoder’s outputs.",
  negative_binomial: "log p(x|z) is the sum of the logarithms of negative binomial probabilities of the {D} counts.",
  categorical: "log p(x|z) = Σ log q, over the groups; q is the probability of the category that x has.",
  mixed: "log p(x|z) is the sum over all columns: of normal densities, probabilities of categories, and of counts.",
};

class Formula {
  constructor(state, page) {
    const { model, noun } = page;
    [this.state, this.page] = [state, page];
    this.noise = priorDraws(DRAWS, model.latentDim, 1);
    this.duration = 0;
    this.waiting = null;
    byId("elbo-title").textContent = model.hasPosterior ? `The ELBO of this ${noun}` : `log p(x|z) of this ${noun}`;
    state.listen((changes) => changes.has("x") && this.schedule());
  }

  schedule() {
    clearTimeout(this.waiting);
    if (this.duration < PATIENCE) this.show();
    else this.waiting = setTimeout(() => this.show(), 150);
  }

  show() {
    const { state, page } = this;
    const before = performance.now();
    const terms = elboOf(page.model, state.x, state.label, this.noise);
    this.duration = performance.now() - before;
    byId("elbo").replaceChildren(...(terms.kl === null ? this.reconstructionOnly(terms) : this.bothTerms(terms)));
  }

  bothTerms(terms) {
    const { model, rows } = this.page;
    const beta = model.beta === 1 ? "" : `${short(model.beta)} · `;
    const given = model.classes ? "x|y" : "x";
    const code = model.classes ? "z, y" : "z";
    const equation = element(
      "div",
      { class: "equation", role: "math", "aria-label": this.inWords(terms) },
      element(
        "span",
        { class: "term" },
        element("i", {}, `ELBO(${given})`),
        element("b", { id: "elbo-value" }, fixed(terms.value, 1)),
      ),
      element("span", { class: "operator" }, "="),
      element(
        "span",
        { class: "term first" },
        element("i", {}, "E", element("sub", {}, "q"), `[log p(x|${code})]`),
        element("b", { id: "elbo-reconstruction" }, fixed(terms.reconstruction, 1)),
      ),
      element("span", { class: "operator" }, "−"),
      element(
        "span",
        { class: "term second" },
        element("i", {}, `${beta && "β · "}KL(q(z|${model.classes ? "x, y" : "x"}) ‖ p(z))`),
        element("b", { id: "elbo-kl" }, `${beta}${fixed(terms.kl, 1)}`),
      ),
      element("span", { class: "unit" }, "nats"),
    );
    const bound =
      model.beta === 1
        ? `It is a lower bound of log p(${given}), here estimated from ${DRAWS} draws.`
        : "β is not 1, so that this is the objective of training, and not the ELBO itself.";
    const lines = [this.bars(terms), element("p", { class: "hint" }, bound)];
    if (rows.terms) {
      const { value, reconstruction, kl } = rows.terms;
      const means = [value, reconstruction, kl].map((term) => (term === null ? "∞" : fixed(term, 1)));
      lines.push(
        element(
          "p",
          { class: "hint" },
          `Mean of the ${rows.count} rows: ${means[0]} = ${means[1]} − ${beta}${means[2]}.`,
        ),
      );
    }
    return [equation, ...lines, this.details(terms)];
  }

  inWords({ value, reconstruction, kl }) {
    const { beta } = this.page.model;
    const times = beta === 1 ? "" : `${beta} times `;
    return `ELBO ${fixed(value, 1)} nats: reconstruction ${fixed(reconstruction, 1)}, minus ${times}KL ${fixed(kl, 1)}`;
  }

  /** The sizes of both terms as bars of one scale. */
  bars({ reconstruction, kl }) {
    const scale = Math.max(Math.abs(reconstruction), this.page.model.beta * kl);
    const lines = [
      ["reconstruction", reconstruction, "first"],
      ["KL", this.page.model.beta * kl, "second"],
    ];
    const bars = lines.map(([name, value, kind]) => {
      const bar = makeBar(name);
      bar.element.classList.add(kind);
      bar.set(Math.abs(value) / scale, fixed(value, 1));
      return bar.element;
    });
    return element("div", { class: "term-bars", "aria-hidden": "true" }, ...bars);
  }

  details(terms) {
    const { state } = this;
    const { mu, logvar } = state.posterior;
    const order = [...terms.parts.keys()].sort((a, b) => terms.parts[b] - terms.parts[a]).slice(0, 5);
    const cells = (tag, texts) => element("tr", {}, ...texts.map((text) => element(tag, {}, text)));
    const rows = order.map((k) =>
      cells("td", [`z${k}`, fixed(mu[k]), fixed(Math.exp(0.5 * logvar[k])), fixed(terms.parts[k])]),
    );
    const rest = sum(terms.parts) - sum(order.map((k) => terms.parts[k]));
    if (terms.parts.length > order.length) rows.push(cells("td", ["others", "", "", fixed(rest)]));
    return element(
      "details",
      { open: true },
      element("summary", {}, "How these numbers are made"),
      element(
        "p",
        {},
        this.density(),
        ` E is the mean over ${DRAWS} draws z = μ + σ ε, ε from N(0, I), always the same ones.`,
      ),
      element("p", {}, "KL = ½ Σ (μ² + σ² − 1 − log σ²), over the latent dimensions:"),
      element("table", {}, element("thead", {}, cells("th", ["", "μ", "σ", "KL"])), element("tbody", {}, ...rows)),
    );
  }

  density() {
    const { model, shape } = this.page;
    const units = shape ? (shape[2] === 1 ? "pixels" : "numbers of the pixels") : "numbers";
    return DENSITIES[model.likelihood.name].replace("{D}", model.inputDim).replace("{units}", units);
  }

  reconstructionOnly({ value }) {
    return [
      element(
        "div",
        { class: "equation" },
        element(
          "span",
          { class: "term first" },
          element("i", {}, "log p(x|z)"),
          element("b", { id: "elbo-value" }, fixed(value, 1)),
        ),
        element("span", { class: "unit" }, "nats"),
      ),
      element("p", { class: "hint" }, "An autoencoder has no posterior and no prior, so there is no KL and no ELBO."),
      element("p", {}, this.density()),
    ];
  }
}
