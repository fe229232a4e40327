/** Formats a date as Twilio's 2010 API does, to the second: `Mon, 16 Aug 2010 03:45:01 +0000`. */
export const rfc2822 = (ms: number): string => new Date(ms).toUTCString().replace("GMT", "+0000");

/** Formats a date as Twilio's newer APIs do, to the second: `2015-07-30T20:12:31Z`. */
export const iso8601 = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
