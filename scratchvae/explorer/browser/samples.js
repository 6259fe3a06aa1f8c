// New rows: codes from the prior, decoded.

const PICTURES = 18;
const TABLE_ROWS = 6;

class Samples {
  constructor(state, page) {
    [this.state, this.page, this.seed] = [state, page, 0];
    const { model } = page;
    if (!model.hasPosterior) {
      byId("samples-note").textContent =
        "An autoencoder has no prior: nothing says which codes are usual, so there is nothing to draw samples from.";
      return;
    }
    const given = model.classes ? ", of the class y" : "";
    const what = page.shape ? "Press one to move z there." : "Press the number of one to move z there.";
    byId("samples-note").textContent = `The means of p(x|z) for draws of z from the prior N(0, I)${given}. ${what}`;
    byId("samples-again").addEventListener("click", () => this.draw());
    if (page.shape) this.views = Array.from({ length: PICTURES }, (_, n) => this.addPicture(n));
    state.listen((changes) => changes.has("x") && model.classes && this.show());
    this.draw();
  }

  addPicture(n) {
    const view = new PictureView(this.page, "");
    view.element.setAttribute("aria-hidden", "true");
    const button = element(
      "button",
      { type: "button", class: "thumbnail", "aria-label": `Take sample ${n + 1}` },
      view.element,
    );
    button.addEventListener("click", () => this.state.setCode(this.codes[n]));
    byId("samples").append(button);
    return view;
  }

  draw() {
    this.seed += 1;
    this.codes = priorDraws(this.page.shape ? PICTURES : TABLE_ROWS, this.page.model.latentDim, 1000 + this.seed);
    this.show();
  }

  show() {
    const { model } = this.page;
    const decoded = this.codes.map((z) => model.decode(z, this.state.label));
    if (this.views) this.views.forEach((view, n) => view.show(decoded[n]));
    else byId("samples").replaceChildren(this.table(decoded));
  }

  table(decoded) {
    const { columns } = this.page;
    const head = element(
      "tr",
      {},
      element("th", {}, ""),
      ...columns.map((column) => element("th", { scope: "col" }, named(column.name))),
    );
    const rows = decoded.map((x, n) => {
      const take = element("button", { type: "button", "aria-label": `Take sample ${n + 1}` }, String(n + 1));
      take.addEventListener("click", () => this.state.setCode(this.codes[n]));
      return element(
        "tr",
        {},
        element("td", {}, take),
        ...columns.map((column) => element("td", {}, named(cellText(column, x)))),
      );
    });
    return element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
  }
}
