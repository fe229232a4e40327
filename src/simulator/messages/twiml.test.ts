import { describe, expect, test } from "vitest";
import { repliesIn, TwimlError } from "./twiml.ts";

const response = (inside: string) =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<Response>${inside}</Response>\n`;

describe("the TwiML of a webhook's answer", () => {
  const read: Record<string, [document: string, bodies: string[]]> = {
    "an empty Response in one tag": ["<Response/>", []],
    "an empty body": ["", []],
    "a declaration, a comment and blanks": [response(" <!-- <Message>no</Message> --> "), []],
    "entities and character references": [
      response("<Message>&lt;b&gt; &amp; &#8364;&#x1F600;&quot;&apos;</Message>"),
      ["<b> & €😀\"'"],
    ],
    "a CDATA section": [response("<Message><![CDATA[a < b & c]]></Message>"), ["a < b & c"]],
    "the older verb Sms": [response("<Sms>Hi</Sms>"), ["Hi"]],
    "verbs that send nothing": [response("<Redirect>/next</Redirect><Say>Hi</Say>"), []],
    "an attribute in single quotes": [response("<Message to='+12065551234'>Hi</Message>"), ["Hi"]],
  };
  for (const [name, [document, bodies]] of Object.entries(read))
    test(`${name} can be read`, () =>
      expect(repliesIn("text/xml", document).map(({ body }) => body)).toEqual(bodies));

  test("a Message can name its recipient, sender, callback and media", () => {
    const inside =
      '<Message to="+1206" from="+1425" statusCallback="https://a.example.com/?a=1&amp;b=2"><Body> Hi </Body><Media>https://a.example.com/p.png</Media></Message>';
    expect(repliesIn("application/xml; charset=utf-8", response(inside))).toEqual([
      {
        body: "Hi",
        media: ["https://a.example.com/p.png"],
        to: "+1206",
        from: "+1425",
        statusCallback: "https://a.example.com/?a=1&b=2",
      },
    ]);
  });

  const broken: Record<string, [type: string, document: string, code: number]> = {
    "a tag that is not closed": ["text/xml", "<Response><Message>Hi</Response>", 12100],
    "an end tag without a start tag": ["text/xml", "<Response/></Response>", 12100],
    "two documents": ["text/xml", "<Response/><Response/>", 12100],
    "text around the document": ["text/xml", "ok <Response/>", 12100],
    "a bare ampersand": ["text/xml", response("<Message>a & b</Message>"), 12100],
    "an entity that XML does not know": ["text/xml", response("<Message>&nbsp;</Message>"), 12100],
    "a tag that is cut off": ["text/xml", "<Response><Mess", 12100],
    "an HTML page": ["text/html", "<html><body>Bad gateway</body></html>", 12100],
    JSON: ["application/json", "{}", 12300],
    "a body of more than 64 KiB": ["text/plain", "x".repeat(65_537), 11750],
  };
  for (const [name, [type, document, code]] of Object.entries(broken))
    test(`${name} is refused with ${code}`, () => {
      const error = (() => {
        try {
          return repliesIn(type, document);
        } catch (thrown) {
          return thrown;
        }
      })();
      expect(error).toBeInstanceOf(TwimlError);
      expect((error as TwimlError).code).toBe(code);
    });
});
