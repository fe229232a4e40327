import { describe, expect, test } from "vitest";
import type { KubeObject } from "../resource.ts";
import {
  type ReflectorAction,
  type ReflectorInput,
  type ReflectorState,
  type ReflectorStep,
  start,
  step,
} from "./reflector.ts";
import type { Failed } from "./watch-failure.ts";

const object = (name: string, resourceVersion: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Thing",
  metadata: { name, resourceVersion },
});
const page = (...items: KubeObject[]): ReflectorInput<KubeObject> => ({
  type: "page",
  items,
  resourceVersion: "100",
  continue: undefined,
});
const failed = (error: Partial<Failed>, livedMs = 0): ReflectorInput<KubeObject> => ({
  type: "failed",
  error: { status: 0, reason: "Network", message: "connection reset", ...error },
  livedMs,
});
const added = (name: string, resourceVersion: string): ReflectorInput<KubeObject> => ({
  type: "event",
  event: { type: "ADDED", object: object(name, resourceVersion) },
});
const bookmark = (resourceVersion: string): ReflectorInput<KubeObject> => ({
  type: "event",
  event: { type: "BOOKMARK", object: { metadata: { name: "", resourceVersion } } },
});
const expired: ReflectorInput<KubeObject> = {
  type: "event",
  event: { type: "ERROR", object: { code: 410, reason: "Expired", message: "too old resource version" } },
};
const ended = (livedMs: number): ReflectorInput<KubeObject> => ({ type: "ended", livedMs });
const waited: ReflectorInput<KubeObject> = { type: "waited" };
/** The server's answer to the question for its present version. */
const serverIsAt = (resourceVersion: string, silent = false): ReflectorInput<KubeObject> => ({
  type: "version",
  resourceVersion,
  silent,
});
const silence: ReflectorInput<KubeObject> = { type: "silent" };

/** Feeds the inputs to the machine. Returns the last step and all actions that the machine asked for. */
function run(
  inputs: ReflectorInput<KubeObject>[],
  chance = 0.5,
): { last: ReflectorStep<KubeObject>; actions: ReflectorAction[]; state: ReflectorState } {
  const first = start();
  let { state } = first;
  const { action } = first;
  const actions = [action];
  let last: ReflectorStep<KubeObject> = { state, action };
  for (const input of inputs) {
    last = step(state, input, chance);
    state = last.state;
    if (last.action !== undefined) actions.push(last.action);
  }
  return { last, actions, state };
}
const watching: ReflectorInput<KubeObject>[] = [page()];
const rounds = (count: number, ...inputs: ReflectorInput<KubeObject>[]) =>
  Array.from({ length: count }, () => inputs).flat();

