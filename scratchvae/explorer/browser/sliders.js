// A slider for each latent dimension, those that are used most first.

class Sliders {
  constructor(state, page) {
    const { model, kl, order } = page;
    const largestKl = kl ? Math.max(...kl.filter(Number.isFinite)) : 0;
    this.state = state;
    this.lines = order.map((k) => this.addLine(k, page.reach[k], kl ? kl[k] : null, largestKl));
    state.listen((changes) => changes.has("z") && this.show());
    byId("sliders-note").textContent = this.note(model, kl);
    byId("code-zero").addEventListener("click", () => state.setCode(new Float64Array(model.latentDim)));
    byId("code-posterior").addEventListener("click", () => state.setCode(state.posterior.mu));
    let draws = 0;
    byId("code-draw").addEventListener("click", () => {
      draws += 1;
      state.setCode(drawCode(state.posterior, priorDraws(1, model.latentDim, draws)[0]));
    });
  }

  note(model, kl) {
    const count = model.latentDim === 1 ? "The latent dimension" : `The ${model.latentDim} latent dimensions`;
    if (kl) return `${count}, ordered by KL: how many nats each tells about a row, on average over the rows.`;
    return model.hasPosterior ? `${count}. Without rows of data, their KL is not known.` : `${count}.`;
  }

  addLine(k, reach, kl, largestKl) {
    const id = `slider-${k}`;
    const text = kl === null ? "" : `${fixed(kl)} nats`;
    const label = `z${k}${text && `, KL ${text}`}`;
    const range = element("input", { id, type: "range", min: -reach, max: reach, step: 0.01, "aria-label": label });
    const output = element("output", { for: id });
    range.addEventListener("input", () => {
      const z = Float64Array.from(this.state.z);
      z[k] = Number(range.value);
      this.state.setCode(z);
    });
    const name = element("label", { for: id, "aria-hidden": "true" }, "z", element("sub", {}, String(k)));
    const parts = [name, range, output];
    if (kl !== null) {
      const bar = makeBar("");
      bar.set(kl / largestKl, fixed(kl));
      bar.element.title = `KL ${text}`;
      parts.push(bar.element);
    }
    byId("sliders").append(element("li", {}, ...parts));
    return { k, range, output };
  }

  show() {
    for (const { k, range, output } of this.lines) {
      range.value = this.state.z[k];
      output.value = fixed(this.state.z[k]);
    }
  }
}
