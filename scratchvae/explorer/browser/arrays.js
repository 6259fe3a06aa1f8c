// Arrays as the page holds them: bytes that are compressed by zlib and written in base64. `packed` in
// scratchvae/explorer/weights.py writes them.

const READERS = {
  uint8: (buffer) => new Uint8Array(buffer),
  float16: (buffer) => Float32Array.from(new Uint16Array(buffer), fromFloat16),
  float32: (buffer) => new Float32Array(buffer),
  float64: (buffer) => new Float64Array(buffer),
};

/** The numbers of a packed array. */
async function unpack({ dtype, data }) {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return READERS[dtype](await new Response(stream).arrayBuffer());
}

// 16 bits are a sign, an exponent e of 5 bits and a fraction f of 10: 1.f · 2^(e − 15) or, if e is 0, 0.f · 2^−14.
/** The number of 16 bits. */
function fromFloat16(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}
