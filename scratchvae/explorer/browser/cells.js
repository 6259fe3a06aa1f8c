// Rows as the cells of a table: a bar for each number, and for each value of a category. In a row of the page, column
// `start` and the `width − 1` after it are the numbers of a cell.

const UNITS_IN_MS = { D: 86400000, h: 3600000, m: 60000, s: 1000, ms: 1, us: 1e-3, ns: 1e-6 };

/** The text of a cell of a row. */
function cellText(column, x) {
  const number = x[column.start];
  if (column.kind === "constant") return column.values[0] ?? "";
  if (Number.isNaN(number)) return "missing";
  if (column.kind === "category")
    return column.values[indexOfLargest(x.subarray(column.start, column.start + column.width))];
  return numberText(column, number);
}

function numberText(column, number) {
  if (column.kind === "boolean") return number >= 0.5 ? "true" : "false";
  if (column.kind === "date") return dateText(number * column.factor + column.shift, column.unit);
  const value = number * (column.factor ?? 1) + (column.shift ?? 0);
  if (column.decimals === undefined || column.decimals === null) return short(value);
  return fixed(value, Math.min(column.decimals, 4));
}

function dateText(ticks, unit) {
  const date = new Date(ticks * UNITS_IN_MS[unit]);
  if (Number.isNaN(date.getTime())) return "out of range";
  return date
    .toISOString()
    .slice(0, unit === "D" ? 10 : 16)
    .replace("T", " ");
}

/** A view of rows as bars: `show(x)` sets them. For a category or a truth value, a bar is a probability. */
class CellsView {
  constructor(page, label) {
    this.element = element("dl", { class: "cells", "aria-label": label });
    this.updates = page.columns.map((column) => this.add(column));
  }

  add(column) {
    const text = element("bdi");
    const value = element("dd", {}, text);
    this.element.append(element("dt", {}, named(column.name)), value);
    if (column.kind === "constant") {
      return (x) => (text.textContent = cellText(column, x));
    }
    if (column.kind === "category") {
      const bars = column.values.map((name) => {
        const bar = makeBar(name);
        value.append(bar.element);
        return bar;
      });
      return (x) => {
        text.textContent = cellText(column, x);
        bars.forEach((bar, k) => bar.set(x[column.start + k], percent(x[column.start + k])));
      };
    }
    const bar = makeBar("");
    value.append(bar.element);
    const [low, high] = column.kind === "boolean" ? [0, 1] : [column.low, column.high];
    return (x) => {
      const number = x[column.start];
      text.textContent = cellText(column, x) + (column.kind === "boolean" ? ` (${percent(number)})` : "");
      bar.set((number - low) / (high - low), "");
    };
  }

  show(x) {
    for (const update of this.updates) update(x);
  }
}

function percent(share) {
  return Number.isNaN(share) ? "" : `${Math.round(100 * share)} %`;
}

/** A bar from 0 to 1, with a name before it and a text after it. */
function makeBar(name) {
  const fill = element("span", { class: "bar-fill" });
  const text = element("span", { class: "bar-text" });
  const label = name ? [element("bdi", { class: "bar-name" }, name)] : [];
  const made = element("span", { class: "bar-line" }, ...label, element("span", { class: "bar" }, fill), text);
  const set = (share, after) => {
    fill.style.width = `${100 * Math.min(Math.max(share || 0, 0), 1)}%`;
    text.textContent = after;
  };
  return { element: made, set };
}

/** Controls for the cells of a row: `show(x)` sets them; when one is moved, `changed(x)` is called with a new row. */
class CellsEditor {
  constructor(page, changed) {
    this.x = null;
    this.element = element("div", { class: "cells-editor" });
    this.updates = page.columns.map((column) => this.add(column, page.model.missing, changed));
  }

  add(column, mayBeMissing, changed) {
    const text = element("output", {});
    const control = this.makeControl(column);
    const write = () => {
      const x = Float64Array.from(this.x);
      control.write(x);
      changed(x);
    };
    control.element.addEventListener("input", write);
    const line = element("label", { class: "cell" }, named(column.name), control.element, text);
    this.element.append(line);
    let known = null;
    if (mayBeMissing && column.kind !== "constant") {
      known = element("input", { type: "checkbox", "aria-label": `${column.name} is known` });
      known.addEventListener("change", () => {
        if (known.checked) return write();
        const x = Float64Array.from(this.x).fill(NaN, column.start, column.start + column.width);
        return changed(x);
      });
      this.element.append(element("label", { class: "known" }, known, "known"));
    } else {
      this.element.append(element("span"));
    }
    return (x) => {
      const isMissing = Number.isNaN(x[column.start]);
      if (known) known.checked = !isMissing;
      control.element.disabled = isMissing;
      if (!isMissing) control.read(x);
      text.value = column.kind === "category" && !isMissing ? "" : cellText(column, x);
    };
  }

  /** The control of a column, with functions that read a row into it and write it into a row. */
  makeControl(column) {
    const { start, width } = column;
    if (column.kind === "category") {
      const options = column.values.map((name, k) => element("option", { value: k }, name));
      const select = element("select", { dir: "auto" }, ...options);
      return {
        element: select,
        read: (x) => (select.value = indexOfLargest(x.subarray(start, start + width))),
        write: (x) =>
          x.fill(0, start, start + width).fill(1, start + Number(select.value), start + 1 + Number(select.value)),
      };
    }
    if (column.kind === "boolean") {
      const select = element(
        "select",
        {},
        element("option", { value: 0 }, "false"),
        element("option", { value: 1 }, "true"),
      );
      return {
        element: select,
        read: (x) => (select.value = x[start] >= 0.5 ? 1 : 0),
        write: (x) => (x[start] = Number(select.value)),
      };
    }
    if (column.kind === "constant") {
      return { element: element("span"), read: () => {}, write: () => {} };
    }
    const step = column.kind === "count" ? 1 : (column.high - column.low) / 200;
    const range = element("input", { type: "range", min: column.low, max: column.high, step });
    return {
      element: range,
      read: (x) => (range.value = x[start]),
      write: (x) => (x[start] = Number(range.value)),
    };
  }

  show(x) {
    this.x = x;
    for (const update of this.updates) update(x);
  }
}
