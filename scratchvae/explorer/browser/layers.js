// The layers, each a function of one row: a twin of scratchvae/export/numpy_layers.py. Weights are { data, shape }.
// A picture is a row too: (height, width, channels), with the channels side by side. All sums are in double precision.

const LAYERS = {
  /** x W + b, for W (inputs, outputs): row i of W is added x[i] times. */
  linear(x, [W, b]) {
    const [inputs, outputs] = W.shape;
    const weights = W.data;
    const y = Float64Array.from(b.data);
    for (let i = 0; i < inputs; i++) {
      const factor = x[i];
      if (factor === 0) continue; // most pixels of a digit are black, and half of the outputs of ReLU are 0
      const row = i * outputs;
      for (let o = 0; o < outputs; o++) y[o] += factor * weights[row + o];
    }
    return y;
  },

  /** x W + V[label]: each class has a bias of its own. */
  conditional_linear(x, [W, V], settings, label) {
    const outputs = W.shape[1];
    return LAYERS.linear(x, [W, { data: V.data.subarray(label * outputs, (label + 1) * outputs) }]);
  },

  /** y[i, j] = b + Σ x[s i + a − p, s j + c − p] W[a, c], for W (k, k, inputs, outputs). */
  conv2d(x, [W, b], { picture, stride, padding }) {
    const [height, width, inputs] = picture;
    const [k, , , outputs] = W.shape;
    const down = Math.floor((height + 2 * padding - k) / stride) + 1;
    const across = Math.floor((width + 2 * padding - k) / stride) + 1;
    const y = repeated(b.data, down * across);
    for (let i = 0; i < down; i++) {
      for (let j = 0; j < across; j++) {
        for (let a = 0; a < k; a++) {
          for (let c = 0; c < k; c++) {
            const [row, column] = [stride * i + a - padding, stride * j + c - padding];
            if (row < 0 || row >= height || column < 0 || column >= width) continue;
            const pixel = (row * width + column) * inputs;
            addProduct(
              x,
              pixel,
              W.data,
              (a * k + c) * inputs * outputs,
              inputs,
              y,
              (i * across + j) * outputs,
              outputs,
            );
          }
        }
      }
    }
    return y;
  },

  /** The transpose of a convolution: y[s i + a − p, s j + c − p] += x[i, j] W[a, c]ᵀ, for W (k, k, outputs, inputs). */
  conv_transpose2d(x, [W, b], { places, picture, stride, padding }) {
    const [down, across] = places;
    const [height, width] = picture;
    const [k, , outputs, inputs] = W.shape;
    const y = repeated(b.data, height * width);
    for (let i = 0; i < down; i++) {
      for (let j = 0; j < across; j++) {
        for (let a = 0; a < k; a++) {
          for (let c = 0; c < k; c++) {
            const [row, column] = [stride * i + a - padding, stride * j + c - padding];
            if (row < 0 || row >= height || column < 0 || column >= width) continue;
            const [from, to] = [(i * across + j) * inputs, (row * width + column) * outputs];
            for (let o = 0; o < outputs; o++) {
              const weights = ((a * k + c) * outputs + o) * inputs;
              for (let n = 0; n < inputs; n++) y[to + o] += x[from + n] * W.data[weights + n];
            }
          }
        }
      }
    }
    return y;
  },

  /** Each pixel, repeated downwards and across. */
  upsample(x, parameters, { picture, scale }) {
    const [height, width, channels] = picture;
    const y = new Float64Array(x.length * scale * scale);
    for (let i = 0; i < height * scale; i++) {
      for (let j = 0; j < width * scale; j++) {
        const pixel = (Math.floor(i / scale) * width + Math.floor(j / scale)) * channels;
        y.set(x.subarray(pixel, pixel + channels), (i * width * scale + j) * channels);
      }
    }
    return y;
  },

  /** The channels of each pixel, group after group. */
  split_channels(x, parameters, { pixels, groups }) {
    const channels = x.length / (pixels * groups);
    const y = new Float64Array(x.length);
    for (let pixel = 0; pixel < pixels; pixel++) {
      for (let group = 0; group < groups; group++) {
        const from = (pixel * groups + group) * channels;
        y.set(x.subarray(from, from + channels), (group * pixels + pixel) * channels);
      }
    }
    return y;
  },

  /** Each group of numbers as long as the gain, less its mean and divided by its standard deviation. */
  layer_norm(x, [gain, bias], { eps }) {
    const size = gain.data.length;
    const y = new Float64Array(x.length);
    for (let start = 0; start < x.length; start += size) {
      const group = x.subarray(start, start + size);
      const mean = sum(group) / size;
      const variance = sum(group.map((number) => (number - mean) ** 2)) / size;
      const scale = 1 / Math.sqrt(variance + eps);
      for (let n = 0; n < size; n++) y[start + n] = (group[n] - mean) * scale * gain.data[n] + bias.data[n];
    }
    return y;
  },

  /** h σ(g) for each [h, g] of twice `half` numbers. */
  gated(x, parameters, { half }) {
    const y = new Float64Array(x.length / 2);
    for (let n = 0; n < y.length; n++) {
      const start = 2 * half * Math.floor(n / half) + (n % half);
      y[n] = x[start] * sigmoid(x[start + half]);
    }
    return y;
  },

  /** sign(x) log(1 + |x|) in the columns [start, stop) of counts, x in the others. */
  log_of_counts(x, parameters, { columns }) {
    const y = Float64Array.from(x);
    for (const [start, stop] of columns) {
      for (let n = start; n < stop; n++) y[n] = Math.sign(x[n]) * Math.log1p(Math.abs(x[n]));
    }
    return y;
  },

  nan_to_zero: (x) => x.map((number) => (Number.isNaN(number) ? 0 : number)),
  relu: (x) => x.map((number) => Math.max(number, 0)),
  leaky_relu: (x, parameters, { slope }) => x.map((number) => Math.max(number, slope * number)),
  elu: (x, parameters, { alpha }) => x.map((number) => (number > 0 ? number : alpha * Math.expm1(number))),
  sigmoid: (x) => x.map(sigmoid),
  silu: (x) => x.map((number) => number * sigmoid(number)),
  softplus: (x) => x.map(softplus),
  gelu: (x) => x.map((number) => number * normalCdf(number)),
  tanh: (x) => x.map(Math.tanh),
};

