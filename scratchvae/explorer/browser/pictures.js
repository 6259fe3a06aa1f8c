// Rows as pictures.

const MISSING_PIXEL = [125, 156, 201];

/** A view of rows as pictures: `show(x)` draws one, and says what it is to a screen reader. */
class PictureView {
  constructor(page, label) {
    [this.height, this.width, this.channels] = page.shape;
    this.page = page;
    this.element = element("canvas", { class: "picture", role: "img", "aria-label": label });
    this.element.width = this.width;
    this.element.height = this.height;
    this.element.style.aspectRatio = `${this.width} / ${this.height}`;
    this.context = this.element.getContext("2d");
    this.image = this.context.createImageData(this.width, this.height);
  }

  show(x, label = null) {
    fillPixels(this.image.data, x, this.page);
    this.context.putImageData(this.image, 0, 0);
    if (label) this.element.setAttribute("aria-label", label);
  }
}

/** Write the pixels of a row as red, green, blue and opacity. Other than three channels, only the first is shown. */
function fillPixels(pixels, x, { shape, low, high }) {
  const channels = shape[2];
  const scale = 255 / (high - low);
  for (let n = 0; n < pixels.length / 4; n++) {
    for (let c = 0; c < 3; c++) {
      const value = x[n * channels + (channels === 3 ? c : 0)];
      pixels[4 * n + c] = Number.isNaN(value) ? MISSING_PIXEL[c] : (value - low) * scale; // clipped to 0 to 255
    }
    pixels[4 * n + 3] = 255;
  }
}
