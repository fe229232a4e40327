/**
 * Finds out which numbers a deleted SmsNumber has to give back, and with which credentials. Both are in the
 * records. The SmsNumber's own status is used only where the records lack a number, as after a take-over from
 * another installation or when the records were lost.
 */

import { effectiveNumber } from "../../../api/effective.ts";
import type { SmsNumber } from "../../../api/index.ts";
import { Failure } from "../../../errors.ts";
import type { ReconcileContext } from "../../../kube/controller/controller.ts";
import { routeKey } from "../../../routes/route.ts";
import type { AccountView } from "../../accounts/account-view.ts";
import type { HeldNumber } from "../../records/record.ts";
import type { Finalization } from "../deps.ts";

/** A number that a deleted SmsNumber has to give back, and how the operator knows of it. */
export interface Debt {
  held: HeldNumber;
  /**
   * `claim`: the SmsNumber holds the number. `owed`: the SmsNumber held the number, and the saved webhook is kept
   * for the number. `status`: only the SmsNumber's own status names the number.
   */
  by: "claim" | "owed" | "status";
}

/**
 * Lists the numbers that an SmsNumber has to give back when it is deleted; usually one, or none. Numbers that are
 * recorded as owed by the SmsNumber count as well, because the process that recorded them may have ended before it
 * reported them. `forced`: send no request, since a request could take time. `decided`: SIDs of numbers that an
 * earlier attempt has given back or let go.
 */
export async function debtsOf(
  deps: Finalization,
  ctx: ReconcileContext<SmsNumber>,
  { forced, decided }: { forced: boolean; decided: ReadonlySet<string> },
): Promise<Debt[]> {
  const { records } = deps;
  const uid = ctx.object.metadata.uid!;
  const claim = records.claimOf(uid);
  const owed = records.owedOf(uid);
  // If another SmsNumber has claimed an owed number, the new holder gives the number back.
  const open = owed.filter(({ phoneNumberSid }) => records.claim(phoneNumberSid) === undefined);
  const recorded: Debt[] = [
    ...(claim === undefined ? [] : [{ held: claim, by: "claim" } as const]),
    ...open.map((held) => ({ held, by: "owed" }) as const),
  ];
  if (recorded.length > 0 || owed.length > 0)
    return recorded.filter(({ held }) => !decided.has(held.phoneNumberSid));
  if (decided.has(ctx.object.status?.phoneNumberSid ?? "")) return [];
  const held = await unrecorded(deps, ctx, forced);
  return held === undefined ? [] : [{ held, by: "status" }];
}

/** Stands for the account of a number when that account is no longer known. */
export const UNKNOWN_ACCOUNT = "";

/**
 * Finds the number that only the status names: the status says that the webhook was set, but the records do not
 * know the number. That happens when another installation managed the SmsNumber until a moment ago, or when the
 * records were lost. The webhook is put back all the same, unless another SmsNumber has claimed the number.
 */
async function unrecorded(
  deps: Finalization,
  { object, signal }: ReconcileContext<SmsNumber>,
  forced: boolean,
): Promise<HeldNumber | undefined> {
  const held = heldByStatus(object);
  if (held === undefined || deps.records.claim(held.phoneNumberSid) !== undefined) return undefined;
  if (forced) return held;
  const { namespace, stream } = held;
  const state = deps.streams.get(`${namespace}/${stream}`);
  const isPatient =
    effectiveNumber(object).deletionPolicy !== "Retain" && deps.seen.deletionLeftMs(object) > 0;
  // This process has made no attempt at the WorkStream yet. The first attempt at it will provide the credentials,
  // so wait for that.
  if (isPatient && state === undefined && deps.seen.workStream(namespace, stream) !== undefined)
    throw new Failure(
      "RoutesNotLoaded",
      "waiting for the first check of the WorkStream; then the webhook is put back",
    );
  const namespaceUid = await deps.seen.namespaceUid(namespace, signal);
  const route = deps.records.newestRouteOf(namespaceUid, stream);
  const accountSid = state?.account?.twilio.accountSid ?? route?.accountSid ?? UNKNOWN_ACCOUNT;
  return { ...held, namespaceUid, accountSid };
}

/**
 * The number that an SmsNumber holds according to its own status. The status names neither the account nor the
 * namespace's UID, so both are left empty here.
 */
export function heldByStatus({ metadata, spec, status }: SmsNumber): HeldNumber | undefined {
  const { phoneNumberSid, configuredUrl } = status ?? {};
  if (phoneNumberSid === undefined || configuredUrl === undefined) return undefined;
  const { name, namespace = "", uid = "" } = metadata;
  const where = { namespace, namespaceUid: "", stream: spec.workStreamRef.name, name, uid };
  return { ...where, phoneNumberSid, number: spec.number, accountSid: UNKNOWN_ACCOUNT };
}

/**
 * The API of the number's account, with the credentials of the existing WorkStream, or else with the recorded ones.
 * Argo CD and the deletion of a namespace remove the Secret together with the SmsNumber, so the Secret is gone when
 * its credentials are needed most.
 */
export function accountOf(deps: Finalization, held: HeldNumber): AccountView {
  const live = deps.streams.get(`${held.namespace}/${held.stream}`)?.account;
  if (live !== undefined && live.twilio.accountSid === held.accountSid) return live;
  const route = deps.records.route(routeKey(held));
  if (route === undefined)
    throw new Failure("SecretNotFound", "the credentials of the number's Twilio account are no longer known");
  return deps.accounts.once(route.credentials);
}