/** y[to + o] += Σ_i x[from + i] W[start + i outputs + o]. */
function addProduct(x, from, W, start, inputs, y, to, outputs) {
  for (let i = 0; i < inputs; i++) {
    const factor = x[from + i];
    if (factor === 0) continue;
    const row = start + i * outputs;
    for (let o = 0; o < outputs; o++) y[to + o] += factor * W[row + o];
  }
}

function repeated(row, times) {
  const y = new Float64Array(row.length * times);
  for (let n = 0; n < times; n++) y.set(row, n * row.length);
  return y;
}

function sum(numbers) {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}

function sigmoid(x) {
  return 1 / (1 + Math.exp(-x));
}

/** log(1 + exp(x)), without overflow. */
function softplus(x) {
  return Math.log1p(Math.exp(-Math.abs(x))) + Math.max(x, 0);
}

// Beyond 0 the tail of the normal distribution is its density times a smooth function, Mills' ratio, of which P / Q is
// an approximation. The coefficients are those of scratchvae/kernels/normal.py, that of the highest power first.
const MILLS_P = [
  3.4954292594722372524e-6, 9.3878605030890729139e-5, 1.2347781827105229193e-3, 1.0288423185532063501e-2,
  5.9392150799537041972e-2, 2.4548477675358780042e-1, 7.265637763420011571e-1, 1.4908967701255502516,
  1.9435958895182726414, 1.2533141373155001855,
];
const MILLS_Q = [
  3.4954292594817145953e-6, 9.3878605028903172189e-5, 1.2382736121576631209e-3, 1.0382301779922720051e-2,
  6.061993853185093548e-2, 2.5558543140603763726e-1, 7.8352156241582828321e-1, 1.7167396110932334005,
  2.5635148597616284434, 2.3486497134893963931, 1.0,
];

/** The probability that a standard normal number is less than x. */
function normalCdf(x) {
  const a = Math.min(Math.abs(x), 40);
  const tail = (Math.exp(-0.5 * a * a) / Math.sqrt(2 * Math.PI)) * (polynomial(MILLS_P, a) / polynomial(MILLS_Q, a));
  return x >= 0 ? 1 - tail : tail;
}

function polynomial(coefficients, x) {
  return coefficients.reduce((y, coefficient) => y * x + coefficient, 0);
}
