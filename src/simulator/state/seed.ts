import type { NewAccount, Region } from "./region.ts";
import type { ConversationAddress } from "./resources.ts";
import type { Handset, SimulatorState, Timing } from "./state.ts";

/** The type of the first parameter of a method of Region, such as `addKey`. */
type First<M extends keyof Region> = Region[M] extends (first: infer F) => unknown ? F : never;

/** The resources that a region starts with. A service lists the SIDs of the senders in its pool. */
interface RegionSeed {
  accounts?: NewAccount[];
  keys?: First<"addKey">[];
  applications?: First<"addApplication">[];
  numbers?: First<"addNumber">[];
  shortCodes?: First<"addShortCode">[];
  services?: (First<"addService"> & { senders?: string[] })[];
  addresses?: (Partial<ConversationAddress> & Pick<ConversationAddress, "accountSid" | "address">)[];
}

/** The resources that a simulator starts with; a seed file contains them as JSON. The fields from RegionSeed describe region us1. */
export interface SimulatorSeed extends RegionSeed {
  regions?: Record<string, RegionSeed>;
  /** Regions that start with us1's accounts and numbers under the same SIDs, but with different tokens and without webhooks. */
  mirrors?: string[];
  /** The region that handles the texts to a number. The key is the number in E.164 format. */
  messagingRegions?: Record<string, string>;
  /** What happens to texts to a customer. The key is the customer's number in E.164 format. */
  handsets?: Record<string, Handset>;
  timing?: Partial<Timing>;
}

/** Puts a seed into an empty state. Throws an error whose message says what is wrong with the seed. */
export function plant(given: SimulatorSeed, state: SimulatorState): void {
  // The seed is copied, because simulators share it and each reset uses it again: changes of the state must not reach the seed.
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

/** Puts the resources of one region into the state. Services come last, because they name their senders. */
function plantRegion(seed: RegionSeed, region: Region): void {
  // Accounts come first, because every other resource belongs to an account.
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
    for (const sender of senders) {
      if (region.numbers.get(sender) === undefined && region.shortCodes.get(sender) === undefined)
        throw new Error(`seed: services name the sender ${sender}, which is not in region ${region.name}`);
      region.join(sid, sender);
    }
  }
}

const regionKeys = ["accounts", "keys", "applications", "numbers", "shortCodes", "services", "addresses"];
const wholeKeys = ["regions", "mirrors", "messagingRegions", "handsets", "timing"];

/** Refuses unknown fields. Otherwise a misspelt field would be ignored, and its resources would be missing without a message. */
function checkKeys(seed: object, known: string[]): void {
  const unknown = Object.keys(seed).find((key) => !known.includes(key));
  if (unknown !== undefined)
    throw new Error(`seed: unknown field "${unknown}"; it takes ${known.join(", ")}`);
}
