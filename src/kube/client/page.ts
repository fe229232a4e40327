import { setImmediate as turn } from "node:timers/promises";
import { parseSkimmed, splitList } from "./skim.ts";

/**
 * How long items are parsed before other work gets a turn. Node has one thread: parsing a page of 4 MB in one go would delay
 * the renewal of the Lease and the answers to probes for as long.
 */
const TURN_MS = 10;

/** A list without its items. `continue` is the token of the next page; absent on the last page. */
export interface ListBody {
  metadata: { resourceVersion: string; continue?: string };
}

/** Parses the text of a list item by item, with pauses in which other work goes on. */
export async function parsePage<T>(
  text: string,
  each: (item: unknown) => T,
): Promise<{ list: ListBody; items: T[] }> {
  const { list, items } = splitList(text);
  const parsed: T[] = [];
  let since = performance.now();
  for (const item of items) {
    parsed.push(each(parseSkimmed(item)));
    if (performance.now() - since < TURN_MS) continue;
    await turn();
    since = performance.now();
  }
  return { list: JSON.parse(list) as ListBody, items: parsed };
}
