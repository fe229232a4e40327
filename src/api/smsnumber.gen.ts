// Generated from crds/smsnumbers.yaml by `npm run generate`. Do not edit.
import type { AutomatedMessage, Condition } from "./shared.gen.ts";

/**
 * What is wanted.
 */
export interface SmsNumberSpec {
  /**
   * The WorkStream that the number feeds. A stream has one number. Cannot be changed. Required.
   */
  workStreamRef: {
    /**
     * Name of a WorkStream in the same namespace. Required.
     */
    name: string;
  };
  /**
   * The number: country code and number, digits only, in quotes, such as "14252306549" (without quotes YAML makes it an integer, which is refused); no plus, blank or dash. A LongCode has 7 to 15 digits (with country code 1: eleven), a TollFree number is 1, 800, 833, 844, 855, 866, 877 or 888 and seven digits, a ShortCode has 5 or 6 digits. The account must own it. Cannot be changed. Required.
   */
  number: string;
  /**
   * What kind of number it is; it decides how fast texts leave and who answers STOP and HELP: for a ShortCode that is in no Messaging Service the stream or the number must have texts for OptOutConfirmation, OptInConfirmation and Help. Cannot be changed. Default: LongCode.
   */
  type?: "LongCode" | "TollFree" | "ShortCode";
  /**
   * A note for people, up to 200 characters. Default: none.
   */
  description?: string;
  /**
   * Language of the texts that are sent by themselves, as a BCP 47 tag such as en or es-MX. Default: en.
   */
  language?: string;
  /**
   * When the number is open. Only while the WorkStream has allowAutomatedMessages: true; otherwise the condition Accepted says OperatingHoursNotAllowed, texts still arrive and none is sent by itself. Default: always open.
   */
  operatingHoursRef?: {
    /**
     * Name of an OperatingHours in the same namespace. Required.
     */
    name: string;
  };
  /**
   * Texts of this number, which win over those of the WorkStream by trigger and language. The rules are those of the WorkStream's list. At most 128. Default: none.
   */
  automatedMessages?: AutomatedMessage[];
  /**
   * Manage sets the number's webhook and keeps it; Observe looks and reports, and changes nothing at Twilio. Default: Manage.
   */
  managementPolicy?: "Manage" | "Observe";
  /**
   * WhenUnset refuses a number whose webhook or application is somebody else's (empty, Twilio's demo reply and this operator's own URLs are free); Always replaces it. Default: WhenUnset.
   */
  takeover?: "WhenUnset" | "Always";
  /**
   * What happens to the webhook when this object is deleted: Restore what was there before, Clear it, or Retain ours. A webhook that points elsewhere by then is left alone. Default: Restore.
   */
  deletionPolicy?: "Restore" | "Clear" | "Retain";
  /**
   * Nothing is changed at Twilio for this number; texts, conversations and replies go on, and deletion still cleans up. Default: false.
   */
  suspend?: boolean;
}

/**
 * What is so. The field manager smschannel-controller/{instance} owns all of it but lastInboundTime, which smschannel-work/{instance} owns.
 */
export interface SmsNumberStatus {
  /**
   * The generation of spec that the conditions describe. Owned by the controller.
   */
  observedGeneration?: number;
  /**
   * The operator's instance that looks after this object. Owned by the controller.
   */
  managedBy?: string;
  /**
   * Accepted, NumberFound, InboundUrlReady and Ready (all three); Reconciling and Stalled only while true. See docs/reasons.md. Owned by the controller.
   */
  conditions?: Condition[];
  /**
   * Twilio's id of the number. Owned by the controller.
   */
  phoneNumberSid?: string;
  /**
   * What Twilio says that the number can do. Owned by the controller.
   */
  capabilities?: {
    /**
     * It takes and sends texts.
     */
    sms?: boolean;
    /**
     * It takes and sends media.
     */
    mms?: boolean;
    /**
     * It takes calls.
     */
    voice?: boolean;
    /**
     * It takes faxes.
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
   * The webhook as it was before this operator's; in full, since URLs can hold passwords, only in the operator's own Secret. Owned by the controller.
   */
  previousWebhook?: {
    /**
     * Host of the former webhook; empty when there was none.
     */
    host?: string;
    /**
     * When it was saved.
     */
    savedAt?: string;
  };
  /**
   * How often somebody else's change of the webhook was set back. Owned by the controller.
   */
  driftRepairs?: {
    /**
     * Number of repairs.
     */
    count?: number;
    /**
     * When it was repaired last.
     */
    lastTime?: string;
    /**
     * Host that the webhook pointed at then.
     */
    lastHost?: string;
  };
  /**
   * When the newest text came, at most 30 seconds old. Owned by work.
   */
  lastInboundTime?: string;
}
