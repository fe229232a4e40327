import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { waitFor } from "../../demo/expect.ts";
import { numberedSid } from "../../src/simulator/state/sids.ts";
import { ClusterDatabase, storedTexts } from "./database.ts";
import { explainFailures } from "./failure.ts";
import { apply, ClusterApi, kubectl, list } from "./kubectl.ts";
import { restrictedNamespace, type TeamCredentials, team } from "./manifests.ts";
import { Release } from "./release.ts";
import { tell } from "./tell.ts";
import { ClusterTwilio, type WebhookAtTwilio } from "./twilio.ts";

// Tests of two installations in one cluster, which watch different namespaces, and of watched namespaces that are deleted.

const runId = inject("runId");
const [first, second] = [`${runId}-first`, `${runId}-second`];
/** `one` is the team whose namespace the first release watches. `many` are the teams of the second release. */
const one = { namespace: `${runId}-one`, number: "14255550100" };
const many = Array.from({ length: 20 }, (_, at) => ({
  namespace: `${runId}-many-${at + 1}`,
  number: `142555502${String(at).padStart(2, "0")}`,
}));
const accounts: TeamCredentials[] = [1, 2].map((at) => ({
  accountSid: numberedSid("AC", at),
  authToken: `end-to-end-token-000000000000000${at}`,
}));

let api: ClusterApi;
let twilio: ClusterTwilio;
let firstDatabase: ClusterDatabase;
let releases: { first: Release; second: Release };
let before: WebhookAtTwilio;

explainFailures();

beforeAll(async () => {
  tell(`the namespaces of this run begin with ${runId}`);
  const teams = [one, ...many];
  await apply(...[first, second, ...teams.map(({ namespace }) => namespace)].map(restrictedNamespace));
  api = await ClusterApi.open();
  twilio = await ClusterTwilio.start(api, {
    accounts: accounts.map(({ accountSid, authToken }) => ({ sid: accountSid, authToken })),
    numbers: teams.map(({ number }, at) => ({
      sid: numberedSid("PN", at + 1),
      accountSid: accounts[at === 0 ? 0 : 1]!.accountSid,
      phoneNumber: `+${number}`,
    })),
  });
  before = await twilio.webhookOf(one.number);
  const database = { existingSecret: "database", createRoles: true };
  releases = {
    first: new Release(first, twilio, { watchNamespaces: [one.namespace], database }),
    second: new Release(second, twilio, {
      watchNamespaces: many.map(({ namespace }) => namespace),
      database,
      // The second release leaves the CRDs out, because the first release installs them.
      crds: { install: false },
    }),
  };
});

afterAll(async () => {
  await releases?.second.remove();
  await releases?.first.remove();
  const teams = [one, ...many].map(({ namespace }) => namespace);
  await kubectl(["delete", "namespace", ...teams, "--ignore-not-found", "--timeout=120s"]);
  await twilio?.stop();
  await api?.close();
});

test("a release without its database waits, says so, and continues when the database is there", async () => {
  firstDatabase = new ClusterDatabase(first);
  await apply(firstDatabase.secret("database"));
  await releases.first.install("--take-ownership");
  await releases.first.rolledOut("controller");
  const [receiver] = await list<{ metadata: { name: string } }>(
    ...["-n", first, "pods", "-l", "app.kubernetes.io/component=receiver"],
  );
  await readyzSays(
    `namespaces/${first}/pods/${receiver!.metadata.name}:9090`,
    /\[-\] \w+: .*(database|store|schema)/i,
  );
  await firstDatabase.start();
  await releases.first.rolledOut("receiver");
});

test("two releases manage their own namespaces, and each text reaches the release of its number", async () => {
  const database = new ClusterDatabase(second);
  await Promise.all([apply(database.secret("database")), database.start()]);
  await releases.second.install();
  await apply(...team(one.namespace, one.number, accounts[0]!));
  await apply(...many.flatMap(({ namespace, number }) => team(namespace, number, accounts[1]!)));
  await releases.second.rolledOut("controller", "receiver");
  for (const { namespace } of [one, ...many]) await ready(namespace);
  expect(await managedBy(one.namespace)).toBe(releases.first.instance);
  for (const { namespace } of many) expect(await managedBy(namespace)).toBe(releases.second.instance);

  const texts = await Promise.all(
    [one, many[0]!].map(({ number }) =>
      twilio.receive({ from: "+12065550100", to: `+${number}`, body: "Hello" }),
    ),
  );
  expect(texts.map(({ outcome }) => outcome)).toEqual(["delivered", "delivered"]);
  const stored = await Promise.all(
    [first, second].map((namespace) => storedTexts({ namespace, name: "database" })),
  );
  const where = texts.map(({ messageSid }) => stored.map((texts) => texts.get(messageSid!) ?? 0));
  expect(where).toEqual([
    [1, 0],
    [0, 1],
  ]);
});

