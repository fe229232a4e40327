import { spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { inject } from "vitest";
import { parseAllDocuments } from "yaml";
import { required } from "./values.ts";

export const CHART = resolve(import.meta.dirname, "../../charts/sms-channel-operator");
export const CRDS_CHART = resolve(import.meta.dirname, "../../charts/sms-channel-operator-crds");

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: manifests of many kinds; each test knows the kind that it reads
  [field: string]: any;
}

export interface Rendering {
  release?: string;
  namespace?: string;
  chart?: string;
  flags?: string[];
}

/** Renders the chart with `helm template`. The values are merged over the values that every install needs. */
export async function render(values: object = {}, options: Rendering = {}): Promise<Rendered> {
  const { code, stdout, stderr } = await helmTemplate(merge(required, values), options);
  if (code !== 0) throw new Error(stderr);
  return new Rendered(stdout);
}

/** Returns the error of `helm template` for values that the chart refuses. Throws when the chart accepts them. */
export async function refusal(values: object): Promise<string> {
  const { code, stderr } = await helmTemplate(merge(required, values), {});
  if (code === 0) throw new Error("the chart accepted the values");
  return stderr;
}

export class Rendered {
  readonly text: string;
  readonly all: Manifest[];

  constructor(text: string) {
    this.text = text;
    this.all = parseAllDocuments(text).flatMap((document) => {
      if (document.errors.length > 0) throw document.errors[0];
      const manifest = document.toJS() as Manifest | null;
      return manifest === null ? [] : [manifest];
    });
  }

  of(kind: string): Manifest[] {
    return this.all.filter((manifest) => manifest.kind === kind);
  }

  /** The only object of the given kind whose name ends with `suffix`. Throws when there is none or more than one. */
  one(kind: string, suffix = ""): Manifest {
    const found = this.of(kind).filter(({ metadata }) => metadata.name.endsWith(suffix));
    if (found.length !== 1)
      throw new Error(
        `${found.length} objects of kind ${kind} have a name that ends with "${suffix}", among ${this.names().join(", ")}`,
      );
    return found[0]!;
  }

  /** Name of the migrations Job, which ends with a hash. */
  migrations(): string {
    return this.of("Job").find(({ metadata }) => metadata.name.includes("-migrations-"))?.metadata.name ?? "";
  }

  names(): string[] {
    return this.all.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
  }

  /** Every pod template, with the name of the object that it is part of. */
  pods(): { of: string; labels: Record<string, string>; spec: Manifest["spec"]; annotations: object }[] {
    return this.all.flatMap(({ kind, metadata, spec }) => {
      const of = `${kind}/${metadata.name}`;
      if (kind === "Pod") return [{ of, labels: metadata.labels ?? {}, annotations: {}, spec }];
      const template = spec?.template;
      if (template?.spec?.containers === undefined) return [];
      const { labels = {}, annotations = {} } = template.metadata ?? {};
      return [{ of, labels, annotations, spec: template.spec }];
    });
  }

  /** Where the files in a Deployment's pods come from, in the form that `filesOf` returns. */
  files(suffix: string): Record<string, string> {
    return filesOf(this.one("Deployment", suffix).spec.template.spec);
  }

  /** The environment of the first container. A value is a text, `secret/key`, or `(field)` for a field of the pod. */
  env(kind: string, suffix: string): Record<string, string> {
    return envOf(this.one(kind, suffix).spec.template.spec.containers[0]);
  }
}

/** Where the files in a pod come from: the path in the container → `secret/key` or `configMap/key`. */
export function filesOf({ containers, volumes = [] }: Manifest["spec"]): Record<string, string> {
  const files = (containers[0].volumeMounts ?? []).flatMap(({ name, mountPath }: Manifest["spec"]) => {
    const { secret, configMap, projected } = volumes.find((each: Manifest["spec"]) => each.name === name);
    const sources = projected?.sources.map((each: Manifest["spec"]) => each.secret) ?? [secret ?? configMap];
    return sources.flatMap((source: Manifest["spec"]) =>
      source.items.map(({ key, path }: Manifest["spec"]) => [
        `${mountPath}/${path}`,
        `${source.secretName ?? source.name}/${key}`,
      ]),
    );
  });
  return Object.fromEntries(files);
}

export function envOf(container: Manifest["spec"]): Record<string, string> {
  return Object.fromEntries(
    // biome-ignore lint/suspicious/noExplicitAny: a variable has a value or one of many sources
    (container.env ?? []).map(({ name, value, valueFrom }: any) => [
      name,
      value ??
        (valueFrom.fieldRef === undefined
          ? `${valueFrom.secretKeyRef.name}/${valueFrom.secretKeyRef.key}`
          : `(${valueFrom.fieldRef.fieldPath})`),
    ]),
  );
}

interface HelmOutcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

function helmTemplate(values: object, options: Rendering): Promise<HelmOutcome> {
  const { release = "sms-channel-operator", namespace = "sms", chart = CHART, flags = [] } = options;
  return helm(["template", release, chart, "--namespace", namespace, "--values", "-", ...flags], values);
}

export function helm(args: string[], input?: object): Promise<HelmOutcome> {
  const child = spawn(inject("helm"), args, { stdio: "pipe" });
  child.stdin.on("error", () => undefined).end(input === undefined ? "" : JSON.stringify(input));
  const result = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (text: string) => {
      result[name] += text;
    });
  return new Promise((resolve, reject) =>
    child.once("error", reject).once("close", (code) => resolve({ code, ...result })),
  );
}

/** Merges values as Helm does: maps are merged deeply, and everything else is replaced. */
export function merge(a: object, b: object): object {
  const merged: Record<string, unknown> = { ...a };
  for (const [key, value] of Object.entries(b)) {
    const before = merged[key];
    merged[key] = isMap(before) && isMap(value) ? merge(before, value) : value;
  }
  return merged;
}

const isMap = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const fixture = (name: string) => join(import.meta.dirname, "fixtures", name);
