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

/** Why there is no body. `crowded`: all bodies together hold too much; `aborted`: the sender went away. */
export type NoBody = "tooLarge" | "crowded" | "aborted";

export interface BodyReader {
  budget: BodyBudget;
  /** Where nobody needs the body nothing of it is kept, and `done` gets an empty one. */
  keep: boolean;
  /** Called once, unless the body was scattered before: with the bytes, or with why there are none. */
  done: (body: Buffer | NoBody) => void;
  /**
   * It comes in more pieces than anybody needs; called once, also after `done`: whoever waits for its answer can still send.
   * The caller must end the connection.
   */
  scattered: () => void;
}

/** Reads the body to its end. Callbacks instead of `for await`, which makes promises for each piece. */
export function readBody(
  request: Pick<IncomingMessage, "on">,
  { budget, keep, done, scattered }: BodyReader,
): void {
  /** Made for a second piece: nearly all bodies come in one. */
  let kept: Pieces | undefined;
  let only: Buffer | undefined;
  let size = 0;
  let pieces = 0;
  let isScattered = false;
  /** Bytes that count against the budget. */
  let held = 0;
  let problem: "tooLarge" | "crowded" | undefined;
  let finished = false;
  const drop = () => {
    budget.bytes -= held;
    held = 0;
    only = undefined;
    kept = undefined;
  };
  const finish = (body: Buffer | NoBody) => {
    if (finished) return;
    finished = true;
    drop();
    done(body);
  };
  const letGo = (why: "tooLarge" | "crowded") => {
    problem ??= why;
    drop();
  };
  request.on("data", (chunk: Buffer) => {
    size += chunk.length;
    pieces++;
    if (isScattered) return;
    if (pieces > MOST_SMALL_PIECES + size / SMALLEST_PIECE) {
      isScattered = true;
      finished = true;
      drop();
      scattered();
    } else if (finished) return;
    else if (size > LARGEST_DISCARD) finish("tooLarge");
    else if (size > LARGEST_BODY) letGo("tooLarge");
    else if (keep && problem === undefined) {
      const more = Math.max(0, size - FREE) - held;
      if (budget.bytes + more > budget.most && more > 0) return letGo("crowded");
      held += more;
      budget.bytes += more;
      if (size === chunk.length) only = chunk;
      else {
        kept ??= piecesFrom(only);
        kept.add(chunk);
      }
    }
  });
  request.on("end", () => finish(problem ?? kept?.whole() ?? only ?? NONE));
  const gone = () => finish("aborted");
  request.on("aborted", gone);
  request.on("close", gone);
}

/**
 * The pieces of one body. A Buffer takes some 200 bytes beside its own, and most of a body's first pieces may be of one byte:
 * those are copied together, so that thousands of bodies hold no more than twice what was sent.
 */
export class Pieces {
  #buffers: Buffer[] = [];
  /** Small pieces that follow one another, not yet among the buffers. */
  #small: Buffer = NONE;
  #used = 0;

  add(piece: Buffer): void {
    // Most texts come in one piece, which need not be copied.
    if (piece.length >= SMALLEST_PIECE || this.held === 0) {
      this.#seal();
      this.#buffers.push(piece);
      return;
    }
    const end = this.#used + piece.length;
    if (end > this.#small.length) {
      // Not from the pool that small Buffers share: one of them would keep all of it.
      const larger = Buffer.allocUnsafeSlow(Math.max(SMALLEST_PIECE, 2 * this.#small.length));
      this.#small.copy(larger, 0, 0, this.#used);
      this.#small = larger;
    }
    piece.copy(this.#small, this.#used);
    this.#used = end;
  }

  /** How many Buffers are held. */
  get held(): number {
    return this.#buffers.length + (this.#used > 0 ? 1 : 0);
  }

  /** All of them in one. */
  whole(): Buffer {
    this.#seal();
    return this.#buffers.length === 1 ? this.#buffers[0]! : Buffer.concat(this.#buffers);
  }

  #seal(): void {
    if (this.#used === 0) return;
    this.#buffers.push(this.#small.subarray(0, this.#used));
    this.#small = NONE;
    this.#used = 0;
  }
}

const NONE = Buffer.alloc(0);

function piecesFrom(first: Buffer | undefined): Pieces {
  const pieces = new Pieces();
  if (first !== undefined) pieces.add(first);
  return pieces;
}
