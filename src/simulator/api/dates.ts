/** `Mon, 16 Aug 2010 03:45:01 +0000`: how the 2010 API writes dates, to the second. */
export const rfc2822 = (ms: number): string => new Date(ms).toUTCString().replace("GMT", "+0000");

/** `2015-07-30T20:12:31Z`: how every newer API writes dates, to the second. */
export const iso8601 = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
