// Generated from crds/workstreams.yaml by `npm run generate`. Do not edit.
import type { AutomatedMessage, Condition } from "./shared.gen.ts";

/**
 * The desired state.
 */
export interface WorkStreamSpec {
  /**
   * Name shown on the desk, 1 to 100 characters. Default: metadata.name.
   */
  displayName?: string;
  /**
   * The channel of this stream. Only SMS is supported. Default: SMS.
   */
  channel?: "SMS";
  /**
   * A conversation is closed when neither side has written for this long; the customer's next text opens a new one. A conversation that waits for us is not closed. Hours, minutes and seconds, such as 8h or 1h30m; write days in hours (48h). At least 8h. Required.
   */
  autoCloseAfterInactivity: string;
  /**
   * Whether texts may be sent without a person. If false, none of automatedMessages is sent, and the stream's number may have no operating hours. Only the texts that a short code must send by law (OptOutConfirmation, OptInConfirmation, Help) are sent anyway. Default: false.
   */
  allowAutomatedMessages?: boolean;
  /**
   * The provider that carries the texts.
   */
  sms: {
    /**
     * The provider. Only Twilio is supported. Default: Twilio.
     */
    provider?: "Twilio";
    /**
     * The Twilio account that owns the stream's number.
     */
    twilio: {
      /**
       * The Secret with the account's credentials, in the same namespace. Keys: accountSid and authToken; optionally secondaryAuthToken (while a token is rotated), apiKeySid and apiKeySecret (used for calls to Twilio; signatures always need the auth token). The operator notices a change of the Secret at once.
       */
      credentialsSecretRef: {
        /**
         * Name of the Secret. Required.
         */
        name: string;
      };
      /**
       * Twilio region that processes the account's texts, such as ie1 or au1. Each region has its own credentials. Set both region and edge, or neither. Default: Twilio's own (us1).
       */
      region?: string;
      /**
       * Twilio edge location through which the region is reached, such as dublin. Set both region and edge, or neither. Default: Twilio's own.
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
     * Units of an agent's capacity that one conversation of this stream uses. An agent has 100 units unless configured otherwise. At least 1. Default: 25.
     */
    capacity?: number;
    /**
     * Presences in which an agent gets conversations of this stream. At least one. Default: [Available].
     */
    allowedPresences?: ("Available" | "Busy" | "BusyDoNotDisturb" | "Away")[];
    /**
     * A returning conversation goes to the agent who had it, whatever their capacity and presence. Only with mode: Push. Default with Push: true.
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
       * How long an offer lasts before it goes to somebody else: 30s to 300s in steps of 30s. Default: 120s.
       */
      timeout?: string;
      /**
       * Whether an agent may decline an offer. Default: true.
       */
      rejectable?: boolean;
      /**
       * If true, an agent who misses an offer is set to Inactive and gets no more offers until they come back. Default: false.
       */
      inactiveOnMiss?: boolean;
    };
    /**
     * What happens after an agent ends a conversation.
     */
    wrapUp?: {
      /**
       * How long a conversation in wrap-up uses its agent's capacity: Always (until it is closed), Never, or a duration from 30s to 60m. Default: Always.
       */
      blockCapacity?: string;
    };
    /**
     * Exact: only agents with every skill that a routing rule asks for. Closest: the agents who match best. None: skills are ignored. Default: None.
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
   * Rules that choose a queue, in this order. The first rule whose expression is true wins. If a rule fails, the failure is counted and the conversation goes to the default queue. At most 64. Default: none.
   *
   * Items: One rule.
   */
  routingRules?: {
    /**
     * Name of the rule in traces and metrics, unique in the list. Required.
     */
    name: string;
    /**
     * CEL expression over message{text,segments,numMedia,receivedAt}, customer{number,country,returning,lastQueue}, number{number,type,language,open} and time{now,weekday,minuteOfDay} in the number's time zone, such as message.text.matches('(?i)invoice'). A rule that does not compile is skipped; see docs/routing-rules.md. At most 1,000 characters. Required.
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
     * Skills that an agent should have. workDistribution.skillMatching says how strictly they are required. Default: none.
     *
     * Items: One skill.
     */
    skills?: {
      /**
       * Name of the skill as Agents have it. Required.
       */
      name: string;
      /**
       * Minimum rating that the agent should have in this skill, 1 to 100. Default: any.
       */
      rating?: number;
    }[];
  }[];
  /**
   * Texts that are sent to the customer automatically, one per trigger and language. A trigger without a text sends nothing. An SmsNumber's own texts take precedence. Sent only with allowAutomatedMessages: true. At most 128. Default: none.
   */
  automatedMessages?: AutomatedMessage[];
  /**
   * How long a conversation may stay in one state before it is closed in any case. It is marked as unanswered if the customer was still waiting.
   */
  stateTimeouts?: {
    /**
     * Longest time in Open, while no agent has it. At least 1m. Default: 720h.
     */
    open?: string;
    /**
     * Longest time in Active, while an agent has it. At least 1m. Default: 720h.
     */
    active?: string;
    /**
     * Longest time in wrap-up, after an agent ended it. At least 1m. Default: 24h.
     */
    wrapUp?: string;
  };
  /**
   * Services that get CloudEvents of this stream, in order within each conversation, with retries. Redirects are not followed, and answers are read up to 64 KiB. At most 16. Default: none.
   *
   * Items: One service.
   */
  sinks?: {
    /**
     * Name of the sink, a DNS label, unique in the list. Required.
     */
    name: string;
    /**
     * Full CloudEvents types that the service gets. At least one. Required.
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
     * How long to wait for an answer, 1s to 30s, before the delivery is tried again. Default: 10s.
     */
    timeout?: string;
    /**
     * Key in a Secret of the same namespace with which deliveries are signed (Standard Webhooks). Default: not signed.
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
     * A Service in the same namespace, reached inside the cluster. Its type must not be ExternalName. Set either this or url.
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
       * Path that events are posted to. Starts with a slash. Default: /.
       */
      path?: string;
    };
    /**
     * An https URL on a public address, without user, password or fragment. The operator must permit private address ranges. Set either this or serviceRef.
     */
    url?: string;
  }[];
  /**
   * A service that answers first, and hands over to people when it decides to. Default: conversations go to the queue.
   */
  firstResponder?: {
    /**
     * Name of one of spec.sinks. That sink must get dev.smschannel.message.received. Required.
     */
    sink: string;
  };
  /**
   * How long contents are kept. Raw request bytes and delivered sink payloads are always kept for 7 days.
   */
  retention?: {
    /**
     * A message's text is deleted this long after it arrived; the record that there was a message stays. At least 1h. Default: kept.
     */
    messages?: string;
    /**
     * Media are deleted this long after they arrived. At least 1h. Default: kept.
     */
    media?: string;
  };
  /**
   * Pictures and other media in texts (MMS).
   */
  media?: {
    /**
     * Whether media that customers send are fetched from Twilio and kept. Default: false.
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
   * If an agent's page is gone for longer than this, their conversations go back to the queue. At least 1s. Default: 8m.
   */
  agentDisconnectTimeout?: string;
  /**
   * If true, nothing is sent and nothing is assigned. Texts are still stored. Default: false.
   */
  pauseReplies?: boolean;
  /**
   * If true, the operator changes nothing at Twilio for this stream's number. Texts, conversations and replies continue, and a deletion still cleans up. Default: false.
   */
  suspend?: boolean;
}

/**
 * The observed state. The field manager smschannel-controller/{instance} owns all of it except conversations and appliedGeneration.work, which smschannel-work/{instance} owns.
 */
export interface WorkStreamStatus {
  /**
   * The generation of spec that the conditions describe. Owned by the controller.
   */
  observedGeneration?: number;
  /**
   * The operator's instance that manages this object. Owned by the controller.
   */
  managedBy?: string;
  /**
   * CredentialsValid, InboundUrlReady, NumberReady, RoutingReady, and Ready (the first two together). Reconciling and Stalled exist only while they are True. See docs/reasons.md. Owned by the controller.
   */
  conditions?: Condition[];
  /**
   * Where Twilio posts this stream's texts. Owned by the controller.
   */
  inboundUrl?: string;
  /**
   * Where Twilio posts this stream's texts if the inbound URL fails. Owned by the controller.
   */
  fallbackUrl?: string;
  /**
   * The Twilio account that the credentials belong to. Owned by the controller.
   */
  accountSid?: string;
  /**
   * The last check of the credentials. Changes only when its result or the Secret changes. Owned by the controller.
   */
  lastValidation?: {
    /**
     * When this result was first seen.
     */
    time?: string;
    /**
     * The reason of CredentialsValid.
     */
    result?: string;
    /**
     * What to do about it.
     */
    message?: string;
    /**
     * The metadata.resourceVersion of the Secret that was checked. Once it is the Secret's current version, the routing Secrets that receivers read contain its tokens. During a rotation, this is the time to promote the token.
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
   * Number of conversations by state. The values are at most 30 seconds old. Owned by work.
   */
  conversations?: {
    /**
     * No agent has them yet.
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
     * Ended by the agent, but not closed yet.
     */
    wrapUp?: number;
  };
  /**
   * The generation of spec that each process uses.
   */
  appliedGeneration?: {
    /**
     * Used by the controller. Owned by the controller.
     */
    controller?: number;
    /**
     * Used by the receivers, as seen by the self-check. Owned by the controller.
     */
    receiver?: number;
    /**
     * Used by the conversation engine. Owned by work.
     */
    work?: number;
  };
}
