import { badRequest } from "./errors.ts";
import { type ApiAnswer, type ApiCall, ok, type TwilioProduct } from "./operation.ts";

const DEFAULT_PAGE_SIZE = 50;
const LARGEST_PAGE = 1000;

interface ListPage<T> {
  rows: T[];
  page: number;
  pageSize: number;
  /** The token of the next page. Null: this is the last page. */
  nextToken: string | null;
  isFirst: boolean;
}

/**
 * Cuts one page out of a list. The page token names the last row of the previous page, so that rows added between two calls do not shift
 * the pages: no row is listed twice or left out. The `Page` number is used only when there is no token, or when the row that the token
 * names is gone.
 */
function cut<T extends { sid: string }>(rows: T[], query: URLSearchParams): ListPage<T> {
  const pageSize = wholeNumber(query, "PageSize", DEFAULT_PAGE_SIZE, 1);
  if (pageSize > LARGEST_PAGE) throw badRequest(20007);
  const page = wholeNumber(query, "Page", 0, 0);
  const token = query.get("PageToken");
  const after = token === null ? -1 : rows.findIndex(({ sid }) => token === `PA${sid}`);
  const start = after >= 0 ? after + 1 : page * pageSize;
  const cut = rows.slice(start, start + pageSize);
  const isLast = start + pageSize >= rows.length;
  return {
    rows: cut,
    page,
    pageSize,
    nextToken: isLast ? null : `PA${cut.at(-1)!.sid}`,
    isFirst: start === 0,
  };
}

function wholeNumber(query: URLSearchParams, name: string, fallback: number, min: number): number {
  const text = query.get(name);
  if (text === null || text === "") return fallback;
  if (!/^[0-9]{1,9}$/.test(text) || Number(text) < min) throw badRequest(20001, `Invalid ${name}: ${text}`);
  return Number(text);
}

/** Answers a list in the format of the 2010 API, whose URIs are relative to the host. */
export function page2010<T extends { sid: string }>(
  call: ApiCall,
  key: string,
  rows: T[],
  render: (row: T) => Record<string, unknown>,
): ApiAnswer {
  const found = cut(rows, call.query);
  const { page, pageSize, nextToken } = found;
  const uri = (n: number, token?: string) => `${call.path}?${pageQuery(call.query, pageSize, n, token)}`;
  const start = page * pageSize;
  return ok({
    first_page_uri: uri(0),
    end: Math.max(start + found.rows.length - 1, 0),
    previous_page_uri: found.isFirst ? null : uri(Math.max(page - 1, 0)),
    [key]: found.rows.map(render),
    uri: uri(page, call.query.get("PageToken") ?? undefined),
    page_size: pageSize,
    start,
    next_page_uri: nextToken === null ? null : uri(page + 1, nextToken),
    page,
  });
}

/** Answers a list in the format of the newer APIs, whose URLs are absolute and name Twilio's host. */
export function pageV1<T extends { sid: string }>(
  call: ApiCall,
  { product, key }: { product: TwilioProduct; key: string },
  rows: T[],
  render: (row: T) => Record<string, unknown>,
): ApiAnswer {
  const { rows: found, page, pageSize, nextToken, isFirst } = cut(rows, call.query);
  const base = twilioUrl(call, product, call.path);
  const url = (n: number, token?: string) => `${base}?${pageQuery(call.query, pageSize, n, token)}`;
  return ok({
    meta: {
      page,
      page_size: pageSize,
      first_page_url: url(0),
      previous_page_url: isFirst ? null : url(Math.max(page - 1, 0)),
      url: url(page, call.query.get("PageToken") ?? undefined),
      next_page_url: nextToken === null ? null : url(page + 1, nextToken),
      key,
    },
    [key]: found.map(render),
  });
}

/** Twilio's host names contain an edge location and a region. Twilio's documentation pairs each region with one of these edges. */
const edges: Record<string, string> = { ie1: "dublin", au1: "sydney", jp1: "tokyo" };

/**
 * The absolute URL that Twilio would answer, not a URL of the simulator. A client with a configured base URL must map every URL of Twilio
 * to its base URL, and a URL of the simulator would not test that.
 */
export function twilioUrl(call: Pick<ApiCall, "region">, product: TwilioProduct, path: string): string {
  const { name } = call.region;
  const where = name === "us1" ? "" : `.${edges[name] ?? "ashburn"}.${name}`;
  return `https://${product}${where}.twilio.com${path}`;
}

/** The query of another page of the same list: all filters stay, only the page changes. */
function pageQuery(query: URLSearchParams, pageSize: number, page: number, token?: string): URLSearchParams {
  const filters = [...query].filter(([name]) => !["PageSize", "Page", "PageToken"].includes(name));
  const next = new URLSearchParams(filters);
  next.set("PageSize", String(pageSize));
  next.set("Page", String(page));
  if (token !== undefined) next.set("PageToken", token);
  return next;
}
