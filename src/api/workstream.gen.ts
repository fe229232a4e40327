// Generated from crds/workstreams.yaml by `npm run generate`. Do not edit.
import type { AutomatedMessage, Condition } from "./shared.gen.ts";

/**
 * What is wanted.
 */
export interface WorkStreamSpec {
  /**
   * Name that people see on the desk, 1 to 100 characters. Default: metadata.name.
   */
  displayName?: string;
  /**
   * The channel of this stream. Only SMS. Default: SMS.
   */
  channel?: "SMS";
  /**
   * A conversation in which neither side wrote for this long is closed; the customer's next text opens a new one. Only conversations that do not wait for us are closed. Hours, minutes and seconds, such as 8h or 1h30m; days in hours (48h). At least 8h. Required.
   */
  autoCloseAfterInactivity: string;
  /**
   * May texts be sent without a person? Without it none of automatedMessages is sent and the stream's number may have no operating hours; only what a short code owes by law (OptOutConfirmation, OptInConfirmation, Help) is sent all the same. Default: false.
   */
  allowAutomatedMessages?: boolean;
  /**
   * The provider that carries the texts.
   */
  sms: {
    /**
     * The provider. Only Twilio. Default: Twilio.
     */
    provider?: "Twilio";
    /**
     * The Twilio account that owns the stream's number.
     */
    twilio: {
      /**
       * The Secret with the account's credentials, in the same namespace. Keys: accountSid and authToken; optional secondaryAuthToken (while a token is rotated), apiKeySid and apiKeySecret (used for calls to Twilio; signatures always need the auth token). A change of the Secret is seen at once.
       */
      credentialsSecretRef: {
        /**
         * Name of the Secret. Required.
         */
        name: string;
      };
      /**
       * Twilio region that processes the account's texts, such as ie1 or au1; credentials differ by region. Together with edge or not at all. Default: Twilio's own (us1).
       */
      region?: string;
      /**
       * Twilio edge location through which the region is reached, such as dublin. Together with region or not at all. Default: Twilio's own.
       */
      edge?: string;
    };
  };
  /**
   * Which agents get a conversation, and how.
   */
  workDistribution?: {
    /**
     * Push offers a conversation to one agent; Pick lets agents take it from a list. Cannot be changed. Default: Push.
     */
    mode?: "Push" | "Pick";
    /**
     * Units of an agent's capacity that one conversation of this stream blocks; an agent has 100 unless said otherwise. At least 1. Default: 25.
     */
    capacity?: number;
    /**
     * Presences in which an agent is given conversations of this stream; at least one. Default: [Available].
     */
    allowedPresences?: ("Available" | "Busy" | "BusyDoNotDisturb" | "Away")[];
    /**
     * A conversation that comes back goes to the agent who had it, whatever their capacity and presence. Only with mode: Push. Default with Push: true.
     */
    keepSameAgent?: boolean;
    /**
     * Agents may also take a waiting conversation themselves, whatever their capacity and presence. Only with mode: Push. Default: false.
     */
    selectFromPush?: boolean;
    /**
     * The offer that an agent sees.
     */
    notification?: {
      /**
       * How long an offer stands before it goes to somebody else: 30s to 300s in steps of 30s. Default: 120s.
       */
      timeout?: string;
      /**
       * May an agent decline an offer? Default: true.
       */
      rejectable?: boolean;
      /**
       * An agent who lets an offer run out is set to Inactive and gets nothing until they come back. Default: false.
       */
      inactiveOnMiss?: boolean;
    };
    /**
     * What follows when an agent ends a conversation.
     */
    wrapUp?: {
      /**
       * How long a conversation in wrap-up blocks its agent's capacity: Always (until it is closed), Never, or a duration from 30s to 60m. Default: Always.
       */
      blockCapacity?: string;
    };
    /**
     * Exact: only agents with every skill that a routing rule asks for; Closest: those who come nearest; None: skills are not looked at. Default: None.
     */
    skillMatching?: "Exact" | "Closest" | "None";
  };
  /**
   * Queue for conversations that no routing rule sends elsewhere. Default: the built-in queue with every Agent of the namespace.
   */
  defaultQueueRef?: {
    /**
     * Name of a Queue in the same namespace. Required.
     */
    name: string;
  };
  /**
   * Rules that choose a queue, in this order; the first whose expression is true wins. One that fails is counted and the conversation goes to the default queue. At most 64. Default: none.
   *
   * Items: One rule.
   */
  routingRules?: {
    /**
     * Name of the rule in traces and metrics, unique in the list. Required.
     */
    name: string;
    /**
     * CEL expression over message{text,segments,numMedia,receivedAt}, customer{number,country,returning, lastQueue}, number{number,type,language,open} and time{now,weekday,minuteOfDay} in the number's time zone, such as message.text.matches('(?i)invoice'). One that does not compile is skipped, see docs/routing-rules.md. At most 1,000 characters. Required.
     */
    when: string;
    /**
     * Where the conversation goes. Default: the default queue.
     */
    queueRef?: {
      /**
       * Name of a Queue in the same namespace. Required.
       */
      name: string;
    };
    /**
     * Skills that an agent should have; workDistribution.skillMatching says how strictly. Default: none.
     *
     * Items: One skill.
     */
    skills?: {
      /**
       * Name of the skill as Agents have it. Required.
       */
      name: string;
      /**
       * Least rating that the agent should have in it, 1 to 100. Default: any.
       */
      rating?: number;
    }[];
  }[];
  /**
   * Texts that are sent to the customer by themselves, one per trigger and language; a trigger without a text sends nothing. An SmsNumber's own texts win. Sent only with allowAutomatedMessages: true. At most 128. Default: none.
   */
  automatedMessages?: AutomatedMessage[];
  /**
   * How long a conversation may stay in one state before it is closed in any case, marked as unanswered where the customer still waited.
   */
  stateTimeouts?: {
    /**
     * Longest time in Open: nobody has it. At least 1m. Default: 720h.
     */
    open?: string;
    /**
     * Longest time in Active: an agent has it. At least 1m. Default: 720h.
     */
    active?: string;
    /**
     * Longest time in wrap-up, after an agent ended it. At least 1m. Default: 24h.
     */
    wrapUp?: string;
  };
  /**
   * Services that get CloudEvents of this stream, in order per conversation, with retries. No redirect is followed and answers are read up to 64 KiB. At most 16. Default: none.
   *
   * Items: One service.
   */
  sinks?: {
    /**
     * Name of the sink, a DNS label, unique in the list. Required.
     */
    name: string;
    /**
     * Full CloudEvents types that it gets; at least one. Required.
     */
    events: (
      | "dev.smschannel.message.received"
      | "dev.smschannel.message.status"
      | "dev.smschannel.conversation.opened"
      | "dev.smschannel.conversation.assigned"
      | "dev.smschannel.conversation.closed"
      | "dev.smschannel.customer.erased"
    )[];
    /**
     * How long an answer is waited for, 1s to 30s; then the delivery is tried again. Default: 10s.
     */
    timeout?: string;
    /**
     * Key of a Secret in the same namespace with which deliveries are signed (Standard Webhooks). Default: not signed.
     */
    signingSecretRef?: {
      /**
       * Name of the Secret. Required.
       */
      name: string;
      /**
       * Key in the Secret. Required.
       */
      key: string;
    };
    /**
     * A Service of the same namespace, reached inside the cluster; not one of type ExternalName. Either this or url.
     */
    serviceRef?: {
      /**
       * Name of the Service. Required.
       */
      name: string;
      /**
       * Port of the Service, 1 to 65535. Required.
       */
      port: number;
      /**
       * Path that events are posted to; starts with a slash. Default: /.
       */
      path?: string;
    };
    /**
     * An https URL on a public address, without user, password or fragment; private address ranges need the operator's leave. Either this or serviceRef.
     */
    url?: string;
  }[];
  /**
   * A service answers first and hands over to people when it says so. Default: conversations go to the queue.
   */
  firstResponder?: {
    /**
     * Name of one of spec.sinks, which gets dev.smschannel.message.received. Required.
     */
    sink: string;
  };
  /**
   * How long contents are kept. Raw request bytes and delivered sink payloads are kept for 7 days in any case.
   */
  retention?: {
    /**
     * A message's text is emptied this long after it came; that it was there stays known. At least 1h. Default: kept.
     */
    messages?: string;
    /**
     * Media are deleted this long after they came. At least 1h. Default: kept.
     */
    media?: string;
  };
  /**
   * Pictures and other media in texts (MMS).
   */
  media?: {
    /**
     * Are media that customers send fetched from Twilio and kept? Default: false.
     */
    inbound?: boolean;
  };
  /**
   * Texts that agents can choose on the desk. At most 200. Default: none.
   *
   * Items: One text.
   */
  quickReplies?: {
    /**
     * Name that the agent sees, unique in the list. Required.
     */
    name: string;
    /**
     * The text, 1 to 1,600 characters. Required.
     */
    text: string;
  }[];
  /**
   * An agent whose page is gone for longer loses their conversations to the queue. At least 1s. Default: 8m.
   */
  agentDisconnectTimeout?: string;
  /**
   * Nothing is sent and nothing assigned; texts are still kept. Default: false.
   */
  pauseReplies?: boolean;
  /**
   * Nothing is changed at Twilio for this stream's number; texts, conversations and replies go on, and deletion still cleans up. Default: false.
   */
  suspend?: boolean;
}

