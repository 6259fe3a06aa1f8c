// Random numbers from a seed, so that the same page shows the same numbers.

/** A function that returns standard normal numbers. */
function normalNumbers(seed) {
  const uniform = uniformNumbers(seed);
  // Box and Muller: a point at a random angle, at the distance of two normal coordinates
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** A function that returns numbers from 0 up to, not including, 1: a counter whose bits are mixed ("mulberry32"). */
function uniformNumbers(seed) {
  let counter = seed >>> 0;
  return () => {
    counter = (counter + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(counter ^ (counter >>> 15), counter | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` codes from the prior N(0, I). */
function priorDraws(count, latentDim, seed) {
  const normal = normalNumbers(seed);
  return Array.from({ length: count }, () => Float64Array.from({ length: latentDim }, normal));
}
