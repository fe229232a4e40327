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
  "a stream is added": [{ type: "added", object: stream("new", 1) }, []],
  "a stream changes and keeps its Secret": [
    { type: "updated", object: stream("same", 2), previous: stream("same", 1) },
    [],
  ],
  "a stream changes to another Secret": [
    { type: "updated", object: stream("new", 2), previous: stream("old", 1) },
    ["team/old"],
  ],
  "a stream is deleted": [{ type: "deleted", object: stream("old", 1) }, ["team/old"]],
};

for (const [name, [change, want]] of Object.entries(rows))
  test(`when ${name}, the operator forgets ${want.length === 0 ? "no Secret" : "the Secret that the stream named"}`, () => {
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
    "what was learnt of a stream is dropped if the stream was deleted during the attempt",
    false,
    ["account", "answer", "rules", "state"],
  ],
  ["what was learnt of a stream is kept if the stream still exists after the attempt", true, []],
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
