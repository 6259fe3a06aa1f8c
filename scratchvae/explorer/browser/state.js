// What the page shows: the input x, its posterior, the code z, and the class. Everything else follows from these.

class State {
  constructor(model) {
    this.model = model;
    this.label = model.classes ? 0 : null; // the number of the class that conditional models read
    this.z = new Float64Array(model.latentDim);
    this.x = null; // the input of the encoder, and the row that it was, if it is one
    this.row = null;
    this.posterior = null; // q(z | x)
    this.listeners = [];
    this.changes = new Set();
  }

  /** Call `listener` after changes of "z" or "x", at most once for each picture that the screen shows. */
  listen(listener) {
    this.listeners.push(listener);
  }

  /** Move the code. */
  setCode(z) {
    this.z = Float64Array.from(z);
    this.changed("z");
  }

  /** Take another input, which may be row number `row` of the data; the code moves to its mean. */
  setInput(x, { row = null, label = null } = {}) {
    this.x = x;
    this.row = row;
    const known = label !== null && label >= 0;
    if (this.model.networks.classifier) this.label = indexOfLargest(this.model.classify(x));
    else if (this.model.classes && known) this.label = label;
    this.encode();
  }

  /** Choose the class: that of the input, and that which is decoded. The code stays, and so keeps its style. */
  setLabel(label) {
    this.label = label;
    if (this.x) this.posterior = this.model.encode(this.x, label);
    this.changed("x");
    this.changed("z");
  }

  encode() {
    this.posterior = this.model.encode(this.x, this.label);
    this.changed("x");
    this.setCode(this.posterior.mu);
  }

  changed(what) {
    if (this.changes.size === 0) requestAnimationFrame(() => this.tell());
    this.changes.add(what);
  }

  tell() {
    const changes = this.changes;
    this.changes = new Set();
    for (const listener of this.listeners) listener(changes);
  }
}

function indexOfLargest(numbers) {
  return numbers.reduce((best, number, k) => (number > numbers[best] ? k : best), 0);
}
