// The rows of data that the page holds, and their codes.

class Rows {
  constructor(content, values, codes, model) {
    const { low, high, levels } = content.values;
    Object.assign(this, content);
    const [D, Z] = [model.inputDim, model.latentDim];
    this.row = (k) => {
      const numbers = Float64Array.from(values.subarray(k * D, (k + 1) * D));
      return levels === undefined ? numbers : numbers.map((level) => low + ((high - low) * level) / levels);
    };
    this.code = (k) => Float64Array.from(codes.subarray(k * Z, (k + 1) * Z));
  }

  /** The class of a row; −1 for none. */
  label(k) {
    return this.labels === null ? -1 : this.labels[k];
  }
}

/** "Row 17, class 3". */
function rowText(page, k) {
  const label = page.rows.label(k);
  return `Row ${page.rows.numbers[k]}${label < 0 ? "" : `, class ${page.classNames[label]}`}`;
}
