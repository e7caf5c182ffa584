// Loads the page again when one of its scripts did not arrive, as when the network changes on the way: without
// it nothing on the page would ever move. A plain script, because modules are what may be missing.
(() => {
  const MOST = 5;
  const AGAIN_MS = 2000;
  const KEY = "reloads";
  let missing = false;

  const again = async () => {
    try {
      await fetch("/healthz", { cache: "no-store" });
    } catch {
      setTimeout(again, AGAIN_MS); // a reload would replace the page by the browser's own
      return;
    }
    const before = Number(sessionStorage.getItem(KEY));
    if (before >= MOST) return; // it is missing for good
    sessionStorage.setItem(KEY, String(before + 1));
    location.reload();
  };

  // Errors of elements do not bubble; those of a module that another one imports are its own.
  addEventListener("error", ({ target }) => {
    if (missing || !(target instanceof HTMLScriptElement)) return;
    missing = true;
    again();
  }, true);
  addEventListener("load", () => {
    if (!missing) sessionStorage.removeItem(KEY);
  });
})();
