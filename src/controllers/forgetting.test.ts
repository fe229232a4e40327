import { expect, test } from "vitest";
import type { WorkStream } from "../api/index.ts";
import type { Change } from "../kube/watch/informer.ts";
import { Forgetting, type ForgettingOptions } from "./forgetting.ts";

const stream = (secret: string, generation: number) =>
  ({
    metadata: { namespace: "team", name: "support", generation },
    spec: { sms: { twilio: { credentialsSecretRef: { name: secret } } } },
  }) as WorkStream;

const rows: Record<string, [Change<WorkStream>, string[]]> = {
  "a new stream": [{ type: "added", object: stream("new", 1) }, []],
  "a stream that goes on with its Secret": [
    { type: "updated", object: stream("same", 2), previous: stream("same", 1) },
    [],
  ],
  "a stream that names another one": [
    { type: "updated", object: stream("new", 2), previous: stream("old", 1) },
    ["team/old"],
  ],
  "a stream that is gone": [{ type: "deleted", object: stream("old", 1) }, ["team/old"]],
};

for (const [name, [change, want]] of Object.entries(rows))
  test(`the right Secret is forgotten by ${name}`, () => {
    const unused: string[] = [];
    let tell: (change: Change<WorkStream>) => void = () => {};
    const deps = {
      watches: { workStreams: { onChange: (listener: typeof tell) => (tell = listener) } },
      secretReader: {
        stoppedUsing: (ref: { namespace: string; name: string }) =>
          unused.push(`${ref.namespace}/${ref.name}`),
      },
    };
    new Forgetting(deps as unknown as ForgettingOptions);
    tell(change);
    expect(unused).toEqual(want);
  });

for (const [name, present, want] of [
  [
    "a stream that went while it was looked at leaves nothing behind",
    false,
    ["account", "answer", "rules", "state"],
  ],
  ["a stream that is still there keeps what is known of it", true, []],
] as const)
  test(name, () => {
    const gone: string[] = [];
    const object = stream("secret", 1);
    const store = { getByKey: () => (present ? object : undefined), byIndex: () => [], list: () => [] };
    const deps = {
      watches: { workStreams: { store, onChange: () => {} }, smsNumbers: { store } },
      accounts: { stopUsing: () => gone.push("account") },
      credentialChecks: { stopUsing: () => gone.push("answer") },
      routing: { forget: () => gone.push("rules") },
      streams: { delete: () => gone.push("state") },
      namespaces: { forget: () => {} },
    };
    expect(new Forgetting(deps as unknown as ForgettingOptions).streamReconciled(object)).toBe(!present);
    expect(gone).toEqual(want);
  });
