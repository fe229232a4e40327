import type { AutomatedMessage, SmsNumber, WorkStream } from "./index.ts";

/**
 * The settings of a WorkStream, with defaults filled in. The API server stores some defaults but not all. A stored default
 * could contradict one of the CRD's rules (keepSameAgent), or make list items differ from what a GitOps tool applied
 * (sinks[].timeout). Code that reads a spec takes every value from here and need not know which defaults are stored.
 */
export interface EffectiveStream {
  displayName: string;
  autoCloseAfterInactivityMs: number;
  allowAutomatedMessages: boolean;
  mode: "Push" | "Pick";
  capacity: number;
  allowedPresences: ("Available" | "Busy" | "BusyDoNotDisturb" | "Away")[];
  keepSameAgent: boolean;
  selectFromPush: boolean;
  notification: { timeoutMs: number; rejectable: boolean; inactiveOnMiss: boolean };
  /** How long wrap-up uses capacity: always, never, or for this many milliseconds. */
  wrapUpBlocksCapacity: "Always" | "Never" | number;
  skillMatching: "Exact" | "Closest" | "None";
  stateTimeoutsMs: { open: number; active: number; wrapUp: number };
  agentDisconnectTimeoutMs: number;
  /** How long messages and media are kept; undefined: for ever. */
  retentionMs: { messages: number | undefined; media: number | undefined };
  keepInboundMedia: boolean;
  pauseReplies: boolean;
  suspend: boolean;
}

export function effectiveStream({ metadata, spec }: Pick<WorkStream, "metadata" | "spec">): EffectiveStream {
  const work = spec.workDistribution ?? {};
  const mode = work.mode ?? "Push";
  return {
    displayName: spec.displayName ?? metadata.name,
    autoCloseAfterInactivityMs: parseDuration(spec.autoCloseAfterInactivity),
    allowAutomatedMessages: spec.allowAutomatedMessages ?? false,
    mode,
    capacity: work.capacity ?? 25,
    allowedPresences: work.allowedPresences ?? ["Available"],
    keepSameAgent: work.keepSameAgent ?? mode === "Push",
    selectFromPush: work.selectFromPush ?? false,
    notification: {
      timeoutMs: parseDuration(work.notification?.timeout ?? "120s"),
      rejectable: work.notification?.rejectable ?? true,
      inactiveOnMiss: work.notification?.inactiveOnMiss ?? false,
    },
    wrapUpBlocksCapacity: wrapUp(work.wrapUp?.blockCapacity ?? "Always"),
    skillMatching: work.skillMatching ?? "None",
    stateTimeoutsMs: {
      open: parseDuration(spec.stateTimeouts?.open ?? "720h"),
      active: parseDuration(spec.stateTimeouts?.active ?? "720h"),
      wrapUp: parseDuration(spec.stateTimeouts?.wrapUp ?? "24h"),
    },
    agentDisconnectTimeoutMs: parseDuration(spec.agentDisconnectTimeout ?? "8m"),
    retentionMs: { messages: optional(spec.retention?.messages), media: optional(spec.retention?.media) },
    keepInboundMedia: spec.media?.inbound ?? false,
    pauseReplies: spec.pauseReplies ?? false,
    suspend: spec.suspend ?? false,
  };
}

export interface EffectiveNumber {
  type: "LongCode" | "TollFree" | "ShortCode";
  language: string;
  managementPolicy: "Manage" | "Observe";
  takeover: "WhenUnset" | "Always";
  deletionPolicy: "Restore" | "Clear" | "Retain";
  suspend: boolean;
}

export function effectiveNumber({ spec }: Pick<SmsNumber, "spec">): EffectiveNumber {
  return {
    type: spec.type ?? "LongCode",
    language: spec.language ?? "en",
    managementPolicy: spec.managementPolicy ?? "Manage",
    takeover: spec.takeover ?? "WhenUnset",
    deletionPolicy: spec.deletionPolicy ?? "Restore",
    suspend: spec.suspend ?? false,
  };
}

/**
 * The text to send for a trigger. It is searched first in the number's language, then in the language without its region (es
 * for es-MX). For the same language, the number's own text comes before the stream's. Undefined when no text is found: then
 * nothing is sent.
 */
export function messageFor(
  trigger: AutomatedMessage["trigger"],
  stream: Pick<WorkStream, "spec">,
  number: Pick<SmsNumber, "spec">,
): string | undefined {
  const language = effectiveNumber(number).language.toLowerCase();
  const lists = [number.spec.automatedMessages ?? [], stream.spec.automatedMessages ?? []];
  for (const tag of fallbacks(language)) {
    for (const list of lists) {
      const found = list.find((message) => message.trigger === trigger && languageOf(message) === tag);
      if (found !== undefined) return found.text;
    }
  }
  return undefined;
}

const languageOf = (message: AutomatedMessage) => (message.language ?? "en").toLowerCase();

/** The language tags to try in turn: `zh-hant-tw` gives `zh-hant-tw`, `zh-hant`, `zh`. */
function fallbacks(tag: string): string[] {
  const parts = tag.split("-");
  return parts.map((_, index) => parts.slice(0, parts.length - index).join("-"));
}

function wrapUp(value: string): EffectiveStream["wrapUpBlocksCapacity"] {
  return value === "Always" || value === "Never" ? value : parseDuration(value);
}

const optional = (text: string | undefined) => (text === undefined ? undefined : parseDuration(text));

/**
 * Converts a duration such as `8h`, `1h30m` or `90s` to milliseconds. Throws for a text that the API server would have refused.
 */
export function parseDuration(text: string): number {
  const match = /^(?:([0-9]{1,6})h)?(?:([0-9]{1,7})m)?(?:([0-9]{1,9})s)?$/.exec(text);
  if (match === null || text === "") throw new Error(`not a duration: ${JSON.stringify(text)}`);
  const [hours = "0", minutes = "0", seconds = "0"] = match.slice(1);
  return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
}
