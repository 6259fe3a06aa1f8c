// The plane of codes. It is spanned by two orthonormal directions P: a code z is at Pᵀ z. If it is moved by d in the
// plane, the code becomes z + P d, whose parts across the plane are as before.

// 95 % of a normal distribution in a plane lie within so many standard deviations
const INSIDE_95 = Math.sqrt(-2 * Math.log(0.05));
const COLORS = 8;
const MARKS = [
  { sign: "●", draw: (c, r) => c.arc(0, 0, r, 0, 2 * Math.PI) },
  { sign: "■", draw: (c, r) => c.rect(-0.9 * r, -0.9 * r, 1.8 * r, 1.8 * r) },
  {
    sign: "▲",
    draw: (c, r) =>
      polygon(c, [
        [0, -1.25 * r],
        [1.15 * r, 0.85 * r],
        [-1.15 * r, 0.85 * r],
      ]),
  },
  {
    sign: "◆",
    draw: (c, r) =>
      polygon(c, [
        [0, -1.35 * r],
        [1.35 * r, 0],
        [0, 1.35 * r],
        [-1.35 * r, 0],
      ]),
  },
  {
    sign: "▼",
    draw: (c, r) =>
      polygon(c, [
        [0, 1.25 * r],
        [1.15 * r, -0.85 * r],
        [-1.15 * r, -0.85 * r],
      ]),
  },
];

