import { expect, test } from "vitest";
import type { WorkStream } from "../../api/index.ts";
import type { ReconcileContext } from "../../kube/controller/controller.ts";
import type { CallOptions } from "../../twilio/twilio.ts";
import { judgeCredentials } from "./credentials-valid.ts";
import type { WorkStreamDeps } from "./deps.ts";

test("a check of credentials calls Twilio with the namespace as the tenant, and ends when the attempt gives up", async () => {
  let asked: CallOptions | undefined;
  const deps = {
    secrets: {
      read: async () => ({
        version: "7",
        data: {
          accountSid: "AC00000000000000000000000000000001",
          authToken: "0123456789abcdef0123456789abcdef",
        },
      }),
    },
    touchedAt: () => 0,
    credentialChecks: {
      check: async (_user: string, _credentials: unknown, options: CallOptions) => {
        asked = options;
        return { authToken: "accepted", promoted: false };
      },
    },
  } as unknown as WorkStreamDeps;
  const ctx = {
    object: { spec: { sms: { twilio: { credentialsSecretRef: { name: "twilio" } } } } } as WorkStream,
    lane: "change",
    patience: new AbortController().signal,
  } as ReconcileContext<WorkStream>;
  const where = { namespace: "team", namespaceUid: "uid", stream: "support" };
  const found = await judgeCredentials(deps, ctx, where);
  expect(found).toMatchObject({ facts: { ok: true, promoted: false }, secretVersion: "7" });
  expect(asked).toMatchObject({ lane: "change", tenant: "team", signal: ctx.patience });
});
