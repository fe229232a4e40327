import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, rename, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, test } from "vitest";
import { encodeShard } from "../../src/routes/codec.ts";
import type { Route } from "../../src/routes/route.ts";
import { type CuttingProxy, cuttingProxy } from "../kube/proxy.ts";
import { kubeconfigPath, kubectl, newNamespace } from "../support/cluster.ts";
import { temporaryDirectory } from "../support/controlplane/directory.ts";
import { newInbox, newSid, type Post, post, routeFor, signedPost, textFields } from "./harness.ts";
import { databaseProxy } from "./proxy.ts";

// These tests run `smschannel receiver` as in a pod: in its own process, with routes from a real API server and texts to a real
// PostgreSQL.

const PROGRAM = join(import.meta.dirname, "../../src/main/smschannel.ts");
const children = new Set<ChildProcess>();

afterEach(async () => {
  await Promise.all([...children].map((child) => end(child, "SIGKILL")));
});

interface LogLine {
  msg: string;
  port?: number;
  routes?: number;
}

/** Starts a receiver. `said` resolves with the first log line that has the message, even when that line came before the call. */
function start(env: Record<string, string>) {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", PROGRAM, "receiver"], {
    env: { PATH: process.env.PATH ?? "", PORT: "0", METRICS_PORT: "0", ROUTE_SHARDS: "1", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.add(child);
  const lines: LogLine[] = [];
  const listeners = new Set<() => void>();
  createInterface({ input: child.stdout! }).on("line", (text) => {
    lines.push(JSON.parse(text) as LogLine);
    for (const listener of listeners) listener();
  });
  const said = (msg: string, fits: (line: LogLine) => boolean = () => true) =>
    new Promise<LogLine>((resolve) => {
      const look = () => {
        const line = lines.find((line) => line.msg === msg && fits(line));
        if (line === undefined) return;
        listeners.delete(look);
        resolve(line);
      };
      listeners.add(look);
      look();
    });
  return { child, said, lines };
}

async function end(child: ChildProcess, signal: NodeJS.Signals) {
  children.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(signal);
  await exited;
}

async function applyRoutes(namespace: string, routes: Route[]) {
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "sms-receiver-0", namespace },
    data: await encodeShard(routes),
  };
  const { code, stderr } = await kubectl(["apply", "-f", "-"], { input: JSON.stringify(secret) });
  expect([code, stderr]).toEqual([0, ""]);
}

async function world() {
  const [inbox, namespace] = await Promise.all([newInbox(), newNamespace("receiver")]);
  const env = { KUBECONFIG: kubeconfigPath(), OPERATOR_NAMESPACE: namespace, INSTANCE: `${namespace}/sms` };
  return { inbox, namespace, env };
}

const status = async (port: number, request: Post) => (await post(port, request)).status;

test("a receiver follows the routes in its Secret, keeps them when the Secret is deleted, and after SIGTERM drains and exits with 0", async () => {
  const { inbox, namespace, env } = await world();
  const { child, said } = start({ ...env, DATABASE_URL: inbox.receiverUrl, SHUTDOWN_DELAY: "1s" });
  const port = (await said("listening")).port!;
  const metricsPort = (await said("started")).port!;
  const ready = async () => (await fetch(`http://127.0.0.1:${metricsPort}/readyz`)).status;
  const request = signedPost(textFields());
  expect([await status(port, request), await ready()]).toEqual([503, 503]);

  await applyRoutes(namespace, []);
  await Promise.all([said("routes read"), said("store is ready")]);
  expect([await status(port, request), await ready()]).toEqual([403, 200]);

  await applyRoutes(namespace, [await routeFor()]);
  await said("routes read", ({ routes }) => routes === 1);
  expect(await status(port, request)).toBe(200);

  await kubectl(["delete", "secret", "sms-receiver-0", "-n", namespace]);
  await said("routing secret deleted, its last routes stay");
  expect(await status(port, signedPost(textFields()))).toBe(200);

  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await said("stopping");
  const draining = await post(port, signedPost(textFields()));
  expect([draining.status, draining.headers.connection]).toEqual([200, "close"]);
  expect(await ready()).toBe(503);
  expect(await exited).toEqual([0, null]);
  const { rows } = await inbox.owner.query("select count(*)::int as count from smschannel.inbox");
  expect(rows[0].count).toBe(3);
  await inbox.owner.end();
});