function polygon(context, corners) {
  corners.forEach(([x, y], k) => (k === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
  context.closePath();
}

// Each class has a colour and a mark, so that neither colour alone nor form alone tells it.

function markOf(label) {
  return MARKS[label % MARKS.length];
}

function colorName(label) {
  return label < 0 ? "no-class" : `class-${label % COLORS}`;
}

class Plane {
  constructor(state, page) {
    this.state = state;
    this.page = page;
    this.hidden = new Set(); // classes that are not shown
    this.ends = []; // the codes A and B of the path
    this.box = byId("plane");
    this.fillChoices();
    this.fillLegend();
    this.choose();
    new ResizeObserver(() => this.resize()).observe(this.box);
    onThemeChange(() => this.drawPoints());
    state.listen(() => this.drawCode());
    this.listenToPointer();
    this.box.addEventListener("keydown", (event) => this.pressKey(event));
  }

  // --- the directions

  fillChoices() {
    const { model, planes } = this.page;
    const names = {
      separating: "that separates the classes",
      widest: "of the widest spread",
      dimensions: "of two dimensions",
    };
    const choices = model.latentDim > 2 ? [...Object.keys(planes), "dimensions"] : [];
    byId("plane-choice").append(...choices.map((name) => element("option", { value: name }, names[name])));
    const dimensions = this.page.order.map((k) => [k, `z${k}`]);
    for (const [id, chosen] of [
      ["plane-across", 0],
      ["plane-up", 1],
    ]) {
      byId(id).append(...dimensions.map(([k, name]) => element("option", { value: k }, name)));
      byId(id).value = dimensions[Math.min(chosen, dimensions.length - 1)][0];
      byId(id).addEventListener("change", () => this.choose());
    }
    byId("plane-choice").addEventListener("change", () => this.choose());
    byId("plane-controls").hidden = model.latentDim < 3;
    if (model.latentDim === 2) [byId("plane-across").value, byId("plane-up").value] = [0, 1];
  }

  /** Take the plane that is chosen in the controls. */
  choose() {
    const { model, planes } = this.page;
    const choice = byId("plane-choice").value || "dimensions";
    byId("plane-dimensions").hidden = choice !== "dimensions";
    const across = Number(byId("plane-across").value);
    let up = Number(byId("plane-up").value);
    if (across === up && model.latentDim > 1) {
      up = this.page.order.find((k) => k !== across);
      byId("plane-up").value = up;
    }
    const unit = (k) => Float64Array.from({ length: model.latentDim }, (_, n) => (n === k ? 1 : 0));
    const nowhere = new Float64Array(model.latentDim); // a latent space of one dimension has only one direction
    this.directions = planes[choice]?.map((direction) => Float64Array.from(direction)) ?? [
      unit(across),
      model.latentDim > 1 ? unit(up) : nowhere,
    ];
    const where = model.latentDim > 2 ? " Dragging moves z within this plane or parallel to it." : "";
    const notes = {
      separating:
        "The two directions in which the classes are farthest apart, relative to the spread within each: Fisher’s " +
        "discriminants of these codes, made orthonormal.",
      widest: "The two orthonormal directions in which these codes vary most: their principal components.",
      dimensions:
        model.latentDim > 1 ? `z${across} is across, z${up} is up.` : "The only latent dimension, z0, is across.",
    };
    const circles = model.hasPosterior ? " The dashed circle holds 95 % of the prior, the ellipse 95 % of q(z|x)." : "";
    byId("plane-note").textContent = notes[choice] + where + circles;
    this.points = Array.from({ length: this.page.rows.count }, (_, k) => this.project(this.page.rows.code(k)));
    this.fit();
    this.resize();
  }

  project(z) {
    return this.directions.map((direction) => direction.reduce((total, part, k) => total + part * z[k], 0));
  }

  /** The centre, and half of the side, of the square that is shown. */
  fit() {
    const reach = this.page.model.hasPosterior ? INSIDE_95 : 0;
    const ranges = [0, 1].map((axis) => {
      let [low, high] = [-reach, reach];
      for (const point of this.points) [low, high] = [Math.min(low, point[axis]), Math.max(high, point[axis])];
      return [low, high];
    });
    this.centre = ranges.map(([low, high]) => (low + high) / 2);
    this.half = Math.max(0.5, ...ranges.map(([low, high]) => (high - low) / 2)) * 1.06;
  }

  toScreen([x, y]) {
    const scale = this.size / (2 * this.half);
    return [(x - this.centre[0] + this.half) * scale, (this.centre[1] + this.half - y) * scale];
  }

  fromScreen([left, top]) {
    const scale = (2 * this.half) / this.size;
    return [left * scale + this.centre[0] - this.half, this.centre[1] + this.half - top * scale];
  }

  // --- the picture

  resize() {
    this.size = Math.max(200, this.box.clientWidth);
    this.box.style.height = `${this.size}px`;
    this.pointsContext = sharpContext(byId("plane-points"), this.size, this.size);
    this.codeContext = sharpContext(byId("plane-code"), this.size, this.size);
    this.drawPoints();
  }

  drawPoints() {
    const context = this.pointsContext;
    context.clearRect(0, 0, this.size, this.size);
    this.drawAxes(context);
    const radius = this.points.length > 1000 ? 2.6 : 3.4;
    const colors = Array.from({ length: COLORS }, (_, k) => color(`class-${k}`));
    const withoutClass = color("no-class");
    context.globalAlpha = this.points.length > 300 ? 0.75 : 0.9;
    this.points.forEach((point, k) => {
      const label = this.page.rows.label(k);
      if (this.hidden.has(label)) return;
      context.save();
      context.translate(...this.toScreen(point));
      context.fillStyle = label < 0 ? withoutClass : colors[label % COLORS];
      context.beginPath();
      markOf(Math.max(label, 0)).draw(context, radius);
      context.fill();
      context.restore();
    });
    context.globalAlpha = 1;
    this.drawCode();
  }

  drawAxes(context) {
    const [left, top] = this.toScreen([0, 0]);
    context.strokeStyle = color("line");
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(left, 0);
    context.lineTo(left, this.size);
    context.moveTo(0, top);
    context.lineTo(this.size, top);
    context.stroke();
    context.fillStyle = color("muted");
    context.font = "11px system-ui, sans-serif";
    for (let n = -Math.floor(this.half * 2); n <= this.half * 2; n++) {
      const step = Math.max(1, Math.round(this.half / 2.5));
      if (n === 0 || n % step) continue;
      const [x, y] = [this.toScreen([n, 0])[0], this.toScreen([0, n])[1]];
      context.fillText(fixed(n, 0), x - 4, Math.min(Math.max(top + 13, 12), this.size - 4));
      if (this.directions[1].some((part) => part !== 0)) context.fillText(fixed(n, 0), Math.max(left + 4, 2), y + 4);
    }
    if (!this.page.model.hasPosterior) return;
    context.setLineDash([4, 4]);
    context.strokeStyle = color("muted");
    context.beginPath();
    context.arc(left, top, (INSIDE_95 * this.size) / (2 * this.half), 0, 2 * Math.PI);
    context.stroke();
    context.setLineDash([]);
  }

  /** What moves is on a canvas of its own, so that a drag does not draw all points again. */
  drawCode() {
    const context = this.codeContext;
    context.clearRect(0, 0, this.size, this.size);
    this.drawEnds(context);
    if (this.state.posterior?.logvar) this.drawEllipse(context);
    const [left, top] = this.toScreen(this.project(this.state.z));
    for (const [style, width] of [
      ["card", 5],
      ["accent", 2.5],
    ]) {
      context.strokeStyle = color(style);
      context.lineWidth = width;
      context.beginPath();
      context.arc(left, top, 8, 0, 2 * Math.PI);
      context.moveTo(left - 3.5, top);
      context.lineTo(left + 3.5, top);
      context.moveTo(left, top - 3.5);
      context.lineTo(left, top + 3.5);
      context.stroke();
    }
  }

  drawEnds(context) {
    const places = this.ends.map((code) => this.toScreen(this.project(code)));
    context.strokeStyle = context.fillStyle = color("text");
    context.lineWidth = 1;
    context.font = "bold 13px system-ui, sans-serif";
    context.beginPath();
    places.forEach(([left, top], k) => (k === 0 ? context.moveTo(left, top) : context.lineTo(left, top)));
    context.stroke();
    context.lineWidth = 3;
    context.strokeStyle = color("card");
    places.forEach(([left, top], k) => {
      context.strokeText("AB"[k], left + 6, top - 6);
      context.fillText("AB"[k], left + 6, top - 6);
    });
  }

  /** The ellipse that holds 95 % of q(z | x) in the plane, where its covariance is C = Pᵀ diag(σ²) P. */
  drawEllipse(context) {
    const { mu, logvar } = this.state.posterior;
    const [p, q] = this.directions;
    const entry = (u, v) => u.reduce((total, part, k) => total + part * Math.exp(logvar[k]) * v[k], 0);
    const [a, b, c] = [entry(p, p), entry(p, q), entry(q, q)];
    // the eigenvalues of a symmetric matrix ((a, b), (b, c)), and the angle of its first eigenvector
    const [middle, spread] = [(a + c) / 2, Math.hypot((a - c) / 2, b)];
    const angle = 0.5 * Math.atan2(2 * b, a - c);
    const unit = (INSIDE_95 * this.size) / (2 * this.half);
    const radii = [middle + spread, middle - spread].map((value) =>
      Math.max(1.5, Math.sqrt(Math.max(value, 0)) * unit),
    );
    const [left, top] = this.toScreen(this.project(mu));
    context.beginPath();
    context.ellipse(left, top, ...radii, -angle, 0, 2 * Math.PI);
    context.fillStyle = color("accent");
    context.globalAlpha = 0.18;
    context.fill();
    context.globalAlpha = 1;
    context.strokeStyle = color("accent");
    context.lineWidth = 1.5;
    context.stroke();
  }

  /** Show the codes A and B, and the line between them. */
  showEnds(ends) {
    this.ends = ends;
    this.drawCode();
  }

  // --- what one does with it

  /** The row whose point is nearest to a place on the screen, if it is nearer than `reach`. */
  nearest(place, reach) {
    let [best, distance] = [null, reach];
    this.points.forEach((point, k) => {
      if (this.hidden.has(this.page.rows.label(k))) return;
      const [left, top] = this.toScreen(point);
      const away = Math.hypot(left - place[0], top - place[1]);
      if (away < distance) [best, distance] = [k, away];
    });
    return best;
  }

  moveTo(target) {
    const [x, y] = this.project(this.state.z);
    this.moveBy([target[0] - x, target[1] - y]);
  }

  moveBy([right, up]) {
    const [p, q] = this.directions;
    this.state.setCode(this.state.z.map((number, k) => number + right * p[k] + up * q[k]));
  }

  listenToPointer() {
    const place = (event) => {
      const box = this.box.getBoundingClientRect();
      return [event.clientX - box.left - this.box.clientLeft, event.clientY - box.top - this.box.clientTop];
    };
    let dragging = null; // where the pointer was pressed, until it has moved
    let moved = false;
    this.box.addEventListener("pointerdown", (event) => {
      this.box.setPointerCapture(event.pointerId);
      this.box.focus({ preventScroll: true });
      [dragging, moved] = [place(event), false];
      this.finger = event.pointerType === "touch";
      this.hideTip();
      const handle = this.toScreen(this.project(this.state.z));
      if (Math.hypot(handle[0] - dragging[0], handle[1] - dragging[1]) < 14) return;
      const row = this.nearest(dragging, event.pointerType === "touch" ? 16 : 8);
      if (row !== null) this.page.takeRow(row);
      else this.moveTo(this.fromScreen(dragging));
    });
    this.box.addEventListener("pointermove", (event) => {
      const now = place(event);
      if (dragging === null) {
        this.showTip(now);
        return;
      }
      moved ||= Math.hypot(now[0] - dragging[0], now[1] - dragging[1]) > 3;
      if (!moved) return;
      this.moveTo(this.fromScreen(now));
      this.showDecoded(now);
    });
    const end = () => {
      dragging = null;
      this.hideTip();
    };
    for (const name of ["pointerup", "pointercancel"]) this.box.addEventListener(name, end);
    this.box.addEventListener("pointerleave", () => this.hideTip());
  }

  pressKey(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (event.key in steps) {
      const size = event.shiftKey ? 0.5 : 0.1;
      this.moveBy(steps[event.key].map((step) => step * size));
      const [x, y] = this.project(this.state.z);
      const near = this.nearest(this.toScreen([x, y]), Infinity);
      const text = near === null ? "" : `; nearest: ${rowText(this.page, near)}`;
      announce(`Code at ${fixed(x, 1)} across, ${fixed(y, 1)} up${text}`);
    } else if (event.key === "Enter") {
      const row = this.nearest(this.toScreen(this.project(this.state.z)), Infinity);
      if (row === null) return;
      this.page.takeRow(row);
      announce(`${rowText(this.page, row)} is the input`);
    } else {
      return;
    }
    event.preventDefault();
  }

  /** Show the row whose point is under the pointer. */
  showTip(place) {
    const row = this.nearest(place, 10);
    if (row === null) {
      this.hideTip();
    } else if (this.tipRow !== row) {
      this.tipRow = row;
      this.fillTip(this.page.rows.row(row), rowText(this.page, row));
      this.placeTip(this.toScreen(this.points[row]), 12);
    }
  }

  /** Show what z decodes to beside it, while it is dragged: the decoder's picture may be far down on a small screen. */
  showDecoded(place) {
    const { state, page } = this;
    this.fillTip(page.model.decode(state.z, state.label), "decoded");
    this.placeTip(place, this.finger ? 40 : 18);
  }

  fillTip(x, text) {
    this.tipView ??= this.page.shape ? new PictureView(this.page, "") : null;
    this.tipView?.show(x);
    byId("plane-tip").replaceChildren(...(this.tipView ? [this.tipView.element] : this.tipCells(x)), named(text));
    byId("plane-tip").hidden = false;
  }

  /** Put the tip above a place, or below it if there is no room, within the plane. */
  placeTip([left, top], distance) {
    const tip = byId("plane-tip");
    const [width, height] = [tip.offsetWidth, tip.offsetHeight];
    tip.style.left = `${Math.min(Math.max(left - width / 2, 0), this.size - width)}px`;
    tip.style.top = `${top > height + distance ? top - height - distance : top + distance}px`;
  }

  /** The first cells of a row of a table. */
  tipCells(x) {
    return this.page.columns
      .slice(0, 8)
      .map((column) => element("span", {}, named(column.name), ": ", named(cellText(column, x))));
  }

  hideTip() {
    this.tipRow = null;
    byId("plane-tip").hidden = true;
  }

  // --- the legend

  fillLegend() {
    const { rows, classNames } = this.page;
    if (rows.labels === null) return;
    const present = [...new Set(rows.labels)].sort((a, b) => a - b);
    for (const label of present) {
      const name = label < 0 ? "no class" : classNames[label];
      const sign = element(
        "span",
        { "aria-hidden": "true", style: `color: var(--${colorName(label)})` },
        markOf(Math.max(label, 0)).sign,
      );
      const button = element("button", { type: "button", "aria-pressed": "true" }, sign, named(name));
      button.addEventListener("click", () => {
        if (!this.hidden.delete(label)) this.hidden.add(label);
        button.setAttribute("aria-pressed", String(!this.hidden.has(label)));
        this.drawPoints();
      });
      byId("legend").append(button);
    }
  }
}
