import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";

// A workflow runs only after it was pushed. Before that, these tests parse its YAML and check that it does what it must.

const root = resolve(import.meta.dirname, "..");
const folder = join(root, ".github/workflows");
const names = readdirSync(folder);
const textOf = (name: string) => readFileSync(join(folder, name), "utf8");

interface Workflow {
  name: string;
  on: object;
  permissions: Record<string, string>;
  jobs: Record<string, WorkflowJob>;
}
interface WorkflowJob {
  permissions?: Record<string, string>;
  uses?: string;
  steps?: { uses?: string; run?: string }[];
}
const workflow = (name: string) => parse(textOf(name)) as Workflow;
const commandsOf = ({ jobs }: Workflow) =>
  Object.values(jobs).flatMap(({ steps = [] }) => steps.flatMap(({ run }) => run ?? []));

describe.each(names)("the workflow %s", (name) => {
  test("has a name, a trigger, and jobs that do something", () => {
    const { jobs, ...head } = workflow(name);
    expect(head).toMatchObject({ name: expect.any(String), on: expect.any(Object) });
    expect(Object.keys(jobs).length).toBeGreaterThan(0);
    for (const { steps, uses } of Object.values(jobs)) expect(steps ?? uses).toBeDefined();
  });

  test("pins every action to a commit, and names the version in a comment", () => {
    const used = [...textOf(name).matchAll(/^ *(?:- )?uses: (.+)$/gm)].map(([, action]) => action!);
    for (const action of used)
      expect(action).toMatch(/^(?:\.\/.+|[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$/);
  });

  test("has no permission to write unless a job asks for one", () => {
    expect(Object.values(workflow(name).permissions)).not.toContain("write");
  });
});

test("CI runs .ci/run and nothing else", () => {
  expect(commandsOf(workflow("ci.yaml"))).toEqual([expect.stringMatching(/ \.ci\/run$/)]);
});

describe("the release workflow", () => {
  const release = workflow("release.yaml");
  const commands = commandsOf(release).join("\n");

  test("pushes the image and the charts only after the tests", () => {
    expect(release.jobs.test?.uses).toBe("./.github/workflows/ci.yaml");
    expect(release.jobs.image).toMatchObject({ needs: expect.arrayContaining(["version", "test"]) });
    expect(release.jobs.charts).toMatchObject({ needs: expect.arrayContaining(["image"]) });
  });

  test("builds the image for amd64 and arm64, with its provenance and a list of its packages", () => {
    expect(commands).toContain("--platform linux/amd64,linux/arm64 --push");
    expect(commands).toMatch(/--provenance=mode=max --sbom=true/);
  });

  test("pushes every chart in charts/", () => {
    const charts = readdirSync(join(root, "charts"));
    expect(release.jobs.charts).toMatchObject({
      strategy: { matrix: { chart: expect.arrayContaining(charts) } },
    });
  });

  test("signs the image and the charts", () => {
    for (const name of ["image", "charts"]) {
      const { permissions, steps } = release.jobs[name]!;
      expect(permissions).toMatchObject({ "id-token": "write", attestations: "write" });
      expect(steps?.some(({ uses }) => uses?.startsWith("actions/attest@"))).toBe(true);
    }
  });
});

test("Renovate keeps Node on the release line that package.json names", () => {
  const { packageRules } = JSON.parse(readFileSync(join(root, "renovate.json"), "utf8")) as {
    packageRules: { matchPackageNames?: string[]; allowedVersions?: string }[];
  };
  const ofNode = packageRules.find(({ matchPackageNames }) => matchPackageNames?.includes("node"));
  const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    devDependencies: Record<string, string>;
  };
  expect(ofNode?.allowedVersions).toBe(`${devDependencies.node?.split(".")[0]}.x`);
});
