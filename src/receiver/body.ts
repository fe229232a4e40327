import type { IncomingMessage } from "node:http";

/** Far more than Twilio sends: a text of 1,600 characters with ten media URLs stays under 16 KiB. */
export const LARGEST_BODY = 256 * 1024;
/** A body that is too large is read and thrown away up to here: many clients read no answer before they have sent everything. */
const LARGEST_DISCARD = 512 * 1024;
/**
 * The network or a proxy cuts a body into pieces, but hardly any has less than half a KiB. Node needs about 3 µs for each piece,
 * so tiny ones are an attack: 256 KiB in chunks of one byte took 680 ms and 400 MiB.
 */
const MOST_SMALL_PIECES = 128;
const SMALLEST_PIECE = 512;

/**
 * The first 16 KiB of each body do not count against the budget. No text of Twilio's is larger, so that strangers who use up the
 * budget cannot have a text refused. The number of connections limits what all of this takes.
 */
const FREE = 16 * 1024;

/** The memory for all bodies that are being read, beyond the first 16 KiB of each: a thousand slow senders must not fill it. */
export interface BodyBudget {
  bytes: number;
  readonly most: number;
}

/** Why there is no body. `crowded`: the budget is used up. `aborted`: the sender went away. */
export type NoBody = "tooLarge" | "crowded" | "aborted";

export interface BodyReader {
  budget: BodyBudget;
  /** False when the body is not needed. It is read all the same, but not kept, and `done` gets an empty one. */
  keep: boolean;
  /** Called once with the bytes or with why there are none, unless `scattered` was called before. */
  done: (body: Buffer | NoBody) => void;
  /**
   * The body comes in far too many pieces, and the caller must end the connection. Called once, possibly after `done`: a sender
   * whose answer is on its way can go on sending.
   */
  scattered: () => void;
}

/** Reads the body to its end. Uses callbacks, because `for await` creates promises for every piece. */
export function readBody(
  request: Pick<IncomingMessage, "on">,
  { budget, keep, done, scattered }: BodyReader,
): void {
  /** Only needed from the second piece on: nearly all bodies come in one. */
  let kept: Pieces | undefined;
  let only: Buffer | undefined;
  let size = 0;
  let pieces = 0;
  let isScattered = false;
  /** How many bytes of this body count against the budget. */
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
 * The pieces of one body. A Buffer takes some 200 bytes in addition to its content, and the first pieces of a body may have one byte
 * each. Small pieces are therefore copied together, so that thousands of bodies take no more than twice what was sent.
 */
export class Pieces {
  #buffers: Buffer[] = [];
  /** Small pieces that follow one another and are not among the buffers yet. */
  #small: Buffer = NONE;
  #used = 0;

  add(piece: Buffer): void {
    // Most texts come in one piece; it need not be copied.
    if (piece.length >= SMALLEST_PIECE || this.held === 0) {
      this.#seal();
      this.#buffers.push(piece);
      return;
    }
    const end = this.#used + piece.length;
    if (end > this.#small.length) {
      // Not from the pool that Node's small Buffers share: keeping one of them would keep the whole pool.
      const larger = Buffer.allocUnsafeSlow(Math.max(SMALLEST_PIECE, 2 * this.#small.length));
      this.#small.copy(larger, 0, 0, this.#used);
      this.#small = larger;
    }
    piece.copy(this.#small, this.#used);
    this.#used = end;
  }

  /** How many Buffers there are now. */
  get held(): number {
    return this.#buffers.length + (this.#used > 0 ? 1 : 0);
  }

  /** The whole body as one Buffer. */
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
