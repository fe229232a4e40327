import { request } from "node:http";
import { join } from "node:path";
import { Wait } from "testcontainers";
import { describe, expect, onTestFinished, test } from "vitest";
import { ContainerLog, Hardened, handle, prepared, run } from "./support.ts";

// Tests of how the image runs: as which user, with which rights, and how it ends.

const kubeconfig = join(import.meta.dirname, "../bundle/kubeconfig.yaml");
const examples = join(import.meta.dirname, "../../examples");
/** Settings with which each process starts. It then waits for the cluster and the database, which do not exist. */
const env = {
  KUBECONFIG: "/kubeconfig",
  DATABASE_URL: "postgres://receiver:secret@127.0.0.1:9/none",
  PUBLIC_URL: "https://sms.example.com",
  SHUTDOWN_DELAY: "1s",
};
const files = { "/kubeconfig": kubeconfig };

describe("the program runs with a read-only file system, without a network or a capability", () => {
  for (const user of ["65532:65532", "1000", "12345:0", "2147483647:2147483647", "0:0"])
    test(`as user ${user}`, async () => {
      const { code, output } = await run(["validate", "/examples"], {
        user,
        files: { "/examples": examples },
      });
      expect([code, output]).toEqual([0, expect.stringContaining("0 errors")]);
    });
});

test("the program without a command lists the commands, and each command lists its settings", async () => {
  const { code, output } = await run([]);
  expect([code, output]).toEqual([0, expect.stringContaining("Usage: smschannel COMMAND")]);
  const commands = output.match(/^ {2}\S+(?= {2})/gm)!.map((name) => name.trim());
  expect(commands.length).toBeGreaterThan(4);
  const helps = await Promise.all(commands.map((command) => run([command, "--help"])));
  expect(helps.map(({ code, output }) => [code, output.includes("Usage: smschannel ")])).toEqual(
    commands.map(() => [0, true]),
  );
});

test("the program refuses to run as root when REFUSE_ROOT or --refuse-root is set, and only then", async () => {
  const command = ["validate", "/examples"];
  const REFUSE_ROOT = "true";
  const refused = await run(command, { user: "0:0", env: { REFUSE_ROOT } });
  expect([refused.code, refused.output]).toEqual([2, expect.stringContaining("this process is root")]);
  const flag = await run([...command, "--refuse-root"], { user: "0:0" });
  expect(flag.code).toBe(2);
  const other = await run(command, { env: { REFUSE_ROOT }, files: { "/examples": examples } });
  expect(other.code).toBe(0);
});

test("a command that needs a part which the image leaves out fails and says why", async () => {
  const demo = await run(["demo", "--once"]);
  expect([demo.code, demo.output]).toEqual([2, expect.stringContaining("in a checkout of the repository")]);
  const { DATABASE_URL: _, ...noDatabase } = env;
  const receiver = await run(["receiver"], { env: noDatabase, files });
  expect([receiver.code, receiver.output]).toEqual([
    1,
    expect.stringContaining("the image holds no PostgreSQL"),
  ]);
});

describe("SIGTERM to the container's first process", () => {
  for (const [command, ready] of Object.entries({
    receiver: "listening",
    controller: "started",
    "twilio-simulator": "simulating twilio",
  }))
    test(`ends ${command} with exit code 0`, async () => {
      const { container, said } = await start(command);
      await said(ready);
      await container.kill({ signal: "SIGTERM" });
      await said("stopped");
      expect(await container.wait()).toMatchObject({ StatusCode: 0 });
    });

  test("drains the receiver: requests in flight are answered, and new ones are refused", async () => {
    const hardened = prepared(new Hardened().withCommand(["receiver"]).withExposedPorts(8080, 9090), {
      env,
      files,
    });
    await using started = await hardened.withWaitStrategy(Wait.forLogMessage(/"listening"/)).start();
    const container = await handle(started.getId());
    const log = new ContainerLog(await started.logs());
    const at = (port: number) => `http://${started.getHost()}:${started.getMappedPort(port)}`;
    const inFlight = halfPost(`${at(8080)}/inbound/team/support`);
    await inFlight.sent;
    await container.kill({ signal: "SIGTERM" });
    await log.said("stopping");
    const ready = await fetch(`${at(9090)}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining("shutting down")]);
    const late = await fetch(`${at(8080)}/inbound/team/support`, {
      method: "POST",
      body: new URLSearchParams(),
    });
    expect([late.status, late.headers.get("connection")]).toEqual([503, "close"]);
    expect(await inFlight.finish()).toBe(503);
    expect(await container.wait()).toMatchObject({ StatusCode: 0 });
  });
});

/** Starts a command. The test itself waits for what the command prints and for its end. */
async function start(command: string) {
  const container = prepared(new Hardened().withCommand([command]), { env, files });
  const started = await container.withWaitStrategy(atOnce).start();
  onTestFinished(() => started.stop().then(() => undefined));
  const log = new ContainerLog(await started.logs());
  return { container: await handle(started.getId()), said: (msg: string) => log.said(msg) };
}

/** Counts a container as ready as soon as it has started, because the tests wait for log lines instead. */
const atOnce = {
  waitUntilReady: async () => {},
  withStartupTimeout: () => atOnce,
  isStartupTimeoutSet: () => true,
  getStartupTimeout: () => 60_000,
};

/** Sends a request with half of its body. `finish` sends the rest and resolves with the status of the answer. */
function halfPost(url: string) {
  const body = "MessageSid=SM1&Body=half";
  const headers = { "content-type": "application/x-www-form-urlencoded", "content-length": body.length };
  const outgoing = request(url, { method: "POST", headers });
  const answer = new Promise<number>((resolve, reject) => {
    outgoing.once("response", (response) => resolve(response.resume().statusCode!)).once("error", reject);
  });
  const sent = new Promise<void>((resolve) => outgoing.write(body.slice(0, 10), () => resolve()));
  return {
    sent,
    finish() {
      outgoing.end(body.slice(10));
      return answer;
    },
  };
}
