// Replaces the children of a place only where they differ, so that focus and scroll position stay.

/** Show `items`; each has an id, and `make(item)` gives its element. What has not changed stays as it is. */
export function keyed(place, items, idOf, make) {
  const known = new Map([...place.children].map((each) => [each.dataset.key, each]));
  const wanted = items.map((item) => {
    const key = String(idOf(item));
    const text = JSON.stringify(item);
    const before = known.get(key);
    if (before?.dataset.text === text) return before;
    const made = make(item);
    made.dataset.key = key;
    made.dataset.text = text;
    return made;
  });
  const focused = focusedIn(place);
  for (const each of [...place.children]) if (!wanted.includes(each)) each.remove();
  wanted.forEach((each, at) => place.children[at] === each || place.insertBefore(each, place.children[at] || null));
  focused?.();
}

/** Return what puts the focus back where it was, when its element has been made anew. */
function focusedIn(place) {
  const active = document.activeElement;
  const entry = active && place.contains(active) ? active.closest("[data-key]") : null;
  if (!entry) return null;
  const selector = "a, button, summary, input";
  const at = [...entry.querySelectorAll(selector)].indexOf(active);
  return () => {
    if (active.isConnected) return;
    const again = [...place.children].find((each) => each.dataset.key === entry.dataset.key);
    again?.querySelectorAll(selector)[at]?.focus({ preventScroll: true });
  };
}