const rows: Record<string, [inputs: ReflectorInput<KubeObject>[], last: ReflectorAction | undefined]> = {
  "the reflector begins with a list by pages": [[], { do: "list", continue: undefined, limit: 500 }],
  "the reflector asks for the next page with the token of the last one": [
    [{ type: "page", items: [], resourceVersion: "100", continue: "token" }],
    { do: "list", continue: "token", limit: 500 },
  ],
  "a page that is too large is asked for again in smaller pages, from the same place": [
    [{ type: "page", items: [], resourceVersion: "100", continue: "token" }, failed({ reason: "TooLarge" })],
    { do: "list", continue: "token", limit: 125 },
  ],
  "a page that is too large each time shrinks to one object": [
    rounds(5, failed({ reason: "TooLarge" })),
    { do: "list", continue: undefined, limit: 1 },
  ],
  "after a list of small pages the next list begins with large ones": [
    [failed({ reason: "TooLarge" }), page(), added("a", "101"), expired],
    { do: "list", continue: undefined, limit: 500 },
  ],
  "the reflector watches from the list's version, for five to ten minutes": [
    watching,
    { do: "watch", resourceVersion: "100", timeoutSeconds: 450, quiet: false },
  ],
  "an event leaves the watch open": [[...watching, added("a", "101")], undefined],
  "the reflector asks for the server's present version before a watch is resumed": [
    [...watching, added("a", "101"), ended(60_000)],
    { do: "ask" },
  ],
  "a watch that the server ended is resumed immediately, from the last event": [
    [...watching, added("a", "101"), ended(60_000), serverIsAt("101")],
    { do: "watch", resourceVersion: "101", timeoutSeconds: 450, quiet: false },
  ],
  "a bookmark moves the place from which the watch is resumed": [
    [...watching, bookmark("150"), ended(60_000), serverIsAt("170")],
    { do: "watch", resourceVersion: "150", timeoutSeconds: 450, quiet: false },
  ],
  "after a reset connection the reflector waits for a short time": [
    [...watching, added("a", "101"), failed({})],
    { do: "wait", ms: 375 },
  ],
  "after a failure and a wait, the watch is resumed from the last event": [
    [...watching, added("a", "101"), failed({}), waited, serverIsAt("101")],
    { do: "watch", resourceVersion: "101", timeoutSeconds: 450, quiet: false },
  ],
  "when the version of a watch that had worked has expired, the reflector lists again immediately": [
    [...watching, added("a", "101"), expired],
    { do: "list", continue: undefined, limit: 500 },
  ],
  "when a version expires at each try, the reflector waits before it lists": [
    [...watching, failed({}), waited, serverIsAt("100"), expired],
    { do: "wait", ms: 750 },
  ],
  "when the server forgets each new version immediately, the reflector waits before it lists": [
    [...watching, expired, { type: "page", items: [], resourceVersion: "101", continue: undefined }, expired],
    { do: "wait", ms: 750 },
  ],
  "HTTP status 410 leads to a new list, like an ERROR event with the code 410": [
    [...watching, failed({ status: 410, reason: "Expired" })],
    { do: "list", continue: undefined, limit: 500 },
  ],
  "the reflector lists again when the server says that our version is too large": [
    [
      ...watching,
      failed({ status: 504, reason: "Timeout", message: "Too large resource version: 9, current: 3" }),
    ],
    { do: "list", continue: undefined, limit: 500 },
  ],
  "the reflector lists again immediately when the server is behind our version": [
    [...watching, bookmark("150"), failed({}), waited, serverIsAt("120")],
    { do: "list", continue: undefined, limit: 500 },
  ],
  "the reflector lists again immediately when the server is behind our version after a long outage": [
    [...watching, ...rounds(8, failed({}), waited), serverIsAt("90")],
    { do: "list", continue: undefined, limit: 500 },
  ],
  "when versions cannot be compared, the watch is resumed": [
    [...watching, bookmark("x150"), ended(60_000), serverIsAt("x120")],
    { do: "watch", resourceVersion: "x150", timeoutSeconds: 450, quiet: false },
  ],
  "the reflector lists again after a long silence, even if the server is ahead of our version": [
    [...watching, failed({}), waited, serverIsAt("900", true)],
    { do: "list", continue: undefined, limit: 500 },
  ],
  "the reflector asks for the server's present version when a watch is silent": [
    [...watching, silence],
    { do: "ask" },
  ],
  "the reflector lists again after a silent watch, even if the server is at our version": [
    [...watching, silence, serverIsAt("100", true)],
    { do: "list", continue: undefined, limit: 500 },
  ],
  "the reflector asks for the server's version again when no answer came": [
    [...watching, failed({}), waited, failed({ status: 500 }), waited],
    { do: "ask" },
  ],
  "when an event is older than the last one, the reflector lists again": [
    [...watching, added("a", "150"), added("b", "120")],
    { do: "list", continue: undefined, limit: 500 },
  ],
  "when an event is older than the last one for the second time in a row, the reflector waits before it lists":
    [[...watching, added("a", "150"), added("b", "120"), page(), added("c", "90")], { do: "wait", ms: 750 }],
  "after a 504 that says nothing about our version, the watch is resumed from that version": [
    [
      ...watching,
      failed({ status: 504, reason: "Timeout", message: "etcd is slow" }),
      waited,
      serverIsAt("100"),
    ],
    { do: "watch", resourceVersion: "100", timeoutSeconds: 450, quiet: false },
  ],
  "when a continue token has expired, the list begins again": [
    [
      { type: "page", items: [], resourceVersion: "100", continue: "token" },
      failed({ status: 410, reason: "Expired" }),
      waited,
    ],
    { do: "list", continue: undefined, limit: 500 },
  ],
  "when the version of the first page has expired, the reflector asks for all objects in one page": [
    [failed({ status: 410, reason: "Expired" }), waited],
    { do: "list", continue: undefined, limit: 0 },
  ],
  "after a request for a page failed, the reflector asks for that page again with the same token": [
    [{ type: "page", items: [], resourceVersion: "100", continue: "token" }, failed({ status: 500 }), waited],
    { do: "list", continue: "token", limit: 500 },
  ],
  "the reflector waits for as long as Retry-After says, and a little more": [
    [failed({ status: 429, reason: "TooManyRequests", retryAfterMs: 7000 })],
    { do: "wait", ms: 7700 },
  ],
  "after a Retry-After of a day the reflector waits for only five to six minutes": [
    [failed({ status: 503, reason: "ServiceUnavailable", retryAfterMs: 86_400_000 })],
    { do: "wait", ms: 330_000 },
  ],
  "each wait is twice as long as the one before": [
    rounds(4, failed({}), waited).slice(0, -1),
    { do: "wait", ms: 3000 },
  ],
  "no wait without Retry-After is longer than 30 s": [
    [...rounds(30, failed({}), waited), failed({})],
    { do: "wait", ms: 22_500 },
  ],
  "when each watch ends soon after it began, each wait is longer than the one before": [
    [...watching, ...rounds(3, ended(5), waited, serverIsAt("100")), ended(5)],
    { do: "wait", ms: 3000 },
  ],
  "after an event the next wait is the shortest again": [
    [...watching, ...rounds(6, failed({}), waited), serverIsAt("100"), added("a", "101"), failed({})],
    { do: "wait", ms: 375 },
  ],
  "after a watch that lived for a while the next wait is the shortest again": [
    [...watching, ...rounds(6, failed({}), waited), serverIsAt("100"), failed({}, 60_000)],
    { do: "wait", ms: 375 },
  ],
};
for (const [name, [inputs, want]] of Object.entries(rows))
  test(name, () => {
    const { last, actions } = run(inputs);
    expect(inputs.length === 0 ? actions[0] : last.action).toEqual(want);
  });

