import type { OperatingHoursSpec, OperatingHoursStatus } from "./operatinghours.gen.ts";
import type { SmsNumberSpec, SmsNumberStatus } from "./smsnumber.gen.ts";
import type { WorkStreamSpec, WorkStreamStatus } from "./workstream.gen.ts";

export type {
  OperatingHoursSpec,
  OperatingHoursStatus,
  SmsNumberSpec,
  SmsNumberStatus,
  WorkStreamSpec,
  WorkStreamStatus,
};

/** What the API server keeps about every object; the fields that it fills in are absent in an object not yet sent. */
export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  generation?: number;
  resourceVersion?: string;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  finalizers?: string[];
  annotations?: Record<string, string>;
  labels?: Record<string, string>;
}

interface KindObject<Kind extends string, Spec, Status> {
  apiVersion: "smschannel.dev/v1alpha1";
  kind: Kind;
  metadata: ObjectMeta;
  spec: Spec;
  status?: Status;
}

export type WorkStream = KindObject<"WorkStream", WorkStreamSpec, WorkStreamStatus>;
export type SmsNumber = KindObject<"SmsNumber", SmsNumberSpec, SmsNumberStatus>;
export type OperatingHours = KindObject<"OperatingHours", OperatingHoursSpec, OperatingHoursStatus>;

/** One condition, the same for all kinds. */
export type Condition = NonNullable<WorkStreamStatus["conditions"]>[number];
/** One text that is sent by itself, the same on a stream and on a number. */
export type AutomatedMessage = NonNullable<WorkStreamSpec["automatedMessages"]>[number];
/** One service that gets events. */
export type Sink = NonNullable<WorkStreamSpec["sinks"]>[number];

/** Where the API server keeps a kind. `__type` is never set: it ties the objects' type to the value. */
export interface Resource<T> {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: true;
  readonly __type?: T;
}

const resource = <T>(kind: string, plural: string): Resource<T> => ({
  group: "smschannel.dev",
  version: "v1alpha1",
  plural,
  kind,
  namespaced: true,
});

export const workStreams = resource<WorkStream>("WorkStream", "workstreams");
export const smsNumbers = resource<SmsNumber>("SmsNumber", "smsnumbers");
export const operatingHours = resource<OperatingHours>("OperatingHours", "operatinghours");
