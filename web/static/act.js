// A button that does something: not twice at a time, and its error shown.

import { toast } from "./toast.js";

/** Run `work` while the button rests; whatever comes of it, call `after` then. */
export async function act(button, work, after) {
  button.disabled = true;
  try {
    await work();
  } catch (problem) {
    toast(problem.message, "bad");
  } finally {
    button.disabled = false;
    after();
  }
}