/**
 * What is so. The field manager smschannel-controller/{instance} owns all of it but conversations and appliedGeneration.work, which smschannel-work/{instance} owns.
 */
export interface WorkStreamStatus {
  /**
   * The generation of spec that the conditions describe. Owned by the controller.
   */
  observedGeneration?: number;
  /**
   * The operator's instance that looks after this object. Owned by the controller.
   */
  managedBy?: string;
  /**
   * CredentialsValid, InboundUrlReady, NumberReady, RoutingReady and Ready (the first two together); Reconciling and Stalled only while true. See docs/reasons.md. Owned by the controller.
   */
  conditions?: Condition[];
  /**
   * Where Twilio posts this stream's texts. Owned by the controller.
   */
  inboundUrl?: string;
  /**
   * Where Twilio posts them when the inbound URL failed. Owned by the controller.
   */
  fallbackUrl?: string;
  /**
   * The Twilio account that the credentials belong to. Owned by the controller.
   */
  accountSid?: string;
  /**
   * The last check of the credentials; moves only when its result or the Secret changes. Owned by the controller.
   */
  lastValidation?: {
    /**
     * When this result was first seen.
     */
    time?: string;
    /**
     * The reason that CredentialsValid has.
     */
    result?: string;
    /**
     * What to do about it.
     */
    message?: string;
    /**
     * The metadata.resourceVersion of the Secret that this is about. Once it is the Secret's own, the routing Secrets that receivers read hold its tokens: with a rotation, the time to promote.
     */
    secretResourceVersion?: string;
  };
  /**
   * The SmsNumber that holds this stream. Owned by the controller.
   */
  numberRef?: {
    /**
     * Name of the SmsNumber.
     */
    name?: string;
  };
  /**
   * Conversations by state, at most 30 seconds old. Owned by work.
   */
  conversations?: {
    /**
     * Nobody has them yet.
     */
    open?: number;
    /**
     * An agent has them.
     */
    active?: number;
    /**
     * They wait for the customer.
     */
    waiting?: number;
    /**
     * Ended by the agent and not yet closed.
     */
    wrapUp?: number;
  };
  /**
   * The generation of spec by which each process acts.
   */
  appliedGeneration?: {
    /**
     * By which the controller acts. Owned by the controller.
     */
    controller?: number;
    /**
     * By which the receivers act, as the self-check saw. Owned by the controller.
     */
    receiver?: number;
    /**
     * By which the conversation engine acts. Owned by work.
     */
    work?: number;
  };
}
