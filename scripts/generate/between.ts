/** For pages that a person and a generator both write: replaces what is between the marks, and keeps the rest. */
export function between(
  page: string,
  marks: { begin: string; end: string },
  made: string,
  path: string,
): string {
  const [begin, end] = [page.indexOf(marks.begin), page.indexOf(marks.end)];
  if (begin < 0 || end < begin) throw new Error(`${path} lacks the marks\n${marks.begin}\n${marks.end}`);
  return `${page.slice(0, begin + marks.begin.length)}\n\n${made}\n\n${page.slice(end)}`;
}
