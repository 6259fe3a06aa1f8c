// Paths from a code a to a code b, at t from 0 to 1, as in scratchvae/models/latent_space.py.

const PATHS = {
  /** The straight line. */
  linear: (a, b, t) => a.map((number, k) => (1 - t) * number + t * b[k]),

  /**
   * An arc: the direction turns at a constant speed, and the length changes evenly. In many dimensions draws from the
   * prior have lengths near √Z. The straight line between two of them comes closer to 0 than draws do; the arc does
   * not.
   */
  spherical(a, b, t) {
    const [lengthA, lengthB] = [lengthOf(a), lengthOf(b)];
    if (lengthA === 0 || lengthB === 0) return PATHS.linear(a, b, t);
    const total = a.map((number, k) => number / lengthA + b[k] / lengthB);
    const difference = a.map((number, k) => b[k] / lengthB - number / lengthA);
    const [lengthT, lengthD] = [lengthOf(total), lengthOf(difference)];
    if (lengthT < 1e-12 || lengthD === 0) return PATHS.linear(a, b, t); // opposite codes have no shortest arc
    const angle = (t - 0.5) * 2 * Math.atan2(lengthD, lengthT);
    const length = (1 - t) * lengthA + t * lengthB;
    return total.map(
      (number, k) => length * ((Math.cos(angle) * number) / lengthT + (Math.sin(angle) * difference[k]) / lengthD),
    );
  },
};

function lengthOf(vector) {
  return Math.hypot(...vector);
}
