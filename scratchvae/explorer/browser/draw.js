// The input of the encoder: a picture to draw on, or cells to set; and the row of data that it starts from.

class Input {
  constructor(state, page) {
    [this.state, this.page] = [state, page];
    this.reconstruction = makeView(page, "The input, encoded and decoded");
    byId("reconstruction").append(this.reconstruction.element);
    if (page.shape) this.addPad();
    else this.addEditor();
    this.addRowChooser();
    state.listen((changes) => changes.has("x") && this.show());
  }

  show() {
    const { state, page } = this;
    const rowName = state.row === null ? `${page.noun} of your own` : rowText(page, state.row);
    this.view.show(state.x, `The input: ${rowName}`);
    this.reconstruction.show(page.model.decode(state.posterior.mu, state.label));
    if (state.row !== null) byId("row-number").value = page.rows.numbers[state.row];
    const label = state.row === null ? -1 : page.rows.label(state.row);
    byId("row-class").replaceChildren(...(label < 0 ? [] : ["class ", named(page.classNames[label])]));
  }

  // --- rows of data

  addRowChooser() {
    const { rows } = this.page;
    const number = byId("row-number");
    const names = { train: "Training row", validation: "Validation row", test: "Test row" };
    byId("row-label").textContent = names[this.page.part] ?? "Row";
    number.max = rows.count ? rows.numbers[rows.count - 1] : 0;
    const nearest = (wanted) =>
      rows.numbers.reduce((best, n, k) => (Math.abs(n - wanted) < Math.abs(rows.numbers[best] - wanted) ? k : best), 0);
    number.addEventListener("change", () => this.page.takeRow(nearest(Number(number.value))));
    const step = (by) => () => {
      const now = this.state.row ?? nearest(Number(number.value));
      this.page.takeRow((now + by + rows.count) % rows.count);
      announce(rowText(this.page, this.state.row));
    };
    byId("row-before").addEventListener("click", step(-1));
    byId("row-after").addEventListener("click", step(1));
  }

  // --- cells

  addEditor() {
    this.view = new CellsEditor(this.page, (x) => this.state.setInput(x));
    byId("input").append(this.view.element);
    byId("input-help").textContent = "Set the cells of a row, and see its code, its reconstruction and its ELBO.";
  }

  // --- pictures

  addPad() {
    const { page } = this;
    this.view = new PictureView(page, "The input");
    const pad = this.view.element;
    pad.classList.add("pad");
    pad.setAttribute("role", "application"); // the arrow keys are for the pen
    pad.tabIndex = 0;
    pad.setAttribute("aria-describedby", "input-help");
    byId("input").append(pad);
    byId("input-help").textContent =
      "Draw a picture of your own, or draw on one of the data. With the keyboard: the arrow keys move the pen, and " +
      "the space bar draws.";
    this.pen = 1;
    this.paint = [1, 1, 1]; // shares of red, green and blue
    this.radius = Math.max(0.7, Math.min(page.shape[0], page.shape[1]) / 22);
    this.addTools();
    this.listenToPen(pad);
  }

  addTools() {
    const tools = byId("drawing-tools");
    const clear = element("button", { type: "button", id: "pad-clear" }, "Clear");
    clear.addEventListener("click", () =>
      this.state.setInput(new Float64Array(this.page.model.inputDim).fill(this.page.low)),
    );
    const erase = element("button", { type: "button", id: "pad-erase", "aria-pressed": "false" }, "Eraser");
    erase.addEventListener("click", () => {
      this.pen = 1 - this.pen;
      erase.setAttribute("aria-pressed", String(this.pen === 0));
    });
    tools.append(clear, erase);
    if (this.page.shape[2] !== 3) return;
    const colour = element("input", { type: "color", value: "#ffffff", "aria-label": "Colour of the pen" });
    colour.addEventListener("input", () => {
      this.paint = [1, 3, 5].map((start) => parseInt(colour.value.slice(start, start + 2), 16) / 255);
    });
    tools.append(colour);
  }

  listenToPen(pad) {
    let last = null; // the place of the pen, in pixels of the picture
    const place = (event) => {
      const box = pad.getBoundingClientRect();
      const [height, width] = this.page.shape;
      return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
    };
    pad.addEventListener("pointerdown", (event) => {
      pad.setPointerCapture(event.pointerId);
      last = place(event);
      this.stroke(last, last);
    });
    pad.addEventListener("pointermove", (event) => {
      if (last === null) return;
      const next = place(event);
      this.stroke(last, next);
      last = next;
    });
    for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => (last = null));

    const [height, width] = this.page.shape;
    let cursor = [Math.floor(width / 2) + 0.5, Math.floor(height / 2) + 0.5]; // the middle of a pixel
    pad.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      if (event.key in steps) {
        const [x, y] = steps[event.key];
        cursor = [
          Math.min(Math.max(cursor[0] + x, 0.5), width - 0.5),
          Math.min(Math.max(cursor[1] + y, 0.5), height - 0.5),
        ];
        announce(`Pen at column ${Math.floor(cursor[0])}, line ${Math.floor(cursor[1])}`);
      } else if (event.key === " ") {
        this.stroke(cursor, cursor);
      } else {
        return;
      }
      event.preventDefault();
    });
  }

  /** Draw a line of soft edges: a pixel is covered fully within the radius, and not at all one pixel farther away. */
  stroke(from, to) {
    const [height, width, channels] = this.page.shape;
    const { low, high } = this.page;
    const x = Float64Array.from(this.state.x ?? new Float64Array(height * width * channels).fill(low));
    for (let i = 0; i < height; i++) {
      for (let j = 0; j < width; j++) {
        const cover = Math.min(Math.max(this.radius + 0.5 - distanceToLine([j + 0.5, i + 0.5], from, to), 0), 1);
        if (cover === 0) continue;
        for (let c = 0; c < channels; c++) {
          const n = (i * width + j) * channels + c;
          const old = Number.isNaN(x[n]) ? low : x[n];
          if (this.pen === 0) x[n] = old + cover * (low - old);
          else if (channels === 3) x[n] = old + cover * (low + (high - low) * this.paint[c] - old);
          else x[n] = Math.max(old, low + (high - low) * cover);
        }
      }
    }
    this.state.setInput(x);
  }
}

function distanceToLine([x, y], [x0, y0], [x1, y1]) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const along = dx === 0 && dy === 0 ? 0 : ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy);
  const t = Math.min(Math.max(along, 0), 1);
  return Math.hypot(x - x0 - t * dx, y - y0 - t * dy);
}
