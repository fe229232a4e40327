/** Replaces the text between two marks and keeps the rest. It is for pages that are partly written by a person and partly generated. */
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
