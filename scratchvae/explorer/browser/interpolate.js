// The codes on a path from A to B.

const STEPS = 9; // pictures in the strip, both ends included

class Interpolation {
  constructor(state, page, plane) {
    Object.assign(this, { state, page, plane });
    this.ends = [null, null];
    this.playing = null;
    byId("path-from").addEventListener("click", () => this.setEnd(0, state.z));
    byId("path-to").addEventListener("click", () => this.setEnd(1, state.z));
    byId("path-kind").addEventListener("change", () => this.show());
    byId("path-place").addEventListener("input", () => this.go(Number(byId("path-place").value)));
    byId("path-play").addEventListener("click", () => this.play());
    if (page.shape) this.addStrip();
    else byId("path-strip").hidden = true;
    byId("path-note").textContent =
      "Set A and B to codes that you have found, and move between them. A straight line between codes of many " +
      "dimensions passes closer to 0 than codes are; the arc does not.";
    state.listen((changes) => changes.has("x") && page.model.classes && this.show()); // the class may be another
  }

  addStrip() {
    this.views = Array.from({ length: STEPS }, (_, n) => {
      const t = n / (STEPS - 1);
      const view = new PictureView(this.page, "");
      view.element.setAttribute("aria-hidden", "true");
      const label = n === 0 ? "Go to A" : n === STEPS - 1 ? "Go to B" : `Go ${percent(t)} of the way from A to B`;
      const button = element("button", { type: "button", class: "thumbnail", "aria-label": label }, view.element);
      button.addEventListener("click", () => this.go(t));
      byId("path-strip").append(button);
      return view;
    });
  }

  setEnd(which, code) {
    this.ends[which] = Float64Array.from(code);
    this.show();
  }

  at(t) {
    return PATHS[byId("path-kind").value](...this.ends, t);
  }

  /** Show the strip and, in the plane, the ends. */
  show() {
    if (this.ends.includes(null)) return;
    const { model } = this.page;
    this.views?.forEach((view, n) => view.show(model.decode(this.at(n / (STEPS - 1)), this.state.label)));
    this.plane.showEnds(this.ends);
  }

  go(t) {
    byId("path-place").value = t;
    this.state.setCode(this.at(t));
  }

  /** Go from A to B and back, until the button is pressed again. */
  play() {
    const button = byId("path-play");
    const start = performance.now();
    if (this.playing !== null) {
      cancelAnimationFrame(this.playing);
      this.playing = null;
    } else {
      const frame = (now) => {
        this.go(0.5 - 0.5 * Math.cos(((now - start) / 2000) * Math.PI));
        this.playing = requestAnimationFrame(frame);
      };
      this.playing = requestAnimationFrame(frame);
    }
    button.setAttribute("aria-pressed", String(this.playing !== null));
    button.textContent = this.playing === null ? "Play" : "Stop";
  }
}
