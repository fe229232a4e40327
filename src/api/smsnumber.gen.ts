// Generated from crds/smsnumbers.yaml by `npm run generate`. Do not edit.
import type { AutomatedMessage, Condition } from "./shared.gen.ts";

/**
 * The desired state.
 */
export interface SmsNumberSpec {
  /**
   * The WorkStream that the number feeds. A stream can have only one number. Cannot be changed. Required.
   */
  workStreamRef: {
    /**
     * Name of a WorkStream in the same namespace. Required.
     */
    name: string;
  };
  /**
   * The number: country code and number, digits only, in quotes, such as "14252306549" (without quotes YAML reads it as an integer, which is refused). No plus, blank or dash. A LongCode has 7 to 15 digits (eleven with country code 1). A TollFree number is 1, then 800, 833, 844, 855, 866, 877 or 888, then seven digits. A ShortCode has 5 or 6 digits. The account must own the number. Cannot be changed. Required.
   */
  number: string;
  /**
   * What kind of number it is. This decides how fast texts are sent, and who answers STOP and HELP. If a ShortCode is in no Messaging Service, the stream or the number must have texts for OptOutConfirmation, OptInConfirmation and Help. Cannot be changed. Default: LongCode.
   */
  type?: "LongCode" | "TollFree" | "ShortCode";
  /**
   * A note for people, up to 200 characters. Default: none.
   */
  description?: string;
  /**
   * Language of automated messages, as a BCP 47 tag such as en or es-MX. Default: en.
   */
  language?: string;
  /**
   * The number's operating hours. Needs allowAutomatedMessages: true on the WorkStream. Without it the condition Accepted says OperatingHoursNotAllowed; texts still arrive, and no automated message is sent. Default: always open.
   */
  operatingHoursRef?: {
    /**
     * Name of an OperatingHours in the same namespace. Required.
     */
    name: string;
  };
  /**
   * Texts of this number. They take precedence over those of the WorkStream for the same trigger and language. The same rules apply as for the WorkStream's list. At most 128. Default: none.
   */
  automatedMessages?: AutomatedMessage[];
  /**
   * Manage sets the number's webhook and keeps it set. Observe only checks and reports, and changes nothing at Twilio. Default: Manage.
   */
  managementPolicy?: "Manage" | "Observe";
  /**
   * WhenUnset refuses a number whose webhook or application belongs to somebody else. An empty webhook, Twilio's demo reply and this operator's own URLs count as free. Always replaces any webhook. Default: WhenUnset.
   */
  takeover?: "WhenUnset" | "Always";
  /**
   * What happens to the webhook when this object is deleted: Restore the previous one, Clear it, or Retain ours. A webhook that points elsewhere by then is left alone. Default: Restore.
   */
  deletionPolicy?: "Restore" | "Clear" | "Retain";
  /**
   * If true, the operator changes nothing at Twilio for this number. Texts, conversations and replies continue, and a deletion still cleans up. Default: false.
   */
  suspend?: boolean;
}

/**
 * The observed state. The field manager smschannel-controller/{instance} owns all of it except lastInboundTime, which smschannel-work/{instance} owns.
 */
export interface SmsNumberStatus {
  /**
   * The generation of spec that the conditions describe. Owned by the controller.
   */
  observedGeneration?: number;
  /**
   * The operator's instance that manages this object. Owned by the controller.
   */
  managedBy?: string;
  /**
   * Accepted, NumberFound, InboundUrlReady, and Ready (all three of them). Reconciling and Stalled exist only while they are True. See docs/reasons.md. Owned by the controller.
   */
  conditions?: Condition[];
  /**
   * Twilio's id of the number. Owned by the controller.
   */
  phoneNumberSid?: string;
  /**
   * What the number can do, as Twilio reports it. Owned by the controller.
   */
  capabilities?: {
    /**
     * It receives and sends texts.
     */
    sms?: boolean;
    /**
     * It receives and sends media.
     */
    mms?: boolean;
    /**
     * It receives calls.
     */
    voice?: boolean;
    /**
     * It receives faxes.
     */
    fax?: boolean;
  };
  /**
   * The Messaging Service that the number is in. Owned by the controller.
   */
  messagingServiceSid?: string;
  /**
   * The inbound URL that was set at Twilio. Owned by the controller.
   */
  configuredUrl?: string;
  /**
   * The previous webhook, from before this operator's. Only its host is shown here, because URLs can contain passwords. The operator's own Secret has all of it. Owned by the controller.
   */
  previousWebhook?: {
    /**
     * Host of the previous webhook. Empty if there was none.
     */
    host?: string;
    /**
     * When it was saved.
     */
    savedAt?: string;
  };
  /**
   * How often somebody else changed the webhook and the operator set it back. Owned by the controller.
   */
  driftRepairs?: {
    /**
     * Number of repairs.
     */
    count?: number;
    /**
     * When the last repair was made.
     */
    lastTime?: string;
    /**
     * Host that the webhook pointed at before the last repair.
     */
    lastHost?: string;
  };
  /**
   * When the newest text arrived. The value is at most 30 seconds old. Owned by work.
   */
  lastInboundTime?: string;
}
