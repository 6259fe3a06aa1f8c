// Small helpers for the elements of the page. Texts of the user, such as names of classes, enter it as text nodes and
// attributes only, never as HTML.

function byId(id) {
  return document.getElementById(id);
}

/** A new element with attributes and children; a text is a text node, and a function a listener. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** A name that may be in any script, kept apart from the text around it. */
function named(text) {
  return element("bdi", {}, text);
}

/** A number with a fixed number of digits after the point, and a real minus sign. */
function fixed(number, digits = 2) {
  const text = number.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}

/** A number with so many digits, for numbers of any size. */
function short(number, digits = 4) {
  if (Number.isNaN(number)) return "missing";
  return String(Number(number.toPrecision(digits))).replaceAll("-", "−");
}

/** Say a text to those who use a screen reader. Only the last of several in a row is said. */
const announce = (() => {
  let waiting = null;
  return (text) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => (byId("announcer").textContent = text), 400);
  };
})();

/** A colour of the style sheet, which depends on the light or dark theme. */
function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Call a function when the theme changes. */
function onThemeChange(listener) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", listener);
}

/** Give a canvas as many pixels as the screen has on it, and return its context in units of CSS pixels. */
function sharpContext(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}
