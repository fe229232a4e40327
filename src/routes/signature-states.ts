import { createHash } from "node:crypto";
import type { SignatureKey } from "./route.ts";
import { BLOCK, compress, finish, fromBytes, initialState, STATE, toBytes } from "./sha1.ts";

/** Compiles an auth token into what verifies its signatures and cannot log in. */
export async function signatureKey(token: string): Promise<SignatureKey> {
  const inner = stateAfterPad(token, 0x36);
  const outer = stateAfterPad(token, 0x5c);
  const fingerprint = createHash("sha256").update(inner).update(outer).digest("hex").slice(0, 16);
  return { inner, outer, fingerprint };
}

function stateAfterPad(token: string, pad: number): Uint8Array {
  const bytes = Buffer.from(token, "utf8");
  // HMAC: a key longer than a block is replaced by its hash.
  const key = bytes.length > BLOCK ? createHash("sha1").update(bytes).digest() : bytes;
  const block = new Uint8Array(BLOCK).fill(pad);
  for (let i = 0; i < key.length; i++) block[i] = key[i]! ^ pad;
  const state = initialState();
  compress(state, block, 0);
  return toBytes(state);
}

const state = new Int32Array(5);
const innerDigest = new Uint8Array(STATE);
const mac = Buffer.alloc(STATE);

/** HMAC-SHA1 of `base` as base64, from the states alone. Equal to node:crypto's with the token. */
export function sign(key: Pick<SignatureKey, "inner" | "outer">, base: Uint8Array): string {
  finish(fromBytes(key.inner, state), base, BLOCK);
  toBytes(state, innerDigest);
  finish(fromBytes(key.outer, state), innerDigest, BLOCK);
  toBytes(state, mac);
  return mac.toString("base64");
}

/** Is `signature` (an X-Twilio-Signature header's value) the HMAC-SHA1 of `base`? Takes the same time for every wrong one. */
export function verify(
  key: Pick<SignatureKey, "inner" | "outer">,
  base: Uint8Array,
  signature: string,
): boolean {
  const want = sign(key, base);
  if (signature.length !== want.length) return false;
  // Every character is looked at; node's timingSafeEqual would need two buffers for the same.
  let difference = 0;
  for (let i = 0; i < want.length; i++) difference |= signature.charCodeAt(i) ^ want.charCodeAt(i);
  return difference === 0;
}
