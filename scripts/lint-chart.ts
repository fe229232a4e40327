// `npm run lint:chart` checks the charts and the plain manifests with Helm, kubeconform, kube-score and promtool. The tools are built from
// Go modules. The first run takes about five minutes on two cores, later runs take seconds.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parse, stringify } from "yaml";
import { scenarios } from "../test/chart/scenarios.ts";
import { builtTool, helmProgram } from "../test/chart/tools.ts";
import { render } from "./generate/plain-manifests.ts";
import { folderOf, type Module } from "./lint-chart/modules.ts";
import { builtInSchemas, customSchemas, locationIn } from "./lint-chart/schemas.ts";

const root = resolve(import.meta.dirname, "..");
const CHARTS = ["charts/sms-channel-operator", "charts/sms-channel-operator-crds"];

/** The oldest and the newest Kubernetes release that the documentation supports. */
const KUBERNETES: Module[] = [
  { path: "k8s.io/kubernetes", version: "v1.33.13", sum: "h1:bmH31xUdSzeA5vk0wZAK9MZp11mdLuzUSeKk0qN3hPQ=" },
  { path: "k8s.io/kubernetes", version: "v1.37.2", sum: "h1:A2VDEiObzkYqFTKhSsn0ZEb0RlLEXpHWj93gi2HqEwE=" },
];
/** Projects whose kinds the chart uses, each with the folder that has its CRDs. */
const OTHERS: (Module & { crds: string })[] = [
  {
    path: "sigs.k8s.io/gateway-api",
    version: "v1.6.0",
    sum: "h1:735YBRj5NXFrOGX0GoSjwzUIzbz8kiEOfADsqHFmHgE=",
    crds: "config/crd/standard",
  },
  {
    path: "github.com/prometheus-operator/prometheus-operator",
    version: "v0.85.0",
    sum: "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
    crds: "example/prometheus-operator-crd",
  },
];

/** Tests of kube-score that do not apply to the chart, each with the reason. */
const NOT_ASKED: Record<string, string> = {
  "container-image-pull-policy":
    "a tag never moves to another image; Always would need the registry for each restart",
  "container-ephemeral-storage-request-and-limit":
    "file systems are read-only, and the kubelet rotates the logs",
  "container-security-context-user-group-id": "the image names its user, 65532; OpenShift assigns its own",
  "deployment-has-host-podantiaffinity": "topology spread constraints do that",
  "statefulset-has-host-podantiaffinity": "the evaluation database is one pod",
  "statefulset-has-poddisruptionbudget": "the evaluation database is one pod, which must not block a drain",
};

/** A manifest with a misspelt field (`replica`). It shows that the schemas refuse what the API server would silently drop. */
const WRONG = `apiVersion: apps/v1
kind: Deployment
metadata: { name: a }
spec:
  replica: 2
  selector: { matchLabels: { a: b } }
  template: { metadata: { labels: { a: b } }, spec: { containers: [{ name: a, image: a:1 }] } }
`;

interface LintOutcome {
  code: number | null;
  output: string;
}

function run(program: string, args: string[], input?: string): Promise<LintOutcome> {
  const child = spawn(program, args, { cwd: root, stdio: "pipe" });
  child.stdin.on("error", () => undefined).end(input ?? "");
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  return new Promise((settle, fail) =>
    child.once("error", fail).once("close", (code) => settle({ code, output })),
  );
}

let failed = 0;
function tell(name: string, { code, output }: LintOutcome) {
  console.log(`${code === 0 ? "ok    " : "FAILED"}  ${name}`);
  if (code === 0) return;
  failed++;
  console.log(output.trimEnd());
}

