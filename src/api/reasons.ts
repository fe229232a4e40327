/**
 * Every reason that this operator writes into a condition, an event, a metric label or a log line: one table, from which
 * `docs/reasons.md` is generated. Reasons are a public contract: never renamed, only added.
 */

/**
 * What a reason says about the time to come:
 * - `good`: nothing to do.
 * - `waiting`: for another object of the cluster, which may be on its way (a Helm install, a sync wave).
 * - `transient`: something outside did not answer or refused for now; tried again with backoff.
 * - `stalled`: someone must change something; tried again on change and at each resync, never hot.
 * - `held`: this object was told to leave things alone.
 */
export type ReasonClass = "good" | "waiting" | "transient" | "stalled" | "held";

interface ReasonInfo {
  readonly class: ReasonClass;
  /**
   * The conditions that can carry it, as `Kind.Condition`. Left out are those that repeat another's reason: `Ready`, except where
   * no other condition has it, and `NumberReady` of a WorkStream, which has that of its SmsNumber's `Ready`.
   */
  readonly on: readonly string[];
  /** What is so, in one sentence. */
  readonly meaning: string;
  /** What a person does about it; empty where there is nothing to do. */
  readonly remedy: string;
}

export const reasons = {
  Progressing: {
    class: "waiting",
    on: ["WorkStream.*", "SmsNumber.*", "OperatingHours.Ready"],
    meaning: "No verdict yet: the first check has not finished.",
    remedy: "Wait a few seconds.",
  },
  Accepted: {
    class: "good",
    on: ["SmsNumber.Accepted"],
    meaning: "The spec is fine, what it refers to exists, and this object holds the claim on the number.",
    remedy: "",
  },
  NumberFound: {
    class: "good",
    on: ["SmsNumber.NumberFound"],
    meaning: "The Twilio account owns the number and it takes SMS.",
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
    meaning: "Everything that this object promises is so.",
    remedy: "",
  },

  SecretNotFound: {
    class: "waiting",
    on: ["WorkStream.CredentialsValid", "WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning: "The Secret named by credentialsSecretRef is not in the namespace.",
    remedy: "Create it with the keys accountSid and authToken; the operator sees it at once.",
  },
  SecretKeyMissing: {
    class: "stalled",
    on: ["WorkStream.CredentialsValid", "WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning:
      "The Secret lacks a key that is needed, or the key is empty, or its value was spoiled on its way into the Secret: quotes, blanks, invisible characters, base64 twice, NAME=value, JSON.",
    remedy:
      "Add or correct the key that the message names; the message says what happened to the value, never the value.",
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
    meaning: "The Secret's accountSid is not AC and 32 hexadecimal digits, or apiKeySid is not SK and 32.",
    remedy:
      "Copy the SID from Twilio's console; the message says what happened to the value, such as quotes or blanks.",
  },
  TwilioUnauthorized: {
    class: "stalled",
    on: [
      "WorkStream.CredentialsValid",
      "WorkStream.InboundUrlReady",
      "SmsNumber.NumberFound",
      "SmsNumber.InboundUrlReady",
    ],
    meaning: "Twilio answered 401: wrong or deleted credentials, or those of another region.",
    remedy: "Compare accountSid and authToken with Twilio's console; tokens differ by region.",
  },
  TwilioPermissionMissing: {
    class: "stalled",
    on: [
      "WorkStream.CredentialsValid",
      "WorkStream.InboundUrlReady",
      "SmsNumber.NumberFound",
      "SmsNumber.InboundUrlReady",
    ],
    meaning: "The credentials are good but lack a permission.",
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
    meaning: "Twilio refused the request as wrong; the message has Twilio's error code.",
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
    remedy: "Reactivate it in Twilio's console.",
  },
  SubaccountNeedsOwnToken: {
    class: "stalled",
    on: ["WorkStream.CredentialsValid", "WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning:
      "The token belongs to the parent account; a subaccount's webhooks are signed with the subaccount's own token.",
    remedy: "Put the subaccount's own auth token into the Secret.",
  },

  WorkStreamNotFound: {
    class: "waiting",
    on: ["SmsNumber.Accepted", "SmsNumber.InboundUrlReady"],
    meaning:
      "The WorkStream named by workStreamRef is not in the namespace. The number's webhook is left as it is.",
    remedy: "Apply the WorkStream, or correct workStreamRef in a new SmsNumber.",
  },
  OperatingHoursNotFound: {
    class: "waiting",
    on: ["SmsNumber.Accepted"],
    meaning: "The OperatingHours named by operatingHoursRef is not in the namespace.",
    remedy: "Apply it, or remove operatingHoursRef.",
  },
  OperatingHoursNotAllowed: {
    class: "stalled",
    on: ["SmsNumber.Accepted"],
    meaning:
      "The number has operating hours while its WorkStream does not allow automated messages. Texts still arrive; no automatic text is sent.",
    remedy: "Set allowAutomatedMessages: true on the WorkStream, or remove operatingHoursRef.",
  },
  QueueNotFound: {
    class: "waiting",
    on: ["WorkStream.RoutingReady"],
    meaning: "A Queue that the WorkStream names is not in the namespace.",
    remedy: "Apply the Queue, or correct the reference.",
  },
  TimeZoneUnknown: {
    class: "stalled",
    on: ["OperatingHours.Ready"],
    meaning: "timeZone is not a name of the IANA time zone database.",
    remedy: "Write a name like America/New_York or Europe/Vienna.",
  },
  RoutingRuleInvalid: {
    class: "stalled",
    on: ["WorkStream.RoutingReady"],
    meaning:
      "A routing rule's expression does not compile, or its patterns are larger than they may be. That rule is skipped; texts arrive all the same.",
    remedy:
      "Correct the expression that the message names; docs/routing-rules.md says what it may ask about and how large it may be.",
  },
  WorkStreamAlreadyHasNumber: {
    class: "stalled",
    on: ["SmsNumber.Accepted", "SmsNumber.InboundUrlReady"],
    meaning: "Another SmsNumber holds this WorkStream; a stream has one number.",
    remedy: "Delete one of the two, or give this number a WorkStream of its own.",
  },
  NumberAlreadyClaimed: {
    class: "stalled",
    on: ["SmsNumber.Accepted", "SmsNumber.InboundUrlReady"],
    meaning: "Another SmsNumber holds this number.",
    remedy: "Delete the other one, or set its managementPolicy to Observe.",
  },
  RouteTableFull: {
    class: "stalled",
    on: ["WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning:
      "The operator has no room for another route: its routing Secret or the namespace's share is full. WorkStreams that were deleted do not count.",
    remedy: "Raise ROUTE_SHARDS or MAX_STREAMS_PER_NAMESPACE, or delete WorkStreams that nobody needs.",
  },

  NumberNotInAccount: {
    class: "stalled",
    on: ["SmsNumber.NumberFound", "SmsNumber.InboundUrlReady"],
    meaning: "The Twilio account does not own this number in this region.",
    remedy: "Compare the number with Twilio's Active Numbers; the operator never buys numbers.",
  },
  NumberNotSmsCapable: {
    class: "stalled",
    on: ["SmsNumber.NumberFound", "SmsNumber.InboundUrlReady"],
    meaning: "The account owns the number, but it cannot take SMS.",
    remedy: "Use a number with the SMS capability.",
  },

  WebhookOwnedByOther: {
    class: "stalled",
    on: ["SmsNumber.InboundUrlReady"],
    meaning: "The number's webhook points somewhere else and takeover is WhenUnset.",
    remedy: "Clear the webhook in Twilio's console, or set takeover: Always.",
  },
  MessagingServiceOverrides: {
    class: "stalled",
    on: ["SmsNumber.InboundUrlReady"],
    meaning: "The number is in a Messaging Service whose own inbound URL takes precedence.",
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
    meaning: "A Twilio Conversations address takes this number's texts.",
    remedy: "Remove the address configuration or its autocreation in Twilio Conversations.",
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
      "A stand-alone short code gets no STOP and HELP answers from Twilio, and the texts for them are missing.",
    remedy: "Give OptOutConfirmation, OptInConfirmation and Help texts on the WorkStream or the SmsNumber.",
  },
  Contested: {
    class: "stalled",
    on: ["SmsNumber.InboundUrlReady"],
    meaning:
      "Somebody else set the webhook three times within an hour; the operator stopped setting it back.",
    remedy: "Find what writes the number's webhook, stop it, then change this object or wait for an hour.",
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
      "Check DNS, ingress and certificate; where a cluster cannot reach its own front door, set URL_CHECK=report.",
  },
  PublicUrlRedirects: {
    class: "transient",
    on: ["WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning: "The inbound URL answers with a redirect, which would turn Twilio's POST into an empty GET.",
    remedy:
      "Set PUBLIC_URL to where the redirect leads when it is the same path elsewhere; where it is a login page, let the path through without a login.",
  },
  PublicUrlNotOurs: {
    class: "transient",
    on: ["WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning: "Something answers at the inbound URL, but it is not this operator's receiver.",
    remedy: "Check that the ingress sends /inbound/ and /fallback/ to the receiver's Service.",
  },
  PublicUrlAltersRequests: {
    class: "transient",
    on: ["WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning:
      "The receiver answers, but something on the way (an ingress, a CDN, a firewall) changes or refuses requests like Twilio's, so that texts are refused. The message names what is changed.",
    remedy:
      "Let requests to /inbound/, /fallback/ and /status/ through as they are: path, headers (X-Twilio-Signature), every byte of the body.",
  },
  StoreUnavailable: {
    class: "transient",
    on: ["WorkStream.InboundUrlReady", "SmsNumber.InboundUrlReady"],
    meaning: "A receiver answers, but its database takes no texts: they are answered 503.",
    remedy: "Bring the database back; docs/runbooks/SmsTextsNotStored.md. Nothing must be restarted.",
  },
  RoutesNotLoaded: {
    class: "waiting",
    on: ["WorkStream.InboundUrlReady", "SmsNumber.NumberFound", "SmsNumber.InboundUrlReady"],
    meaning: "The receiver does not have this route yet.",
    remedy: "Wait a few seconds; if it stays, look at the receiver's log and its right to read its Secrets.",
  },

  TwilioThrottled: {
    class: "transient",
    on: ["WorkStream.CredentialsValid", "SmsNumber.NumberFound", "SmsNumber.InboundUrlReady"],
    meaning: "Twilio answered 429: too many requests for this account.",
    remedy: "Wait; if it stays, find what else calls Twilio with this account.",
  },
  TwilioUnavailable: {
    class: "transient",
    on: ["WorkStream.CredentialsValid", "SmsNumber.NumberFound", "SmsNumber.InboundUrlReady"],
    meaning:
      "Twilio did not answer, or answered with an error of its own, or something else answered in its place: a proxy, a firewall, a sign-in page. Only a refusal in Twilio's own form is taken as Twilio's word, but for a 404 for lists that not every server like Twilio's has: short codes, Conversations addresses, a Messaging Service's numbers.",
    remedy:
      "Wait, and look at status.twilio.com; check the cluster's way out, HTTPS_PROXY and TWILIO_BASE_URL.",
  },

  DeletionWaits: {
    class: "transient",
    on: ["SmsNumber.Ready"],
    meaning:
      "The object is being deleted, and its webhook at Twilio could not be put back yet. The message says what that waits for, the condition Reconciling its reason; whether texts still arrive is as it was.",
    remedy:
      "Wait: after deleteTimeout the number is let go with a warning. The annotation smschannel.dev/force-delete lets go at once.",
  },

  InternalError: {
    class: "transient",
    on: ["WorkStream.Ready", "SmsNumber.Ready", "OperatingHours.Ready"],
    meaning: "A fault of the operator itself; what was configured stays as it is.",
    remedy: "Report it with the controller's log lines that say bug.",
  },

  Suspended: {
    class: "held",
    on: ["WorkStream.Ready", "SmsNumber.InboundUrlReady"],
    meaning: "suspend is true and a change at Twilio would be needed.",
    remedy: "Set suspend: false.",
  },
  Observing: {
    class: "held",
    on: ["SmsNumber.InboundUrlReady"],
    meaning: "managementPolicy is Observe and a change at Twilio would be needed.",
    remedy: "Set managementPolicy: Manage.",
  },
  OperatorUninstalled: {
    class: "held",
    on: ["WorkStream.*", "SmsNumber.*", "OperatingHours.Ready"],
    meaning: "The operator was uninstalled; nobody looks after this object.",
    remedy: "Install the operator again, or delete the object.",
  },
} as const satisfies Record<string, ReasonInfo>;

export type Reason = keyof typeof reasons;

export function classOf(reason: Reason): ReasonClass {
  return reasons[reason].class;
}