describe("the news for the store", () => {
  test("says which page is the first and which is the last", () => {
    const first = run([
      { type: "page", items: [object("a", "1")], resourceVersion: "100", continue: "token" },
    ]).last;
    expect(first.news).toMatchObject({ type: "page", first: true, last: false });
    const { news } = run([
      { type: "page", items: [], resourceVersion: "100", continue: "token" },
      page(object("b", "2")),
    ]).last;
    expect(news).toMatchObject({ type: "page", first: false, last: true });
  });
  const isRewound = (...inputs: ReflectorInput<KubeObject>[]) => {
    const { news } = run(inputs).last;
    return news?.type === "page" && news.rewound;
  };
  const rewinds: Record<string, [ReflectorInput<KubeObject>[], boolean]> = {
    "the first list does not report that the server was set back": [[page()], false],
    "a list at a later version does not report that the server was set back": [
      [...watching, expired, page()],
      false,
    ],
    "a list at an earlier version than the last bookmark reports that the server was set back": [
      [...watching, bookmark("150"), ended(60_000), serverIsAt("120"), page()],
      true,
    ],
    "a list at an earlier version after a silent watch reports that the server was set back": [
      [...watching, bookmark("150"), silence, serverIsAt("120", true), page()],
      true,
    ],
    "a list at an earlier version that had to be asked for again reports that the server was set back": [
      [...watching, bookmark("150"), ended(60_000), serverIsAt("120"), failed({}), waited, page()],
      true,
    ],
    "a list after our version was refused as too large reports that the server was set back": [
      [...watching, bookmark("150"), failed({ status: 504, message: "Too large resource version" }), page()],
      true,
    ],
  };
  for (const [name, [inputs, want]] of Object.entries(rewinds))
    test(name, () => expect(isRewound(...inputs)).toBe(want));
  const distrusted: ReflectorInput<KubeObject> = { type: "distrusted" };
  const told: Record<string, ReflectorInput<KubeObject>[]> = {
    "while it watches": watching,
    "while it waits after a failure": [...watching, failed({})],
    "while it asks for the server's version": [...watching, ended(60_000)],
    "while it lists": [...watching, expired],
  };
  for (const [name, inputs] of Object.entries(told))
    test(`the reflector lists again, without reporting a finding of its own, when it is told ${name} that the server was set back`, () => {
      expect(run([...inputs, distrusted]).last.action).toMatchObject({ do: "list", continue: undefined });
      for (const more of [[page()], [failed({}), waited, page()], [failed({ status: 410 }), waited, page()]])
        expect(run([...inputs, distrusted, ...more]).last.news).toMatchObject({
          rewound: true,
          found: false,
        });
    });
  test("only the first list after the server was set back reports it, and not the second", () =>
    expect(isRewound(...watching, distrusted, page(), expired, page())).toBe(false));
  test("is empty for a bookmark", () =>
    expect(run([...watching, bookmark("150")]).last.news).toBeUndefined());
});

