import type { IncomingMessage } from "node:http";

/** The largest body that we accept, far more than Twilio sends: a text of 1,600 characters with ten media URLs stays under 16 KiB. */
export const LARGEST_BODY = 256 * 1024;
/** Up to this size, a body that is too large is read and thrown away: many clients read no answer before they have sent everything. */
const LARGEST_DISCARD = 512 * 1024;
/**
 * A body with more small pieces than this is treated as an attack. The network or a proxy cuts bodies into pieces, but hardly any piece
 * has less than half a KiB. Node needs about 3 µs for each piece: 256 KiB in chunks of one byte took 680 ms and 400 MiB.
 */
const MOST_SMALL_PIECES = 128;
const SMALLEST_PIECE = 512;

/**
 * The first 16 KiB of each body do not count against the `BodyBudget`. No text of Twilio is larger than that, so unauthenticated clients
 * that use up the budget cannot cause a text to be refused. The limit on connections bounds the memory for all these first parts.
 */
const FREE = 16 * 1024;

/** The memory of all bodies being read, without the first 16 KiB of each. The limit `most` keeps slow senders from using up all memory. */
export interface BodyBudget {
  bytes: number;
  readonly most: number;
}

/** The reason why there is no body. `crowded` means that the budget is used up, `aborted` that the sender went away. */
export type NoBody = "tooLarge" | "crowded" | "aborted";

/** The options of `readBody`, with the functions that it calls when the body has ended or must not be read on. */
export interface BodyReader {
  budget: BodyBudget;
  /** False when the body is not needed. The body is then read all the same, but not kept, and `done` gets an empty Buffer. */
  keep: boolean;
  /** Called once with the bytes of the body, or with the reason why there are none. Not called after `scattered`. */
  done: (body: Buffer | NoBody) => void;
  /**
   * Called once when the body comes in far too many pieces. Whoever passed this function must then end the connection. `scattered` may be
   * called after `done`, because a sender can go on sending while it waits for its answer.
   */
  scattered: () => void;
}

/** Reads a request's body to its end. Uses callbacks, because `for await` creates promises for every piece. */
export function readBody(
  request: Pick<IncomingMessage, "on">,
  { budget, keep, done, scattered }: BodyReader,
): void {
  /** The pieces of a body that comes in more than one piece. A body in a single piece, which is the usual case, is in `only`. */
  let kept: Pieces | undefined;
  let only: Buffer | undefined;
  let size = 0;
  let pieces = 0;
  let isScattered = false;
  /** Number of bytes of this body that count against the budget. */
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
 * Collects the pieces of one body. A Buffer takes some 200 bytes in addition to its content, and the first pieces of a body may have one
 * byte each. So small pieces are copied together, and thousands of bodies take no more than twice what was sent.
 */
export class Pieces {
  #buffers: Buffer[] = [];
  /** Small pieces that came one after another and are not in `#buffers` yet. */
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
      // The buffer is not from the pool that small Buffers of Node share: keeping a part of the pool would keep the whole pool.
      const larger = Buffer.allocUnsafeSlow(Math.max(SMALLEST_PIECE, 2 * this.#small.length));
      this.#small.copy(larger, 0, 0, this.#used);
      this.#small = larger;
    }
    piece.copy(this.#small, this.#used);
    this.#used = end;
  }

  /** Number of Buffers that are held now. */
  get held(): number {
    return this.#buffers.length + (this.#used > 0 ? 1 : 0);
  }

  /** Returns the whole body as one Buffer. */
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
