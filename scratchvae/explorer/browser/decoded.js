// The row that the code z decodes to, and the class that the decoder reads.

function makeView(page, label) {
  return page.shape ? new PictureView(page, label) : new CellsView(page, label);
}

class Decoded {
  constructor(state, page) {
    const { model, noun } = page;
    const view = makeView(page, `The ${noun} that z decodes to`);
    byId("decoded").append(view.element);
    byId("decoded-note").textContent = `The mean of p(x|z${model.classes ? ", y" : ""}) at the code z.`;
    byId("code-posterior").disabled = byId("code-draw").disabled = true;
    state.listen((changes) => {
      if (changes.has("z")) view.show(model.decode(state.z, state.label));
      byId("code-posterior").disabled = byId("code-draw").disabled = state.posterior === null;
    });
    if (model.classes) this.addChooser(state, page);
  }

  addChooser(state, page) {
    const { model, classNames } = page;
    const choice = byId("class-choice");
    choice.append(...classNames.map((name, k) => element("option", { value: k }, name)));
    choice.addEventListener("change", () => state.setLabel(Number(choice.value)));
    byId("class-chooser").hidden = byId("class-note").hidden = false;
    const before =
      "Encoder and decoder also read the class: z is the rest, such as the style. Change the class to keep it.";
    state.listen(() => {
      choice.value = state.label;
      const guess = model.networks.classifier && state.x ? this.guess(model.classify(state.x), classNames) : [];
      byId("class-note").replaceChildren(before, ...guess);
    });
  }

  guess(probabilities, classNames) {
    const best = indexOfLargest(probabilities);
    return [" The classifier takes the input for ", named(classNames[best]), ` (${percent(probabilities[best])}).`];
  }
}
