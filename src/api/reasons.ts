/**
 * The table of every reason that this operator writes into a condition, an event, a metric label or a log line.
 * `docs/reasons.md` is generated from it. Reasons are a public contract: new ones may be added, but none may be renamed.
 */

import type { ReasonClass } from "../kube/status/summarise.ts";

export type { ReasonClass };

interface ReasonInfo {
  readonly class: ReasonClass;
  /**
   * The conditions that can carry the reason, as `Kind.Condition`. Conditions that only repeat another condition's reason are
   * left out: `Ready`, except where no other condition has the reason, and a WorkStream's `NumberReady`, which repeats its
   * SmsNumber's `Ready`.
   */
  readonly on: readonly string[];
  /** The state that the reason stands for, in one sentence. */
  readonly meaning: string;
  /** What a person does about the state; empty where there is nothing to do. */
  readonly remedy: string;
}

export const reasons = {
  Progressing: {
    class: "waiting",
    on: ["WorkStream.*", "SmsNumber.*", "OperatingHours.Ready"],
    meaning: "The first check has not finished yet.",
    remedy: "Wait a few seconds.",
  },
  Accepted: {
    class: "good",
    on: ["SmsNumber.Accepted"],
    meaning:
      "The spec is valid, everything that it refers to exists, and this object holds the claim on the number.",
    remedy: "",
  },
  NumberFound: {
    class: "good",
    on: ["SmsNumber.NumberFound"],
    meaning: "The Twilio account owns the number, and the number can receive SMS.",
    remedy: "",
  },
  CredentialsValid: {
    class: "good",
    on: ["WorkStream.CredentialsValid"],
    meaning: "Twilio accepted the credentials.",
    remedy: "",
  },
  UrlAnswers: {
    class: "good",
    on: ["WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning: "A text sent to the number right now reaches the receiver.",
    remedy: "",
  },
  TokenPromoted: {
    class: "good",
    on: ["WorkStream.CredentialsValid"],
    meaning: "Twilio accepts secondaryAuthToken and no longer authToken: the token was promoted.",
    remedy: "Move secondaryAuthToken to authToken in the Secret.",
  },
  NoNumber: {
    class: "good",
    on: ["WorkStream.NumberReady"],
    meaning: "No SmsNumber refers to this WorkStream yet.",
    remedy: "Apply an SmsNumber whose workStreamRef names this WorkStream.",
  },
  Ready: {
    class: "good",
    on: [
      "WorkStream.Ready",
      "WorkStream.NumberReady",
      "WorkStream.RoutingReady",
      "SmsNumber.Ready",
      "OperatingHours.Ready",
    ],
    meaning: "All checks of this object pass.",
    remedy: "",
  },

  SecretNotFound: {
    class: "waiting",
    on: ["WorkStream.CredentialsValid", "WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning: "The Secret named by credentialsSecretRef does not exist in the namespace.",
    remedy: "Create the Secret with the keys accountSid and authToken; the operator notices it at once.",
  },
  SecretKeyMissing: {
    class: "stalled",
    on: ["WorkStream.CredentialsValid", "WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning:
      "The Secret lacks a key that is needed, or the key is empty, or its value was damaged before it reached the Secret: quotes, blanks, invisible characters, base64 twice, NAME=value, JSON.",
    remedy:
      "Add or correct the key that the message names. The message says what happened to the value, and never shows the value.",
  },
  SecretForbidden: {
    class: "stalled",
    on: ["WorkStream.CredentialsValid", "WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning: "The operator may not read Secrets in this namespace.",
    remedy:
      "Grant the controller's ServiceAccount get, list and watch on Secrets there, or add the namespace to the chart's watchNamespaces.",
  },
  AccountSidMalformed: {
    class: "stalled",
    on: ["WorkStream.CredentialsValid", "WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning:
      "The Secret's accountSid is not AC followed by 32 hexadecimal digits, or its apiKeySid is not SK followed by 32.",
    remedy:
      "Copy the SID from Twilio's console. The message says what is wrong with the value, such as quotes or blanks.",
  },
  TwilioUnauthorized: {
    class: "stalled",
    on: [
      "WorkStream.CredentialsValid",
      "WorkStream.InboundUrlReady",
      "SmsNumber.NumberFound",
      "SmsNumber.InboundUrlReady",
    ],
    meaning: "Twilio answered 401: the credentials are wrong, deleted, or those of another region.",
    remedy: "Compare accountSid and authToken with Twilio's console. Each region has its own tokens.",
  },
  TwilioPermissionMissing: {
    class: "stalled",
    on: [
      "WorkStream.CredentialsValid",
      "WorkStream.InboundUrlReady",
      "SmsNumber.NumberFound",
      "SmsNumber.InboundUrlReady",
    ],
    meaning: "The credentials are valid but lack a permission.",
    remedy: "Give the API key the permission that the message names, or use a standard key.",
  },
  TwilioRejected: {
    class: "stalled",
    on: [
      "WorkStream.CredentialsValid",
      "WorkStream.InboundUrlReady",
      "SmsNumber.NumberFound",
      "SmsNumber.InboundUrlReady",
    ],
    meaning: "Twilio rejected the request as invalid; the message contains Twilio's error code.",
    remedy: "Look the code up in Twilio's error catalogue.",
  },
  AccountSuspended: {
    class: "stalled",
    on: [
      "WorkStream.CredentialsValid",
      "WorkStream.InboundUrlReady",
      "SmsNumber.NumberFound",
      "SmsNumber.InboundUrlReady",
    ],
    meaning: "The Twilio account is suspended or closed.",
    remedy: "Reactivate the account in Twilio's console.",
  },
  SubaccountNeedsOwnToken: {
    class: "stalled",
    on: ["WorkStream.CredentialsValid", "WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning:
      "The token belongs to the parent account, but a subaccount's webhooks are signed with the subaccount's own token.",
    remedy: "Put the subaccount's own auth token into the Secret.",
  },

  WorkStreamNotFound: {
    class: "waiting",
    on: ["SmsNumber.Accepted", "SmsNumber.InboundUrlReady"],
    meaning:
      "The WorkStream named by workStreamRef does not exist in the namespace. The number's webhook is left as it is.",
    remedy: "Apply the WorkStream, or correct workStreamRef in a new SmsNumber.",
  },
  OperatingHoursNotFound: {
    class: "waiting",
    on: ["SmsNumber.Accepted"],
    meaning: "The OperatingHours named by operatingHoursRef does not exist in the namespace.",
    remedy: "Apply the OperatingHours, or remove operatingHoursRef.",
  },
  OperatingHoursNotAllowed: {
    class: "stalled",
    on: ["SmsNumber.Accepted"],
    meaning:
      "The number has operating hours, but its WorkStream does not allow automated messages. Texts still arrive; no automated message is sent.",
    remedy: "Set allowAutomatedMessages: true on the WorkStream, or remove operatingHoursRef.",
  },
  QueueNotFound: {
    class: "waiting",
    on: ["WorkStream.RoutingReady"],
    meaning: "A Queue that the WorkStream names does not exist in the namespace.",
    remedy: "Apply the Queue, or correct the reference.",
  },
  TimeZoneUnknown: {
    class: "stalled",
    on: ["OperatingHours.Ready"],
    meaning: "timeZone is not a name of the IANA time zone database.",
    remedy: "Use a name such as America/New_York or Europe/Vienna.",
  },
  RoutingRuleInvalid: {
    class: "stalled",
    on: ["WorkStream.RoutingReady"],
    meaning:
      "A routing rule's expression does not compile, or its patterns are too large. That rule is skipped; texts still arrive.",
    remedy:
      "Correct the expression that the message names. docs/routing-rules.md lists the fields that it may use, and its size limits.",
  },
  WorkStreamAlreadyHasNumber: {
    class: "stalled",
    on: ["SmsNumber.Accepted", "SmsNumber.InboundUrlReady"],
    meaning: "Another SmsNumber already feeds this WorkStream; a stream can have only one number.",
    remedy: "Delete one of the two SmsNumbers, or give this number a WorkStream of its own.",
  },
  NumberAlreadyClaimed: {
    class: "stalled",
    on: ["SmsNumber.Accepted", "SmsNumber.InboundUrlReady"],
    meaning: "Another SmsNumber already holds this number.",
    remedy: "Delete the other SmsNumber, or set its managementPolicy to Observe.",
  },
  RouteTableFull: {
    class: "stalled",
    on: ["WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning:
      "The operator has no room for another route: its routing Secret, or the namespace's share of it, is full. Deleted WorkStreams do not count.",
    remedy:
      "Raise ROUTE_SHARDS or MAX_STREAMS_PER_NAMESPACE, or delete WorkStreams that are no longer needed.",
  },

  NumberNotInAccount: {
    class: "stalled",
    on: ["SmsNumber.NumberFound", "SmsNumber.InboundUrlReady"],
    meaning: "The Twilio account does not own this number in this region.",
    remedy: "Compare the number with Active Numbers in Twilio's console. The operator never buys numbers.",
  },
  NumberNotSmsCapable: {
    class: "stalled",
    on: ["SmsNumber.NumberFound", "SmsNumber.InboundUrlReady"],
    meaning: "The account owns the number, but the number cannot receive SMS.",
    remedy: "Use a number that has the SMS capability.",
  },

  WebhookOwnedByOther: {
    class: "stalled",
    on: ["SmsNumber.InboundUrlReady"],
    meaning: "The number's webhook points to somebody else's URL, and takeover is WhenUnset.",
    remedy: "Clear the webhook in Twilio's console, or set takeover: Always.",
  },
  MessagingServiceOverrides: {
    class: "stalled",
    on: ["SmsNumber.InboundUrlReady"],
    meaning:
      "The number is in a Messaging Service whose own inbound URL takes precedence over the number's webhook.",
    remedy:
      "Turn on “Defer to sender's webhook” in the Messaging Service, or set its inbound URL to the WorkStream's status.inboundUrl.",
  },
  MessagingServiceDropsInbound: {
    class: "stalled",
    on: ["SmsNumber.InboundUrlReady"],
    meaning: "The number is in a Messaging Service that drops incoming texts.",
    remedy: "Turn on “Defer to sender's webhook” in the Messaging Service.",
  },
  ConversationsOverrides: {
    class: "stalled",
    on: ["SmsNumber.InboundUrlReady"],
    meaning: "A Twilio Conversations address receives this number's texts.",
    remedy: "Remove the address configuration, or its autocreation, in Twilio Conversations.",
  },
  ApplicationOverrides: {
    class: "stalled",
    on: ["SmsNumber.InboundUrlReady"],
    meaning:
      "The number has an application (SmsApplicationSid), which takes precedence over its webhook, and takeover is WhenUnset.",
    remedy: "Remove the application from the number, or set takeover: Always.",
  },
  ComplianceRepliesMissing: {
    class: "stalled",
    on: ["SmsNumber.Accepted", "SmsNumber.InboundUrlReady"],
    meaning:
      "Twilio does not answer STOP and HELP for a short code that is in no Messaging Service, and the texts for these answers are missing.",
    remedy: "Add OptOutConfirmation, OptInConfirmation and Help texts to the WorkStream or the SmsNumber.",
  },
  Contested: {
    class: "stalled",
    on: ["SmsNumber.InboundUrlReady"],
    meaning:
      "Somebody else changed the webhook three times within an hour, so the operator no longer sets it back.",
    remedy:
      "Find and stop whatever changes the number's webhook, then change this object or wait for an hour.",
  },

  PublicUrlInvalid: {
    class: "stalled",
    on: ["WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning: "PUBLIC_URL is not an absolute https URL that Twilio would accept.",
    remedy: "Correct PUBLIC_URL of the controller.",
  },
  PublicUrlUnreachable: {
    class: "transient",
    on: ["WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning: "The inbound URL does not answer from inside the cluster.",
    remedy:
      "Check DNS, ingress and certificate. If the cluster cannot reach its own public URL, set URL_CHECK=report.",
  },
  PublicUrlRedirects: {
    class: "transient",
    on: ["WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning: "The inbound URL answers with a redirect, which would turn Twilio's POST into an empty GET.",
    remedy:
      "If the redirect leads to the same path elsewhere, set PUBLIC_URL to that place. If it leads to a login page, let the path through without a login.",
  },
  PublicUrlNotOurs: {
    class: "transient",
    on: ["WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning: "Something answers at the inbound URL, but it is not this operator's receiver.",
    remedy: "Check that the ingress routes /inbound/ and /fallback/ to the receiver's Service.",
  },
  PublicUrlAltersRequests: {
    class: "transient",
    on: ["WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning:
      "The receiver answers, but something on the way (an ingress, a CDN, a firewall) changes or refuses requests like Twilio's, so texts are refused. The message names what is changed.",
    remedy:
      "Pass requests to /inbound/, /fallback/ and /status/ on unchanged: the path, the headers (X-Twilio-Signature), and every byte of the body.",
  },
  StoreUnavailable: {
    class: "transient",
    on: ["WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning: "A receiver answers, but its database does not store texts, so they are answered with 503.",
    remedy:
      "Get the database working again: docs/runbooks/SmsTextsNotStored.md. You need not restart anything.",
  },
  RoutesNotLoaded: {
    class: "waiting",
    on: ["WorkStream.InboundUrlReady", "SmsNumber.NumberFound", "SmsNumber.InboundUrlReady"],
    meaning: "The receiver does not have this route yet.",
    remedy:
      "Wait a few seconds. If this lasts longer, check the receiver's log, and its right to read its Secrets.",
  },

  TwilioThrottled: {
    class: "transient",
    on: ["WorkStream.CredentialsValid", "SmsNumber.NumberFound", "SmsNumber.InboundUrlReady"],
    meaning: "Twilio answered 429: too many requests for this account.",
    remedy: "Wait. If this lasts longer, find out what else calls Twilio with this account.",
  },
  TwilioUnavailable: {
    class: "transient",
    on: ["WorkStream.CredentialsValid", "SmsNumber.NumberFound", "SmsNumber.InboundUrlReady"],
    meaning:
      "Twilio did not answer, or answered with an error of its own, or something else answered in its place: a proxy, a firewall, a sign-in page. Only an error in Twilio's own format counts as Twilio's answer. The exception is a 404 for lists that not every Twilio-compatible server has: short codes, Conversations addresses, a Messaging Service's numbers.",
    remedy:
      "Wait, and look at status.twilio.com. Check the cluster's outgoing connections, HTTPS_PROXY and TWILIO_BASE_URL.",
  },

  DeletionWaits: {
    class: "transient",
    on: ["SmsNumber.Ready"],
    meaning:
      "The object is being deleted, but its webhook at Twilio could not be put back yet. The message says what the deletion waits for, and the condition Reconciling has the reason. The status still says whether texts arrive.",
    remedy:
      "Wait: after deleteTimeout the number is let go with a warning. The annotation smschannel.dev/force-delete lets it go at once.",
  },

  InternalError: {
    class: "transient",
    on: ["WorkStream.Ready", "SmsNumber.Ready", "OperatingHours.Ready"],
    meaning: "The operator has a bug; the existing configuration stays as it is.",
    remedy: "Report the bug with the lines of the controller's log that contain the word bug.",
  },

  Suspended: {
    class: "held",
    on: ["WorkStream.Ready", "SmsNumber.InboundUrlReady"],
    meaning: "suspend is true, but a change at Twilio is needed.",
    remedy: "Set suspend: false.",
  },
  Observing: {
    class: "held",
    on: ["SmsNumber.InboundUrlReady"],
    meaning: "managementPolicy is Observe, but a change at Twilio is needed.",
    remedy: "Set managementPolicy: Manage.",
  },
  OperatorUninstalled: {
    class: "held",
    on: ["WorkStream.*", "SmsNumber.*", "OperatingHours.Ready"],
    meaning: "The operator was uninstalled, and nothing manages this object any more.",
    remedy: "Install the operator again, or delete the object.",
  },
} as const satisfies Record<string, ReasonInfo>;

export type Reason = keyof typeof reasons;

export function classOf(reason: Reason): ReasonClass {
  return reasons[reason].class;
}
