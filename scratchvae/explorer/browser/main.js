// Start here: read the data, make the model, and put the parts of the page together.

/** What the parts of the page share: the data of the file, with the model, the rows, and the ranges of the sliders. */
async function readPage() {
  const page = JSON.parse(byId("data").textContent);
  const weights = await unpack(page.weights);
  page.model = new Model(page.model, weights);
  page.rows = new Rows(page.rows, await unpack(page.rows.values), await unpack(page.rows.codes), page.model);
  page.noun = page.shape ? "picture" : "row";
  const dimensions = [...Array(page.model.latentDim).keys()];
  page.reach = reachOf(page);
  // a KL that is not finite is null; without rows there is none, and the dimensions keep their order
  const use = page.kl?.map((kl) => kl ?? Number.MAX_VALUE) ?? page.reach;
  page.order = dimensions.sort((a, b) => use[b] - use[a]);
  return page;
}

/** How far the slider of each dimension goes: over all codes, and over nearly all of the prior. */
function reachOf({ model, rows }) {
  const reach = new Float64Array(model.latentDim).fill(model.hasPosterior ? 4 : 0);
  for (let n = 0; n < rows.count; n++) {
    rows.code(n).forEach((number, k) => (reach[k] = Math.max(reach[k], Math.abs(number))));
  }
  return reach.map((number) => Math.ceil(number * 10) / 10 || 4);
}

function writeTexts(page) {
  const { model, rows } = page;
  document.title = page.title ? `${page.title} – scratchvae explore` : "scratchvae explore";
  byId("title").replaceChildren(...(page.title ? ["The latent space of ", named(page.title)] : ["A latent space"]));
  const numbers = model.latentDim === 1 ? "a number" : `${model.latentDim} numbers`;
  byId("lead").textContent =
    `An encoder turns each ${page.noun} x into a code z of ${numbers}, and a decoder turns codes into ${page.noun}s. ` +
    `Move the code, and see what it means.`;
  byId("about").textContent = page.about;
  document.body.classList.toggle("for-tables", page.shape === null);
  for (const place of document.querySelectorAll(".noun")) place.textContent = `a ${page.noun}`;
  for (const place of document.querySelectorAll(".with-rows")) place.hidden = rows.count === 0;
  for (const place of document.querySelectorAll(".with-prior")) place.hidden = !model.hasPosterior;
  const shown = rows.count < rows.of ? `${rows.count} of ${rows.of} rows, chosen at random,` : `${rows.count} rows`;
  const data = rows.count === 0 ? "This page holds no rows of data." : `This page holds ${shown} and their codes.`;
  byId("footer").textContent =
    `${data} Encoder and decoder run here, in your browser, with ${page.precision} weights. Nothing is sent anywhere.`;
}

async function showPage() {
  const page = await readPage();
  const state = new State(page.model);
  page.takeRow = (k) => state.setInput(page.rows.row(k), { row: k, label: page.rows.label(k) });
  writeTexts(page);
  byId("main").hidden = false;

  const plane = new Plane(state, page);
  const interpolation = new Interpolation(state, page, plane);
  const parts = {
    plane,
    interpolation,
    sliders: new Sliders(state, page),
    decoded: new Decoded(state, page),
    input: new Input(state, page),
    formula: new Formula(state, page),
    samples: new Samples(state, page),
  };
  begin(state, page, interpolation);

  // for the console of the browser: scratchvae.model.decode(scratchvae.state.z, scratchvae.state.label)
  window.scratchvae = { page, state, model: page.model, elboOf, priorDraws, ...parts };
}

/** The first input, and the ends of the first path: rows of different classes, or the rows that are farthest apart. */
function begin(state, page, interpolation) {
  const { rows, model } = page;
  if (rows.count > 0) {
    const first = 0;
    const other = [...Array(rows.count).keys()].find((k) => rows.label(k) >= 0 && rows.label(k) !== rows.label(first));
    page.takeRow(first);
    interpolation.setEnd(0, rows.code(first));
    interpolation.setEnd(1, rows.code(other ?? rows.count - 1));
    return;
  }
  const [a, b] = model.hasPosterior
    ? priorDraws(2, model.latentDim, 7)
    : [new Float64Array(model.latentDim), new Float64Array(model.latentDim).fill(1)];
  state.setInput(page.shape ? new Float64Array(model.inputDim).fill(page.low) : usualRow(page));
  interpolation.setEnd(0, a);
  interpolation.setEnd(1, b);
}

/** A row of a table without rows: what the code 0 decodes to, with the likeliest categories and whole counts. */
function usualRow(page) {
  const x = page.model.decode(new Float64Array(page.model.latentDim), 0);
  for (const { kind, start, width } of page.columns) {
    if (kind === "category") {
      const best = indexOfLargest(x.subarray(start, start + width));
      x.fill(0, start, start + width)[start + best] = 1;
    } else if (kind === "count" || kind === "boolean") {
      x[start] = Math.round(x[start]);
    }
  }
  return x;
}

showPage().catch((error) => {
  const old = typeof DecompressionStream === "undefined";
  byId("failure").textContent = old
    ? "This browser is too old to show the page: it needs one from 2023 or later."
    : `The page could not be shown: ${error.message}`;
  byId("failure").hidden = false;
  throw error;
});
