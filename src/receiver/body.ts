import type { IncomingMessage } from "node:http";

/** Twilio's largest webhook is a few KiB; a text of 1,600 characters with ten media URLs stays under 16 KiB. */
export const LARGEST_BODY = 256 * 1024;
/** How much of a body that is too large is read and thrown away, so that its sender gets to see the 413. */
const LARGEST_DISCARD = 512 * 1024;
/**
 * A body comes in as many pieces as the network or a proxy makes of it, none smaller than half a KiB but for some at the end
 * of a read. Node takes some 3 µs for each: 256 KiB in chunks of one byte took 680 ms and 400 MiB.
 */
const MOST_SMALL_PIECES = 128;
const SMALLEST_PIECE = 512;

/**
 * So much of each body is free: no text of Twilio's is larger, and none shall be refused because strangers hold what all bodies
 * may take together. What is free is bounded by the number of connections.
 */
const FREE = 16 * 1024;

/** What all bodies that are being read hold beyond their first 16 KiB: a thousand slow senders must not fill the memory. */
export interface BodyBudget {
  bytes: number;
  readonly most: number;
}

/** Why there is no body. `aborted`: the sender went away; `scattered`: it comes in more pieces than anybody needs. */
export type NoBody = "tooLarge" | "overloaded" | "aborted" | "scattered";

/**
 * Reads the body and calls `done` once: with the bytes, or with why there are none. Callbacks instead of `for await`, which
 * makes promises for each piece.
 */
export function readBody(
  request: IncomingMessage,
  budget: BodyBudget,
  done: (body: Buffer | NoBody) => void,
): void {
  let chunks: Buffer[] = [];
  let size = 0;
  let pieces = 0;
  /** Bytes that count against the budget. */
  let held = 0;
  let problem: "tooLarge" | "overloaded" | undefined;
  let finished = false;
  const finish = (body: Buffer | NoBody) => {
    if (finished) return;
    finished = true;
    budget.bytes -= held;
    chunks = [];
    done(body);
  };
  const letGo = (why: "tooLarge" | "overloaded") => {
    problem ??= why;
    budget.bytes -= held;
    held = 0;
    chunks = [];
  };
  request.on("data", (chunk: Buffer) => {
    if (finished) return;
    size += chunk.length;
    pieces++;
    if (pieces > MOST_SMALL_PIECES + size / SMALLEST_PIECE) finish("scattered");
    else if (size > LARGEST_DISCARD) finish("tooLarge");
    else if (size > LARGEST_BODY) letGo("tooLarge");
    else if (problem === undefined) {
      const more = Math.max(0, size - FREE) - held;
      if (budget.bytes + more > budget.most && more > 0) return letGo("overloaded");
      held += more;
      budget.bytes += more;
      chunks.push(chunk);
    }
  });
  request.on("end", () =>
    finish(problem ?? (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size))),
  );
  request.on("close", () => finish("aborted"));
}
