import type { SmsNumber } from "../../../api/index.ts";
import { Failure } from "../../../errors.ts";
import type { ReconcileContext } from "../../../kube/controller.ts";
import { routeKey } from "../../../routes/route.ts";
import type { AccountView } from "../../accounts/account-view.ts";
import type { HeldNumber } from "../../records/record.ts";
import type { Finalization } from "../deps.ts";

/** A number that a deleted SmsNumber has to give back, and how that is known. */
export interface Debt {
  held: HeldNumber;
  /**
   * `claim`: it holds the number. `owed`: it held it, and what was saved is kept for the number. `status`: only its own status
   * tells, since the records were lost or are another release's.
   */
  by: "claim" | "owed" | "status";
}

/**
 * What an SmsNumber that goes has to give back; usually one number, or none. What is recorded as left by it counts as well: the
 * process that recorded it may have ended before it told so. `forced`: asks nobody, which could take its time. `decided`: SIDs of
 * numbers that it has given back, or let go, in an earlier attempt.
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

/** Where no account of the number is known any more. */
export const UNKNOWN_ACCOUNT = "";

/**
 * Its status says that it was wired, but not by our records: another release had it a moment ago, or the records were lost.
 * Unless the number has been somebody else's since, it is put back all the same.
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
  const isPatient = object.spec.deletionPolicy !== "Retain" && deps.seen.deletionLeftMs(object) > 0;
  if (isPatient && state === undefined && deps.seen.workStream(namespace, stream) !== undefined)
    throw new Failure(
      "RoutesNotLoaded",
      "waiting for what is known of its WorkStream, to put the webhook back",
    );
  const namespaceUid = await deps.seen.namespaceUid(namespace, signal);
  const route = deps.records.routesOf(namespaceUid, stream)[0];
  const accountSid = state?.account?.twilio.accountSid ?? route?.accountSid ?? UNKNOWN_ACCOUNT;
  return { ...held, namespaceUid, accountSid };
}

/** What an SmsNumber holds by its own word, which leaves its account and the namespace's UID open. */
export function heldByStatus({ metadata, spec, status }: SmsNumber): HeldNumber | undefined {
  const { phoneNumberSid, configuredUrl } = status ?? {};
  if (phoneNumberSid === undefined || configuredUrl === undefined) return undefined;
  const { name, namespace = "", uid = "" } = metadata;
  const where = { namespace, namespaceUid: "", stream: spec.workStreamRef.name, name, uid };
  return { ...where, phoneNumberSid, number: spec.number, accountSid: UNKNOWN_ACCOUNT };
}

/** With the credentials of the living stream, else those recorded: Argo CD deletes the Secret in the same sync. */
export function accountOf(deps: Finalization, held: HeldNumber): AccountView {
  const live = deps.streams.get(`${held.namespace}/${held.stream}`)?.account;
  if (live !== undefined && live.twilio.accountSid === held.accountSid) return live;
  const route = deps.records.route(routeKey(held));
  if (route === undefined)
    throw new Failure("SecretNotFound", "no credentials of its account are known any more");
  return deps.accounts.once(route.credentials);
}
