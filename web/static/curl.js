// The same submit as a command for a shell.

import { byId } from "./dom.js";

/** Return the curl command that posts `body`. */
export function command(body) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const url = `${location.origin}/api/tasks`;
  return `curl -sS ${quoted(url)} \\\n  -H 'Content-Type: application/json' \\\n  --data-raw ${quoted(body)}`;
}

/** Put text on the clipboard, or show it to be copied by hand; returns what to tell the user. */
export async function copy(text) {
  const box = byId("curl-box");
  const area = byId("curl-text");
  area.value = text;
  try {
    await navigator.clipboard.writeText(text); // not there when the page came by plain HTTP
    box.hidden = true;
    return "Copied";
  } catch {
    box.hidden = false;
    area.focus();
    area.select();
    if (!document.execCommand("copy")) return "Press Ctrl+C to copy";
    return "Copied";
  }
}
