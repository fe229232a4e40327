import type { TestedObject } from "./both.ts";

/** Changes to a spec, such as `{ "workDistribution.mode": "Pick" }`. The value undefined removes a field. */
export type Changes = Record<string, unknown>;

const apiVersion = "smschannel.dev/v1alpha1";
let made = 0;

const object = (kind: string, spec: object, changes: Changes): TestedObject => ({
  apiVersion,
  kind,
  metadata: { name: `row-${++made}` },
  spec: changed(spec, changes),
});

/** The smallest valid WorkStream, with these changes. */
export const stream = (changes: Changes = {}) =>
  object(
    "WorkStream",
    { autoCloseAfterInactivity: "24h", sms: { twilio: { credentialsSecretRef: { name: "twilio" } } } },
    changes,
  );

/** The smallest valid SmsNumber, with these changes. */
export const number = (changes: Changes = {}) =>
  object("SmsNumber", { workStreamRef: { name: "support" }, number: "14252306549" }, changes);

/** The smallest valid OperatingHours, with these changes. */
export const hours = (changes: Changes = {}) =>
  object("OperatingHours", { timeZone: "Europe/Vienna" }, changes);

/** A copy of the object with these changes to its spec. */
export const again = (before: TestedObject, changes: Changes): TestedObject => ({
  ...before,
  spec: changed(before.spec as object, changes),
});

function changed(spec: object, changes: Changes): object {
  const copy = structuredClone(spec);
  for (const [path, value] of Object.entries(changes))
    set(copy as Record<string, unknown>, path.split("."), value);
  return copy;
}

function set(target: Record<string, unknown>, [step, ...rest]: string[], value: unknown) {
  if (rest.length > 0) {
    target[step!] ??= {};
    set(target[step!] as Record<string, unknown>, rest, value);
  } else if (value === undefined) delete target[step!];
  else target[step!] = value;
}
