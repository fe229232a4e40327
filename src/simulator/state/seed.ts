import type { NewAccount, Region } from "./region.ts";
import type { ConversationAddress } from "./resources.ts";
import type { Handset, SimulatorState, Timing } from "./state.ts";

type First<M extends keyof Region> = Region[M] extends (first: infer F) => unknown ? F : never;

/** What one region starts with. A service lists its pool by the senders' SIDs. */
interface RegionSeed {
  accounts?: NewAccount[];
  keys?: First<"addKey">[];
  applications?: First<"addApplication">[];
  numbers?: First<"addNumber">[];
  shortCodes?: First<"addShortCode">[];
  services?: (First<"addService"> & { senders?: string[] })[];
  addresses?: (Partial<ConversationAddress> & Pick<ConversationAddress, "accountSid" | "address">)[];
}

/** A whole simulator's beginning, as JSON: us1, and other regions by name. */
export interface SimulatorSeed extends RegionSeed {
  regions?: Record<string, RegionSeed>;
  /** Regions that start as a copy of us1's accounts and numbers, with tokens of their own and no webhooks. */
  mirrors?: string[];
  /** The region that handles a number's texts, by E.164. */
  messagingRegions?: Record<string, string>;
  handsets?: Record<string, Handset>;
  timing?: Partial<Timing>;
}

/** Puts a seed into an empty state. Throws a sentence about what does not fit. */
export function plant(given: SimulatorSeed, state: SimulatorState): void {
  // What is changed in the state must not change the seed: it is planted again at each reset, and shared by all simulators.
  const seed = structuredClone(given);
  checkKeys(seed, [...regionKeys, ...wholeKeys]);
  plantRegion(seed, state);
  for (const name of seed.mirrors ?? []) state.mirrorInto(name);
  for (const [name, region] of Object.entries(seed.regions ?? {})) {
    checkKeys(region, regionKeys);
    plantRegion(region, state.region(name));
  }
  for (const [number, region] of Object.entries(seed.messagingRegions ?? {}))
    state.messagingRegions.set(number, region);
  for (const [number, handset] of Object.entries(seed.handsets ?? {})) state.handsets.set(number, handset);
  Object.assign(state.timing, seed.timing);
}

function plantRegion(seed: RegionSeed, region: Region): void {
  for (const account of seed.accounts ?? []) region.addAccount(account);
  for (const key of ["keys", "applications", "numbers", "shortCodes", "services", "addresses"] as const)
    for (const { accountSid } of seed[key] ?? [])
      if (!region.accounts.has(accountSid))
        throw new Error(`seed: ${key} name the account ${accountSid}, which is not in region ${region.name}`);
  for (const key of seed.keys ?? []) region.addKey(key);
  for (const application of seed.applications ?? []) region.addApplication(application);
  for (const number of seed.numbers ?? []) region.addNumber(number);
  for (const code of seed.shortCodes ?? []) region.addShortCode(code);
  for (const address of seed.addresses ?? []) region.addAddress(address);
  for (const { senders = [], ...service } of seed.services ?? []) {
    const { sid } = region.addService(service);
    for (const sender of senders) region.join(sid, sender);
  }
}

const regionKeys = ["accounts", "keys", "applications", "numbers", "shortCodes", "services", "addresses"];
const wholeKeys = ["regions", "mirrors", "messagingRegions", "handsets", "timing"];

function checkKeys(seed: object, known: string[]): void {
  const unknown = Object.keys(seed).find((key) => !known.includes(key));
  if (unknown !== undefined) throw new Error(`seed: there is no ${unknown}; it takes ${known.join(", ")}`);
}