test("a receiver whose port is in use ends, and so does its embedded database", async () => {
  const taken = createServer().listen(0);
  await once(taken, "listening");
  const { env } = await world();
  const PORT = String((taken.address() as AddressInfo).port);
  const folder = await temporaryDirectory("sms-taken");
  // The embedded database does not run as root, and its account must be able to enter the folder.
  await chmod(folder, 0o711);
  const { child, lines } = start({ ...env, PORT, DATA_DIR: join(folder, "data") });
  expect(await once(child, "exit")).toEqual([1, null]);
  expect(JSON.stringify(lines)).toContain("EADDRINUSE");
  taken.close();
  await rm(folder, { recursive: true });
});

test("when a receiver is killed between commit and answer, the retry at the next receiver adds no row", async () => {
  const { inbox, namespace, env } = await world();
  await applyRoutes(namespace, [await routeFor()]);
  const proxy = await databaseProxy(inbox.receiverUrl);
  const first = start({ ...env, DATABASE_URL: proxy.url });
  await Promise.all([first.said("routes read"), first.said("store is ready")]);
  const port = (await first.said("listening")).port!;

  const sid = newSid();
  const request = signedPost(textFields({ MessageSid: sid }));
  proxy.set("swallowAnswers");
  const unanswered = post(port, request).then(
    () => "answered",
    () => "cut",
  );
  const rows = async () =>
    (await inbox.owner.query("select kind from smschannel.inbox where message_sid = $1", [sid])).rows;
  while ((await rows()).length === 0);
  await end(first.child, "SIGKILL");
  expect(await unanswered).toBe("cut");

  const second = start({ ...env, DATABASE_URL: inbox.receiverUrl });
  await second.said("routes read");
  expect(await status((await second.said("listening")).port!, request)).toBe(200);
  expect(await rows()).toHaveLength(1);
  await proxy.close();
  await inbox.owner.end();
});

describe("a receiver keeps its last routes, and reads changes afterwards, when the Kubernetes API is down because", () => {
  const faults: Record<string, { begin(api: CuttingProxy): unknown; end(api: CuttingProxy): unknown }> = {
    "its port is closed": { begin: (api) => api.down(), end: (api) => api.up() },
    "it does not answer": {
      begin: (api) => {
        api.freeze();
        api.reset();
      },
      end: (api) => api.thaw(),
    },
    "it answers 500": {
      begin: (api) => {
        api.fault = () => ({ status: 500 });
        api.reset();
      },
      end: (api) => {
        api.fault = undefined;
      },
    },
    "it does not accept our token any more": {
      begin: (api) => {
        api.fault = () => ({ status: 401 });
        api.reset();
      },
      end: (api) => {
        api.fault = undefined;
      },
    },
  };
  for (const [name, fault] of Object.entries(faults))
    test(name, async () => {
      const { inbox, namespace, env } = await world();
      const api = await cuttingProxy(kubeconfigPath());
      await applyRoutes(namespace, [await routeFor()]);
      const { said, lines } = start({ ...env, KUBECONFIG: api.kubeconfig, DATABASE_URL: inbox.receiverUrl });
      await Promise.all([said("routes read"), said("store is ready")]);
      const port = (await said("listening")).port!;
      const metricsPort = (await said("started")).port!;
      const ready = async () => (await fetch(`http://127.0.0.1:${metricsPort}/readyz`)).status;

      await fault.begin(api);
      await said("watch interrupted, will retry");
      const later = { token: "fedcba9876543210fedcba9876543210" };
      await applyRoutes(namespace, [{ ...(await routeFor(later)), generation: 8 }]);
      expect([await status(port, signedPost(textFields())), await ready()]).toEqual([200, 200]);
      expect(await status(port, signedPost(textFields(), later))).toBe(403);

      const known = lines.length;
      await fault.end(api);
      await said("routes read", (line) => lines.indexOf(line) >= known);
      expect(await status(port, signedPost(textFields(), later))).toBe(200);
      expect(await status(port, signedPost(textFields()))).toBe(403);
      await api.close();
      await inbox.owner.end();
    });
});

