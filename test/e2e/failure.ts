import { afterEach, inject } from "vitest";
import { tryHelm, tryKubectl } from "./kubectl.ts";
import { tell } from "./tell.ts";

/** After a failed test, prints the objects, events and logs that a person would read next. Secrets are left out. */
export function explainFailures(): void {
  afterEach(async ({ task }) => {
    if (task.result?.state !== "fail") return;
    tell(`FAILED: ${task.name}`);
    for (const error of task.result.errors ?? []) tell(error.message ?? String(error));
    await explain();
  });
}

async function explain(): Promise<void> {
  const namespaces = (await said(["get", "namespaces", "-o", "name"]))
    .split("\n")
    .map((name) => name.replace("namespace/", ""))
    .filter((name) => name.startsWith(inject("runId")));
  show("releases", (await tryHelm(["list", "--all-namespaces"])).stdout);
  for (const namespace of namespaces) {
    const kinds = "pods,jobs,deployments,statefulsets,services,endpointslices,persistentvolumeclaims,leases";
    show(`${namespace}: objects`, await said(["get", kinds, "-n", namespace, "-o", "wide"]));
    const ours = "workstreams,smsnumbers,operatinghours";
    show(`${namespace}: objects of our kinds`, await said(["get", ours, "-n", namespace, "-o", "wide"]));
    show(`${namespace}: events`, await said(["get", "events", "-n", namespace, "--sort-by=.lastTimestamp"]));
    await explainPods(namespace);
  }
}

async function explainPods(namespace: string): Promise<void> {
  const pods = (await said(["get", "pods", "-n", namespace, "-o", "name"])).split("\n").filter(Boolean);
  for (const pod of pods) {
    const ready = [
      "get",
      pod,
      "-n",
      namespace,
      "-o",
      'jsonpath={.status.conditions[?(@.type=="Ready")].status}',
    ];
    if ((await said(ready)) !== "True")
      show(`${namespace}: describe ${pod}`, await said(["describe", pod, "-n", namespace]));
    for (const previous of [[], ["--previous"]]) {
      const logs = await tryKubectl([
        "logs",
        pod,
        "-n",
        namespace,
        "--all-containers",
        "--tail=60",
        ...previous,
      ]);
      if (logs.code === 0) show(`${namespace}: logs of ${pod} ${previous.join("")}`, logs.stdout);
    }
  }
}

async function said(args: string[]): Promise<string> {
  const { stdout, stderr } = await tryKubectl(args);
  return (stdout || stderr).trim();
}

function show(title: string, text: string): void {
  if (text.trim() !== "") process.stderr.write(`\n── ${title}\n${text.trimEnd()}\n`);
}
