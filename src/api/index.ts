import type { KubeObject, ResourceType } from "../kube/resource.ts";
import type { OperatingHoursSpec, OperatingHoursStatus } from "./operatinghours.gen.ts";
import type { SmsNumberSpec, SmsNumberStatus } from "./smsnumber.gen.ts";
import type { WorkStreamSpec, WorkStreamStatus } from "./workstream.gen.ts";

export type { AutomatedMessage, Condition } from "./shared.gen.ts";
export type {
  OperatingHoursSpec,
  OperatingHoursStatus,
  SmsNumberSpec,
  SmsNumberStatus,
  WorkStreamSpec,
  WorkStreamStatus,
};

interface KindObject<Kind extends string, Spec, Status> extends KubeObject {
  apiVersion: "smschannel.dev/v1alpha1";
  kind: Kind;
  spec: Spec;
  status?: Status;
}

export type WorkStream = KindObject<"WorkStream", WorkStreamSpec, WorkStreamStatus>;
export type SmsNumber = KindObject<"SmsNumber", SmsNumberSpec, SmsNumberStatus>;
export type OperatingHours = KindObject<"OperatingHours", OperatingHoursSpec, OperatingHoursStatus>;

/** One service that events are sent to. */
export type Sink = NonNullable<WorkStreamSpec["sinks"]>[number];

const resource = <T extends KubeObject>(kind: string, plural: string): ResourceType<T> => ({
  group: "smschannel.dev",
  version: "v1alpha1",
  plural,
  kind,
  namespaced: true,
});

export const workStreams = resource<WorkStream>("WorkStream", "workstreams");
export const smsNumbers = resource<SmsNumber>("SmsNumber", "smsnumbers");
export const operatingHours = resource<OperatingHours>("OperatingHours", "operatinghours");
