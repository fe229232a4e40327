import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { readValues } from "./chart-values.ts";

const CHART = "charts/sms-channel-operator";

/**
 * Keys that may be empty although their default is a text or a list, and keys whose emptiness a template reports in a specific sentence.
 */
const MAY_BE_EMPTY = new Set([
  "resyncInterval",
  "deleteTimeout",
  "uninstall.timeout",
  "migrations.databaseWait",
  "database.ownerUrlKey",
  "database.receiverUrlKey",
  "database.controllerUrlKey",
  "networkPolicy.metricsFrom",
  "evaluationDatabase.image.tag",
]);

/** The keys of a map in a chart's values, each with the keys below it, or with `false` when its value is not a map. */
export type Keys = { [key: string]: Keys | false };

/**
 * The names of all keys of values.yaml, as a template. An empty value (`routeShards:` with nothing after the colon) makes Helm remove the
 * key before it checks the schema. A template that does not find a key could render anything, such as a right on every Secret. Each
 * template therefore first checks that all keys are there.
 */
export function chartKeys(root: string): [string, string][] {
  const values = parse(readFileSync(join(root, CHART, "values.yaml"), "utf8")) as object;
  const text = [
    "{{/* Generated from values.yaml by `npm run generate`. Do not edit. */}}",
    "",
    "{{/* Every key of values.yaml, and those below it; false where there are none. */}}",
    `{{- define "smschannel.keys" -}}\n${json(keysOf(values))}\n{{- end }}`,
    "",
    "{{/* Keys that must not be an empty text or list. */}}",
    `{{- define "smschannel.filledKeys" -}}\n${json(filledKeys(root))}\n{{- end }}`,
    "",
  ].join("\n");
  return [[`${CHART}/templates/check/_keys.tpl`, text]];
}

export function keysOf(values: object): Keys {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, isMap(value) ? keysOf(value) : false]),
  );
}

function filledKeys(root: string): string[] {
  return readValues(join(root, CHART))
    .flatMap(({ values }) => values)
    .filter(({ default: value }) => (typeof value === "string" || Array.isArray(value)) && value.length > 0)
    .map(({ path }) => path.join("."))
    .filter((path) => !MAY_BE_EMPTY.has(path));
}

const isMap = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;

/** Writes one key per line, so that a diff shows which keys changed. */
const json = (value: unknown) => JSON.stringify(value, undefined, 1);
