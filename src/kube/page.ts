import { setImmediate as turn } from "node:timers/promises";
import { parseSkimmed, splitList } from "./skim.ts";

/** For so long the items of a page are read in one go; then everything else has its turn. */
const TURN_MS = 10;

/** What is left of a list without its items. */
export interface ListBody {
  metadata: { resourceVersion: string; continue?: string };
}

/** Reads a list's text item by item, so that a page of many or large ones stops nothing else for long. */
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
