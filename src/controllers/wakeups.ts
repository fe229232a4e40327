import type { SmsNumber, WorkStream } from "../api/index.ts";
import type { Controller } from "../kube/controller.ts";
import type { Lane } from "../kube/queue.ts";
import { type KubeObject, keyOf } from "../kube/resource.ts";
import type { ReadStore } from "../kube/store.ts";
import type { Accounts } from "./accounts/accounts.ts";
import type { NamespaceUids } from "./namespaces.ts";
import type { Records } from "./records/records.ts";
import type { Touches } from "./touches.ts";
import type { Watches } from "./watches.ts";
import type { CredentialChecks } from "./workstream/credential-checks.ts";
import type { RoutingChecks } from "./workstream/routing-checks.ts";
import type { SecretReader } from "./workstream/secret-reader.ts";
import type { Streams } from "./workstream/streams.ts";

/** What the wake-ups are about. Read when something happens, so that parts may need each other. */
export interface WakeupsDeps {
  readonly watches: Watches;
  readonly records: Records;
  readonly streams: Streams;
  readonly accounts: Accounts;
  readonly credentialChecks: CredentialChecks;
  readonly routing: Pick<RoutingChecks, "forget">;
  readonly touchedStreams: Pick<Touches<WorkStream>, "touch">;
  readonly secretReader: Pick<SecretReader, "released">;
  readonly namespaces: NamespaceUids;
  readonly workStreams: Pick<Controller<WorkStream>, "enqueue">;
  readonly smsNumbers: Pick<Controller<SmsNumber>, "enqueue">;
}

/** Who must be looked at again when something else changed. A kind's own changes are its controller's business. */
export class Wakeups {
  readonly #deps: () => WakeupsDeps;

  constructor(deps: () => WakeupsDeps) {
    this.#deps = deps;
  }

  /** Changes of one kind that another kind must hear of. */
  listen() {
    const { watches, workStreams, smsNumbers, secretReader, touchedStreams } = this.#deps();
    // A right that was granted later, or a kind that came: who waited for what it would show has no other word of it.
    watches.workStreams.onListed((namespace) => all(smsNumbers, watches.smsNumbers, namespace));
    watches.operatingHours.onListed((namespace) => all(smsNumbers, watches.smsNumbers, namespace));
    watches.smsNumbers.onListed((namespace) => all(workStreams, watches.workStreams, namespace));
    watches.secrets.onChange(({ object }) => {
      for (const stream of watches.workStreams.store.byIndex("secret", keyOf(object))) {
        touchedStreams.touch(stream);
        workStreams.enqueue(keyOf(stream));
      }
    });
    watches.workStreams.onChange(({ type, object, previous }) => {
      if (type !== "updated" || object.metadata.generation !== previous?.metadata.generation)
        this.numbersOf(keyOf(object));
      const former = type === "deleted" ? object : previous;
      if (former !== undefined && (type === "deleted" || secretOf(former) !== secretOf(object)))
        secretReader.released({ namespace: object.metadata.namespace!, name: secretOf(former) });
    });
    watches.operatingHours.onChange(({ type, object }) => {
      if (type === "updated") return;
      for (const number of watches.smsNumbers.store.byIndex("hours", keyOf(object)))
        smsNumbers.enqueue(keyOf(number));
    });
    watches.smsNumbers.onChange(({ type, object, previous }) => {
      if (type === "updated" && readyText(object) === readyText(previous)) return;
      workStreams.enqueue(`${object.metadata.namespace}/${object.spec.workStreamRef.name}`);
    });
  }

  /** The numbers of a stream, by the stream's key. */
  numbersOf(stream: string, lane: Lane = "change") {
    const { watches, smsNumbers } = this.#deps();
    for (const number of watches.smsNumbers.store.byIndex("stream", stream))
      smsNumbers.enqueue(keyOf(number), lane);
  }

  /** A route's self-check, or a text, changed what is known of it. */
  route(key: string, lane: Lane) {
    const { records, workStreams } = this.#deps();
    const route = records.route(key);
    if (route === undefined) return;
    const stream = `${route.namespace}/${route.stream}`;
    workStreams.enqueue(stream, lane);
    this.numbersOf(stream, lane);
  }

  /** Something may take a route's texts at Twilio. */
  silent(key: string) {
    const { records, accounts } = this.#deps();
    const route = records.route(key);
    if (route !== undefined) accounts.suspect(`${route.namespace}/${route.stream}`);
  }

  accountResynced(fingerprint: string) {
    const { accounts } = this.#deps();
    const promoted = accounts.tokenWasPromoted(fingerprint);
    for (const stream of accounts.usersOf(fingerprint)) {
      this.numbersOf(stream, "resync");
      if (promoted) this.credentialsRefused(stream);
    }
  }

  /** What Twilio said of these credentials before no longer holds: ask anew. */
  credentialsRefused(stream: string) {
    const { streams, credentialChecks, workStreams } = this.#deps();
    const account = streams.get(stream)?.account;
    if (account !== undefined) credentialChecks.forget(account.twilio.fingerprint);
    workStreams.enqueue(stream);
  }

  /** It may have gone during the look at it: what that look made known of it must go as well. */
  streamReconciled(object: WorkStream) {
    if (this.#deps().watches.workStreams.store.getByKey(keyOf(object)) === undefined) this.streamGone(object);
  }

  streamGone({ metadata }: WorkStream) {
    const { accounts, credentialChecks, routing, streams } = this.#deps();
    const key = keyOf({ metadata });
    accounts.release(key);
    credentialChecks.release(key);
    routing.forget(key);
    streams.delete(key);
    this.numbersOf(key);
    this.#roomFor(metadata.namespace!);
    this.#forgetNamespace(metadata.namespace!);
  }

  /** One stream less: one that found no room in its namespace may find it now. */
  #roomFor(namespace: string) {
    const { watches, workStreams } = this.#deps();
    const [waiting] = watches.workStreams.store.byIndex("roomless", namespace);
    if (waiting !== undefined) workStreams.enqueue(keyOf(waiting));
  }

  numberGone({ metadata, spec }: SmsNumber) {
    const { watches, smsNumbers } = this.#deps();
    for (const other of watches.smsNumbers.store.byIndex("digits", spec.number))
      smsNumbers.enqueue(keyOf(other));
    this.numbersOf(`${metadata.namespace}/${spec.workStreamRef.name}`);
    this.#forgetNamespace(metadata.namespace!);
  }

  #forgetNamespace(namespace: string) {
    const { watches, namespaces } = this.#deps();
    const { workStreams, smsNumbers } = watches;
    if (workStreams.store.list(namespace).length === 0 && smsNumbers.store.list(namespace).length === 0)
      namespaces.forget(namespace);
  }
}

function all(
  controller: Pick<Controller<WorkStream>, "enqueue">,
  { store }: { store: ReadStore<KubeObject> },
  namespace: string | undefined,
) {
  for (const object of store.list(namespace)) controller.enqueue(keyOf(object), "resync");
}

export const secretOf = ({ spec }: WorkStream) => spec.sms.twilio.credentialsSecretRef.name;

function readyText(object: SmsNumber | undefined): string {
  const ready = object?.status?.conditions?.find(({ type }) => type === "Ready");
  return `${ready?.status} ${ready?.reason} ${ready?.message}`;
}
