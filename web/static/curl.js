// The same submit as a command for a shell.

import { copyText } from "./copy.js";
import { byId } from "./dom.js";

/** Who is signed in needs a key in a shell; pages never know it. */
const key = document.querySelector('meta[name="csrf"]') ? ` \\\n  -H "Authorization: Bearer $CALLBOARD_KEY"` : "";

/** Return the curl command that posts `body`. */
export function command(body) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const url = `${location.origin}/api/tasks`;
  return `curl -sS ${quoted(url)} \\\n  -H 'Content-Type: application/json'${key} \\\n  --data-raw ${quoted(body)}`;
}

/** Put the command on the clipboard, or show it to be copied by hand; returns what to tell the user. */
export async function copy(text) {
  const done = await copyText(text);
  byId("curl-box").hidden = done;
  if (done) return "Copied";
  const area = byId("curl-text");
  area.value = text;
  area.focus();
  area.select();
  return "Press Ctrl+C to copy";
}