test("a receiver that starts while the Kubernetes API is down is not ready, says why, and answers texts with 503", async () => {
  const { inbox, namespace, env } = await world();
  const api = await cuttingProxy(kubeconfigPath());
  await applyRoutes(namespace, [await routeFor()]);
  await api.down();
  const { said } = start({ ...env, KUBECONFIG: api.kubeconfig, DATABASE_URL: inbox.receiverUrl });
  const port = (await said("listening")).port!;
  const metricsPort = (await said("started")).port!;
  const request = signedPost(textFields());
  await said("watch interrupted, will retry");
  expect(await status(port, request)).toBe(503);
  const ready = await fetch(`http://127.0.0.1:${metricsPort}/readyz`);
  expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining("ECONNREFUSED")]);
  await api.up();
  await said("routes read");
  expect(await status(port, request)).toBe(200);
  await api.close();
  await inbox.owner.end();
});

test("a receiver is not ready until the database schema fits, and then stays ready during an outage of the database", async () => {
  const { inbox, namespace, env } = await world();
  await applyRoutes(namespace, [await routeFor()]);
  await inbox.owner.query("alter schema smschannel rename to not_yet");
  const proxy = await databaseProxy(inbox.receiverUrl);
  const { said } = start({ ...env, DATABASE_URL: proxy.url });
  await Promise.all([said("store is not ready"), said("routes read")]);
  const port = (await said("listening")).port!;
  const metricsPort = (await said("started")).port!;
  const ready = async () => {
    const answer = await fetch(`http://127.0.0.1:${metricsPort}/readyz`);
    return [answer.status, await answer.text()];
  };
  const [unready, text] = await ready();
  expect(unready).toBe(503);
  expect(text).toContain("[-] schema: the database's schema does not exist, but version");
  expect(text).toContain("run smschannel migrate");

  const metrics = async () => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  expect(await metrics()).toMatch(
    /^smschannel_ready\{check="routes"\} 1\nsmschannel_ready\{check="schema"\} 0$/m,
  );

  await inbox.owner.query("alter schema not_yet rename to smschannel");
  await said("store is ready");
  expect(await metrics()).toContain('smschannel_ready{check="schema"} 1');
  expect((await ready())[0]).toBe(200);
  expect(await status(port, signedPost(textFields()))).toBe(200);

  proxy.set("refuse");
  expect(await status(port, signedPost(textFields()))).toBe(503);
  expect((await ready())[0]).toBe(200);
  await proxy.close();
  await inbox.owner.end();
});

/** Replaces a file in one step, as the kubelet does with a mounted Secret. A file that is written over is empty for a moment. */
async function replaceFile(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

test("the next database connection uses a new password in the mounted Secret, without a restart", async () => {
  const { inbox, namespace, env } = await world();
  await applyRoutes(namespace, [await routeFor()]);
  const folder = await temporaryDirectory("sms-secret");
  const file = join(folder, "url");
  await writeFile(file, `${inbox.receiverUrl}\n`);
  const { said, lines } = start({ ...env, DATABASE_URL_FILE: file });
  await Promise.all([said("store is ready"), said("routes read")]);
  const port = (await said("listening")).port!;
  expect(await status(port, signedPost(textFields()))).toBe(200);

  await inbox.owner.query(`alter role "${inbox.role}" password 'another'`);
  // A connection that is open goes on working with the old password.
  expect(await status(port, signedPost(textFields()))).toBe(200);
  await inbox.owner.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", [
    inbox.role,
  ]);
  expect(await status(port, signedPost(textFields()))).toBe(503);

  const url = new URL(inbox.receiverUrl);
  url.password = "another";
  await replaceFile(file, url.href);
  expect(await status(port, signedPost(textFields()))).toBe(200);
  expect(JSON.stringify(lines)).not.toMatch(/another|postgres:/);
  await rm(folder, { recursive: true });
  await inbox.owner.end();
});

test("the receiver reports a DATABASE_URL_FILE without a URL and does not quote its content", async () => {
  const { inbox, env } = await world();
  const folder = await temporaryDirectory("sms-secret");
  const file = join(folder, "url");
  await writeFile(file, "p@ssw0rd");
  const { said, lines } = start({ ...env, DATABASE_URL_FILE: file });
  await said("store is not ready");
  expect(lines).toContainEqual(
    expect.objectContaining({ problem: `the file ${file} does not contain a postgres:// URL` }),
  );
  expect(JSON.stringify(lines)).not.toContain("p@ssw0rd");
  await replaceFile(file, inbox.receiverUrl);
  await said("store is ready");
  await rm(folder, { recursive: true });
  await inbox.owner.end();
});