test("a namespace that a second release watches by mistake stays with the first release", async () => {
  const webhook = await twilio.webhookOf(one.number);
  await twilio.updates();
  const namespaces = [...many, one].map(({ namespace }) => namespace);
  await releases.second.upgrade({ watchNamespaces: namespaces });
  await releases.second.rolledOut("controller");
  for (const kind of ["SmsNumber", "WorkStream"])
    await eventOn(one.namespace, kind, "ManagedByAnotherRelease", releases.second.instance);
  expect(await managedBy(one.namespace)).toBe(releases.first.instance);
  expect(await twilio.webhookOf(one.number)).toEqual(webhook);
  expect(await twilio.updates()).toEqual([]);
  const text = await twilio.receive({ from: "+12065550100", to: `+${one.number}`, body: "Still here" });
  expect(text.outcome).toBe("delivered");
  await ready(one.namespace);
  await releases.second.upgrade({ watchNamespaces: many.map(({ namespace }) => namespace) });
  await releases.second.rolledOut("controller");
});

test("twenty watched namespaces can be deleted at the same time, and the webhooks of their numbers are restored", async () => {
  // The operator's Roles and RoleBindings are deleted with everything else in these namespaces, in any order.
  const names = many.map(({ namespace }) => namespace);
  const started = performance.now();
  await kubectl(["delete", "namespace", ...names, "--timeout=180s"]);
  tell(`twenty namespaces were gone after ${Math.round((performance.now() - started) / 1000)} s`);
  for (const { number } of many) expect([number, await twilio.webhookOf(number)]).toEqual([number, before]);
});

test("one release keeps working when the other is uninstalled", async () => {
  await releases.second.uninstall();
  const text = await twilio.receive({ from: "+12065550100", to: `+${one.number}`, body: "And now" });
  expect(text.outcome).toBe("delivered");
  await kubectl(["-n", one.namespace, "annotate", "smsnumber", "line", "end-to-end.example.com/touched=yes"]);
  await ready(one.namespace);
  await releases.first.uninstall();
  expect(await twilio.webhookOf(one.number)).toEqual(before);
});

const ready = (namespace: string) =>
  kubectl([
    "-n",
    namespace,
    "wait",
    "--for=condition=Ready",
    "smsnumbers,workstreams",
    "--all",
    "--timeout=180s",
  ]);

const managedBy = (namespace: string) =>
  kubectl(["-n", namespace, "get", "smsnumber", "line", "-o", "jsonpath={.status.managedBy}"]);

async function readyzSays(pod: string, sentence: RegExp): Promise<void> {
  let text = "";
  await waitFor({
    expected: `/readyz to say ${sentence}`,
    look: async () => {
      text = (await api.request(`${pod}/proxy/readyz`)).text;
      return sentence.test(text) ? true : undefined;
    },
    seen: () => text,
    withinMs: 60_000,
    signal: AbortSignal.timeout(90_000),
  });
  tell(text.trim().replaceAll("\n", "; "));
}

async function eventOn(namespace: string, kind: string, reason: string, said: string): Promise<void> {
  type Event = { reason: string; note?: string; message?: string; involvedObject: { kind: string } };
  let events: Event[] = [];
  await waitFor({
    expected: `an event ${reason} on the ${kind} that names ${said}`,
    look: async () => {
      events = await list<Event>("-n", namespace, "events");
      return events.find(
        (event) =>
          event.involvedObject.kind === kind && event.reason === reason && event.message?.includes(said),
      );
    },
    seen: () => events.map((event) => `${event.involvedObject.kind} ${event.reason}`).join(", "),
    withinMs: 60_000,
    signal: AbortSignal.timeout(90_000),
  });
}
