/**
 * What a deleted SmsNumber has to give back, and with which credentials. The records know it; the object's own
 * status is asked only where they do not, as after a take-over from another installation or when the records were
 * lost.
 */

import { effectiveNumber } from "../../../api/effective.ts";
import type { SmsNumber } from "../../../api/index.ts";
import { Failure } from "../../../errors.ts";
import type { ReconcileContext } from "../../../kube/controller/controller.ts";
import { routeKey } from "../../../routes/route.ts";
import type { AccountView } from "../../accounts/account-view.ts";
import type { HeldNumber } from "../../records/record.ts";
import type { Finalization } from "../deps.ts";

/** A number that a deleted SmsNumber has to give back, and how that is known. */
export interface Debt {
  held: HeldNumber;
  /**
   * `claim`: it holds the number. `owed`: it held the number, and what was saved is kept for the number. `status`:
   * only its own status says so.
   */
  by: "claim" | "owed" | "status";
}

/**
 * What an SmsNumber that is being deleted has to give back; usually one number, or none. Numbers recorded as left
 * by it count as well: the process that recorded them may have ended before it told of them. `forced`: ask nobody,
 * which could take time. `decided`: SIDs of numbers that an earlier attempt has given back or let go.
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
  // A number that somebody claims again is the new holder's to give back.
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

/** Stands for the account of a number where nobody knows it any more. */
export const UNKNOWN_ACCOUNT = "";

/**
 * The status says that the number was pointed at us, but the records do not know of it: another installation had
 * the object a moment ago, or the records were lost. Unless somebody else claims the number by now, it is put back
 * all the same.
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
  // The stream's first attempt after a start is still to come, and brings the credentials.
  if (isPatient && state === undefined && deps.seen.workStream(namespace, stream) !== undefined)
    throw new Failure(
      "RoutesNotLoaded",
      "waiting for the first check of its WorkStream, to put the webhook back",
    );
  const namespaceUid = await deps.seen.namespaceUid(namespace, signal);
  const route = deps.records.routesOf(namespaceUid, stream)[0];
  const accountSid = state?.account?.twilio.accountSid ?? route?.accountSid ?? UNKNOWN_ACCOUNT;
  return { ...held, namespaceUid, accountSid };
}

/**
 * What an SmsNumber holds by its own status. That names neither the account nor the namespace's UID; the caller
 * fills them in where it can.
 */
export function heldByStatus({ metadata, spec, status }: SmsNumber): HeldNumber | undefined {
  const { phoneNumberSid, configuredUrl } = status ?? {};
  if (phoneNumberSid === undefined || configuredUrl === undefined) return undefined;
  const { name, namespace = "", uid = "" } = metadata;
  const where = { namespace, namespaceUid: "", stream: spec.workStreamRef.name, name, uid };
  return { ...where, phoneNumberSid, number: spec.number, accountSid: UNKNOWN_ACCOUNT };
}

/**
 * The API of the number's account: with the credentials of the living stream, else with those recorded. Argo CD and
 * a deleted namespace remove the Secret together with the SmsNumber, so its credentials are gone when they are
 * needed most.
 */
export function accountOf(deps: Finalization, held: HeldNumber): AccountView {
  const live = deps.streams.get(`${held.namespace}/${held.stream}`)?.account;
  if (live !== undefined && live.twilio.accountSid === held.accountSid) return live;
  const route = deps.records.route(routeKey(held));
  if (route === undefined)
    throw new Failure("SecretNotFound", "the credentials of its account are no longer known");
  return deps.accounts.once(route.credentials);
}
