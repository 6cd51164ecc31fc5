/**
 * HPACK's Huffman code (RFC 7541, appendix B), both directions. The code is canonical, so the table below holds only the length
 * of each symbol's code; codes and the decoding automaton are computed from it at startup.
 *
 * The automaton reads four bits per step. A step emits at most one symbol, because no code is shorter than five bits.
 */

// One character per symbol, 0 to 255, sixteen per line: the length of its code in bits, in base 36.
const codeLengths =
  'dnsssssssoussuss' +
  'ssssssusssssssss' +
  '6aacd68baa8b8666' +
  '555666666678f6ca' +
  'd677777777777777' +
  '77777777878djde6' +
  'f565656665776665' +
  '67655677777fbeds' +
  'kmkkmmmnmnnnnnon' +
  'oomnonnnnlmnmnno' +
  'mlkmmnnlnmmolmnn' +
  'llmlnmnnkmmmnmmn' +
  'qqkjmnmpqqqrrqop' +
  'jlqrrqrollqqsrrr' +
  'koklmllnmmppooqn' +
  'qrqqrrrrrsrrrrrq';

const endOfString = 256;
const lengthOf = new Uint8Array(257);
for (let symbol = 0; symbol < 256; symbol++) {
  lengthOf[symbol] = Number.parseInt(codeLengths.charAt(symbol), 36);
}
lengthOf[endOfString] = 30;

const codeOf = new Uint32Array(257);
{
  let code = 0;
  for (let length = 5; length <= 30; length++) {
    for (let symbol = 0; symbol <= endOfString; symbol++) {
      if (lengthOf[symbol] === length) codeOf[symbol] = code++;
    }
    code *= 2;
  }
}

// A step of the automaton, packed: next state in bits 0 to 7, symbol in bits 8 to 15, and two flags.
const emits = 1 << 16;
const fails = 1 << 17;
const steps = new Uint32Array(256 * 16);
/** 1 for states in which a string may end: after at most seven bits of padding, all ones. */
const mayEnd = new Uint8Array(256);
buildAutomaton();

function buildAutomaton(): void {
  // children[2n + bit]: the inner node below n, or ~symbol for a leaf. No edge leads to node 0, the root.
  const children = new Int32Array(512);
  let nodes = 1;
  for (let symbol = 0; symbol <= endOfString; symbol++) {
    let node = 0;
    for (let bit = (lengthOf[symbol] as number) - 1; bit > 0; bit--) {
      const edge = 2 * node + (((codeOf[symbol] as number) >>> bit) & 1);
      if (children[edge] === 0) children[edge] = nodes++;
      node = children[edge] as number;
    }
    children[2 * node + ((codeOf[symbol] as number) & 1)] = ~symbol;
  }
  for (let state = 0; state < 256; state++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      steps[state * 16 + nibble] = walk(children, state, nibble);
    }
  }
  for (let depth = 0, node = 0; depth < 8; depth++) {
    mayEnd[node] = 1;
    node = children[2 * node + 1] as number;
  }
}

function walk(children: Int32Array, from: number, nibble: number): number {
  let node = from;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = children[2 * node + ((nibble >>> bit) & 1)] as number;
    if (child === ~endOfString) return fails;
    if (child < 0) emitted = emits | (~child << 8);
    node = Math.max(child, 0);
  }
  return node | emitted;
}

/** Decodes `from[start..end)` into `into`. Returns the number of bytes written, or -1 if the string is malformed or does not fit. */
export function huffmanDecode(
  from: Uint8Array,
  start: number,
  end: number,
  into: Uint8Array,
): number {
  let state = 0;
  let written = 0;
  for (let at = start; at < end; at++) {
    const byte = from[at] as number;
    const high = steps[state * 16 + (byte >>> 4)] as number;
    if (high >= emits) {
      if (high >= fails || written === into.length) return -1;
      into[written++] = high >>> 8;
    }
    const low = steps[(high & 0xff) * 16 + (byte & 15)] as number;
    if (low >= emits) {
      if (low >= fails || written === into.length) return -1;
      into[written++] = low >>> 8;
    }
    state = low & 0xff;
  }
  return mayEnd[state] === 1 ? written : -1;
}

/** The encoded length in bytes of `text`, which has one byte per character. */
export function huffmanLength(text: Uint8Array): number {
  let bits = 0;
  for (const symbol of text) bits += lengthOf[symbol] as number;
  return (bits + 7) >>> 3;
}

/** Encodes `text` into `into` at `at` and returns the offset after it. */
export function huffmanEncode(text: Uint8Array, into: Uint8Array, at: number): number {
  let offset = at;
  let pending = 0;
  let pendingBits = 0;
  const put = (code: number, length: number) => {
    pending = (pending << length) | code;
    pendingBits += length;
    while (pendingBits >= 8) {
      pendingBits -= 8;
      into[offset++] = pending >>> pendingBits;
    }
    pending &= 0xff;
  };
  for (const symbol of text) {
    const code = codeOf[symbol] as number;
    const length = lengthOf[symbol] as number;
    // Long codes in two parts, so that no pending bits are shifted out of the 32.
    if (length > 16) put(code >>> 16, length - 16);
    put(code & 0xffff, Math.min(length, 16));
  }
  if (pendingBits > 0) put((1 << (8 - pendingBits)) - 1, 8 - pendingBits);
  return offset;
}