describe("the problem as a sentence for a person", () => {
  const problems: Record<string, [ReflectorInput<KubeObject>, RegExp]> = {
    "says what to grant when a list is refused": [
      failed({ status: 403, reason: "Forbidden" }),
      /may not list .*grant/,
    ],
    "asks about the CRDs when the kind is unknown": [failed({ status: 404, reason: "NotFound" }), /CRDs/],
    "names the credentials when they are refused": [
      failed({ status: 401, reason: "Unauthorized" }),
      /credentials/,
    ],
    "repeats the operating system's words when there is no connection": [
      failed({ message: "connect ECONNREFUSED" }),
      /ECONNREFUSED/,
    ],
  };
  for (const [name, [input, want]] of Object.entries(problems))
    test(name, () => expect(run([input]).last.problem).toMatch(want));
  test("is cleared when a page of a list arrives", () =>
    expect(run([failed({ status: 403 }), waited, page()]).last.problem).toBe(""));
  const listedAfterSilence = [...watching, silence, serverIsAt("100", true), page()];
  test("stays after a silent watch until data comes from a watch, even when a list succeeds", () => {
    expect(run([...watching, silence]).last.problem).toMatch(/silent/);
    expect(run(listedAfterSilence).last).toMatchObject({
      problem: expect.stringMatching(/silent/),
      action: { do: "watch", quiet: true },
    });
    expect(run([...listedAfterSilence, bookmark("101")]).last.problem).toBe("");
  });
});

test("whatever happens, the reflector always has something to do or to wait for", () => {
  const inputs = [
    page(),
    added("a", "1"),
    bookmark("2"),
    expired,
    ended(0),
    ended(9000),
    silence,
    failed({}),
    failed({ status: 410 }),
  ];
  const answers = [serverIsAt("1"), serverIsAt("3"), serverIsAt("3", true)];
  let seed = 7;
  const random = () => {
    seed = (seed * 16_807) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  let { state, action } = start();
  for (let i = 0; i < 5000; i++) {
    const fitting: ReflectorInput<KubeObject>[] =
      action.do === "wait"
        ? [waited]
        : action.do === "list"
          ? [inputs[0]!, failed({}), failed({ status: 410 })]
          : action.do === "ask"
            ? [...answers, failed({}), failed({ status: 410 })]
            : inputs.slice(1);
    const next = step(state, fitting[Math.floor(random() * fitting.length)]!, random());
    state = next.state;
    action = next.action ?? action;
    expect({ listing: "list", watching: "watch", asking: "ask", waiting: "wait" }[state.phase]).toBe(
      action.do,
    );
  }
});