const [helm, kubeconform, kubeScore, promtool] = [
  await helmProgram(),
  await builtTool("kubeconform"),
  await builtTool("kube-score"),
  await builtTool("promtool"),
];
const scratch = await mkdtemp(join(tmpdir(), "sms-lint-"));
try {
  await lintCharts();
  const manifests = await renderAll();
  await conform(manifests);
  await score(manifests);
  await monitoring();
} finally {
  await rm(scratch, { recursive: true, force: true });
}
console.log(failed === 0 ? "\nlint:chart: all fine" : `\nlint:chart: ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

async function lintCharts() {
  tell("helm lint, the charts' own defaults", await run(helm, ["lint", "--strict", "--quiet", ...CHARTS]));
  for (const [name, values] of Object.entries(scenarios))
    tell(
      `helm lint, ${name}`,
      await run(helm, ["lint", "--strict", "--quiet", CHARTS[0]!, "--values", "-"], JSON.stringify(values)),
    );
}

/**
 * Renders every scenario and the CRDs' chart, and adds the plain manifests. The plain manifests must be the same as what the chart renders
 * now.
 */
async function renderAll(): Promise<Record<string, string>> {
  const rendered: Record<string, string> = {};
  for (const [name, values] of Object.entries(scenarios)) {
    const args = ["template", "sms", CHARTS[0]!, "--namespace", "sms", "--values", "-"];
    rendered[name] = (await run(helm, args, JSON.stringify(values))).output;
  }
  rendered["the CRDs' chart"] = (await run(helm, ["template", "sms", CHARTS[1]!])).output;
  const install = await readFile(join(root, "deploy/install.yaml"), "utf8");
  const same = install.slice(install.indexOf("\n") + 1) === (await render(root));
  tell("deploy/install.yaml is what the chart renders", {
    code: same ? 0 : 1,
    output: "run npm run generate",
  });
  rendered["deploy/install.yaml"] = install;
  return rendered;
}

async function conform(manifests: Record<string, string>) {
  const custom = join(scratch, "custom");
  for (const other of OTHERS) await customSchemas(join(await folderOf(other), other.crds), custom);
  await customSchemas(join(root, "crds"), custom);
  for (const kubernetes of KUBERNETES) {
    const folder = join(scratch, kubernetes.version);
    await builtInSchemas(join(await folderOf(kubernetes), "api/openapi-spec/swagger.json"), folder);
    const locations = [folder, custom].flatMap((each) => ["-schema-location", locationIn(each)]);
    const wrong = await run(kubeconform, ["-strict", ...locations], WRONG);
    tell(`kubeconform ${kubernetes.version} finds a mistake`, {
      code: wrong.code === 1 && wrong.output.includes("replica") ? 0 : 1,
      output: wrong.output,
    });
    for (const [name, text] of Object.entries(manifests))
      tell(
        `kubeconform ${kubernetes.version}, ${name}`,
        await run(kubeconform, ["-strict", "-summary", ...locations], text),
      );
  }
}

async function score(manifests: Record<string, string>) {
  const ignored = Object.keys(NOT_ASKED).flatMap((test) => ["--ignore-test", test]);
  const args = ["score", "--output-format", "ci", "--ignore-container-cpu-limit", ...ignored];
  for (const [name, text] of Object.entries(manifests)) {
    // Users decide whether to limit where pods may connect to. kube-score therefore checks such limits only in scenarios that set them.
    const egress = text.includes("policyTypes: [Ingress, Egress]") && name !== "to try it out";
    const more = egress ? [] : ["--ignore-test", "pod-networkpolicy"];
    const { output } = await run(kubeScore, [...args, ...more, "-"], text);
    const complaints = output.split("\n").filter((line) => /^\[(CRITICAL|WARNING)\]/.test(line));
    const scored = /^\[OK\]/m.test(output) || name === "the CRDs' chart";
    tell(`kube-score, ${name}`, {
      code: complaints.length === 0 && scored ? 0 : 1,
      output: complaints.join("\n") || output,
    });
  }
}

async function monitoring() {
  const alerts = "charts/sms-channel-operator/files/alerts.yaml";
  tell("promtool, the alerts", await run(promtool, ["check", "rules", "--lint=all", "--lint-fatal", alerts]));
  tell(
    "promtool, the tests of when the alerts fire",
    await run(promtool, ["test", "rules", "test/chart/fixtures/alerts.test.yaml"]),
  );
  // promtool checks only rules. Each query of the dashboard is therefore written as a rule, with values for Grafana's variables.
  const dashboard = await readFile(join(root, "charts/sms-channel-operator/files/dashboard.json"), "utf8");
  const { panels } = parse(dashboard) as { panels: { targets?: { expr: string }[] }[] };
  const rules = panels
    .flatMap(({ targets = [] }) => targets)
    .map(({ expr }, at) => ({
      record: `query:${at}`,
      expr: expr.replaceAll("$__rate_interval", "5m").replaceAll("$job", "JOB"),
    }));
  const file = join(scratch, "dashboard.yaml");
  await writeFile(file, stringify({ groups: [{ name: "dashboard", rules }] }));
  tell(`promtool, ${rules.length} queries of the dashboard`, await run(promtool, ["check", "rules", file]));
}
