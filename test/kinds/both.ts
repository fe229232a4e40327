import { ApiException, CustomObjectsApi } from "@kubernetes/client-node";
import { beforeAll, describe, expect, test } from "vitest";
import { fieldOf } from "../../src/validate/finding.ts";
import { readKinds } from "../../src/validate/object.ts";
import { kubeconfigPath, newNamespace } from "../support/cluster.ts";
import { kubeConfig } from "../support/crds.ts";

export interface TestedObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string } & Record<string, unknown>;
  spec?: unknown;
  status?: unknown;
}

/** The answer of the API server or the validator about an object. */
export interface Opinion {
  accepted: boolean;
  /** All errors, each with its field, in one text. */
  message: string;
  /** The object as it is stored, or would be stored; undefined when it was refused. */
  object: TestedObject | undefined;
}

/**
 * For each case: an object, and a part of the error that both API server and validator must report. Undefined: both must accept
 * the object.
 */
export type Rows = Record<string, [object: TestedObject, complaint: string | undefined]>;

const kinds = readKinds();
const pluralOf = (kind: string) => kinds.get(kind)!.plural;

/**
 * A real API server that answers dry runs. It stores nothing, except for `create(object, true)`, so one namespace is enough for
 * any number of cases.
 */
export class DryRunServer {
  readonly #api = kubeConfig(kubeconfigPath()).makeApiClient(CustomObjectsApi);
  readonly namespace: string;

  constructor(namespace: string) {
    this.namespace = namespace;
  }

  create(object: TestedObject, keep = false): Promise<Opinion> {
    const dryRun = keep ? {} : { dryRun: "All" };
    return answerOf(
      this.#api.createNamespacedCustomObject({
        ...this.#at(object),
        ...dryRun,
        fieldValidation: "Strict",
        body: object,
      }),
    );
  }

  /** Replaces, in a dry run, an object that `create(object, true)` has stored. */
  replace(object: TestedObject): Promise<Opinion> {
    const { name } = object.metadata;
    return answerOf(
      this.#api.replaceNamespacedCustomObject({
        ...this.#at(object),
        name,
        dryRun: "All",
        fieldValidation: "Strict",
        body: object,
      }),
    );
  }

  #at({ kind }: TestedObject) {
    return {
      group: "smschannel.dev",
      version: "v1alpha1",
      namespace: this.namespace,
      plural: pluralOf(kind),
    };
  }
}

async function answerOf(call: Promise<unknown>): Promise<Opinion> {
  try {
    return { accepted: true, message: "", object: (await call) as TestedObject };
  } catch (error) {
    if (!(error instanceof ApiException) || (error.code !== 422 && error.code !== 400)) throw error;
    return {
      accepted: false,
      message: (JSON.parse(error.body as string) as Error).message,
      object: undefined,
    };
  }
}

/** The answer of `smschannel validate` about one object. */
export function validatorSays(object: TestedObject, old?: TestedObject): Opinion {
  const raw = object as unknown as Record<string, unknown>;
  const found = kinds.get(object.kind)!.check(raw, old === undefined ? {} : { old });
  const accepted = found.problems.length === 0;
  return {
    accepted,
    message: found.problems.map(({ path, message }) => `${fieldOf(path)}: ${message}`).join(", "),
    object: accepted ? (found.object as unknown as TestedObject) : undefined,
  };
}

/** Makes one test per case: API server and validator must agree, and report the expected error. */
export function bothSay(title: string, rows: Rows) {
  describe(`API server and validator agree about ${title}`, () => {
    const answers = new Map<string, Opinion>();
    beforeAll(async () => {
      const server = new DryRunServer(await newNamespace("kinds"));
      await inTurns(Object.entries(rows), 16, async ([name, [object]]) => {
        answers.set(name, await server.create(object));
      });
    });
    for (const [name, [object, complaint]] of Object.entries(rows)) {
      test(titleOf(name, complaint), () => {
        compare(answers.get(name)!, validatorSays(object), complaint);
      });
    }
  });
}

/** The title of a case, for a `describe` that names API server and validator. */
export const titleOf = (name: string, complaint: string | undefined) =>
  `${complaint === undefined ? "both accept" : "both refuse"}: ${name}`;

/** Fails unless the API server and the validator both answer as expected. */
export function compare(server: Opinion, validator: Opinion, complaint: string | undefined) {
  expect(
    { server: server.accepted, validator: validator.accepted },
    `${server.message} | ${validator.message}`,
  ).toEqual({
    server: complaint === undefined,
    validator: complaint === undefined,
  });
  if (complaint === undefined) return;
  expect(server.message).toContain(complaint);
  expect(validator.message).toContain(complaint);
}

async function inTurns<T>(items: T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const lane = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: width }, lane));
}
