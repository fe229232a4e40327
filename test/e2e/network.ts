import { apply, kubectl, list } from "./kubectl.ts";
import { podSecurity } from "./manifests.ts";

/** The ports on which the API server accepts connections behind its Service. */
export async function kubernetesPorts(): Promise<number[]> {
  const slices = await list<{ ports: { port: number }[] }>(
    ...["-n", "default", "endpointslices", "-l", "kubernetes.io/service-name=kubernetes"],
  );
  return slices.flatMap(({ ports }) => ports.map(({ port }) => port));
}

/** A program that connects, and prints `open` or the error. It prints `silent` after 4 s, because a policy may drop all packets. */
const CONNECT = `const [host, port] = process.argv.slice(1);
const socket = require("node:net").connect({ host, port: Number(port), timeout: 4000 });
const say = (word) => { console.log(word); process.exit(); };
socket.on("connect", () => say("open")).on("timeout", () => say("silent")).on("error", ({ code }) => say(code));`;

const NODE = "/nodejs/bin/node";

/** Tries to connect from a running container of the operator's image. `from` is its pod or `deployment/…`. */
export async function connects(namespace: string, from: string, host: string, port: number): Promise<string> {
  const said = await kubectl(["-n", namespace, "exec", from, "--", NODE, "-e", CONNECT, host, String(port)]);
  return said.trim();
}

/** Tries to connect from a new pod that runs the operator's image but is not part of the operator. */
export async function strangerConnects(
  at: { namespace: string; image: string },
  name: string,
  host: string,
  port: number,
): Promise<string> {
  const { namespace, image } = at;
  const container = {
    name: "stranger",
    image,
    command: [NODE, "-e", CONNECT, host, String(port)],
    securityContext: podSecurity.container,
    resources: { requests: { memory: "64Mi" }, limits: { memory: "128Mi" } },
  };
  await apply({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace },
    spec: { ...podSecurity.pod(), restartPolicy: "Never", containers: [container] },
  });
  await kubectl([
    ...["-n", namespace, "wait", `pod/${name}`, "--for=jsonpath={.status.phase}=Succeeded"],
    "--timeout=60s",
  ]);
  const said = await kubectl(["-n", namespace, "logs", name]);
  await kubectl(["-n", namespace, "delete", "pod", name, "--wait=false"]);
  return said.trim();
}
