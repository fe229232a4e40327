/**
 * This file has a SHA-1 that can continue from a saved state, which node:crypto cannot. We need this to check the HMAC-SHA1 signatures of
 * Twilio without holding the key. Measured with a typical text of 620 bytes, this code takes a fifth less time than hash-wasm's `load()`
 * of a saved state. It takes 1.2 times as long as createHmac with the key.
 */

/** Size of a block of SHA-1 in bytes. */
export const BLOCK = 64;
/** Size of a SHA-1 state in bytes. */
export const STATE = 20;

// The message schedule of SHA-1, shared by all calls. `compress` is synchronous, so two calls never overlap.
const w = new Int32Array(80);

/** The state of SHA-1 before any input. */
export function initialState(): Int32Array {
  return Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);
}

/** Hashes the block of 64 bytes that begins at `at` into `state`. */
export function compress(state: Int32Array, bytes: Uint8Array, at: number): void {
  for (let i = 0, p = at; i < 16; i++, p += 4)
    w[i] = (bytes[p]! << 24) | (bytes[p + 1]! << 16) | (bytes[p + 2]! << 8) | bytes[p + 3]!;
  for (let i = 16; i < 80; i++) {
    const x = w[i - 3]! ^ w[i - 8]! ^ w[i - 14]! ^ w[i - 16]!;
    w[i] = (x << 1) | (x >>> 31);
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  let t = 0;
  // The four rounds differ only in their function and constant. Four loops are faster than a single loop that chooses the function in each
  // step.
  for (let i = 0; i < 20; i++) {
    t = (((a << 5) | (a >>> 27)) + ((b & c) | (~b & d)) + e + 0x5a827999 + w[i]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = t;
  }
  for (let i = 20; i < 40; i++) {
    t = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + 0x6ed9eba1 + w[i]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = t;
  }
  for (let i = 40; i < 60; i++) {
    t = (((a << 5) | (a >>> 27)) + ((b & c) | (b & d) | (c & d)) + e - 0x70e44324 + w[i]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = t;
  }
  for (let i = 60; i < 80; i++) {
    t = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e - 0x359d3e2a + w[i]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = t;
  }
  state[0] = state[0]! + a;
  state[1] = state[1]! + b;
  state[2] = state[2]! + c;
  state[3] = state[3]! + d;
  state[4] = state[4]! + e;
}

const tail = new Uint8Array(2 * BLOCK);
const tailView = new DataView(tail.buffer);

/**
 * Hashes `bytes` and the padding of SHA-1 into `state`. `before` is the number of bytes that were hashed into `state` already, a multiple
 * of 64.
 */
export function finish(state: Int32Array, bytes: Uint8Array, before: number): void {
  const whole = bytes.length - (bytes.length % BLOCK);
  for (let at = 0; at < whole; at += BLOCK) compress(state, bytes, at);
  const left = bytes.length - whole;
  tail.fill(0);
  for (let i = 0; i < left; i++) tail[i] = bytes[whole + i]!;
  tail[left] = 0x80;
  const size = left < BLOCK - 8 ? BLOCK : 2 * BLOCK;
  const bits = (before + bytes.length) * 8;
  tailView.setUint32(size - 8, Math.floor(bits / 2 ** 32));
  tailView.setUint32(size - 4, bits % 2 ** 32);
  for (let at = 0; at < size; at += BLOCK) compress(state, tail, at);
}

/** The words of the state as bytes, most significant byte first. After `finish` these bytes are the digest. */
export function toBytes(state: Int32Array, into = new Uint8Array(STATE)): Uint8Array {
  for (let i = 0; i < 5; i++) {
    const word = state[i]!;
    into[4 * i] = word >>> 24;
    into[4 * i + 1] = word >>> 16;
    into[4 * i + 2] = word >>> 8;
    into[4 * i + 3] = word;
  }
  return into;
}

/**
 * Reads a state from bytes, the reverse of `toBytes`. It writes into a given state, since a new one for each text would be garbage to
 * collect.
 */
export function fromBytes(bytes: Uint8Array, into: Int32Array): Int32Array {
  for (let i = 0; i < 5; i++)
    into[i] =
      (bytes[4 * i]! << 24) | (bytes[4 * i + 1]! << 16) | (bytes[4 * i + 2]! << 8) | bytes[4 * i + 3]!;
  return into;
}
