// Rows that were booked since the page was read: "12 new rows – show". Asks the address in
// data-live-url every 10 seconds, only while the page is visible; shows nothing by itself, so that
// the rows under the reader's eyes never move.

import { leaveIfSignedOut } from "./signed-out.js";

const EVERY_MS = 10_000;
const numbers = new Intl.NumberFormat("en-GB");
const FITS_ANYWHERE = 10; // as the filter `foldable` of the templates has it

// A number as it is written, which may fold at its commas where it is long.
const folded = (text) => {
  const written = text.replace("-", "−");
  if (written.length <= FITS_ANYWHERE) return [written];
  return written.split(/(?<=,)/).flatMap((part, at) => (at ? [document.createElement("wbr"), part] : [part]));
};

const ask = async () => {
  const place = document.getElementById("live-rows");
  if (document.hidden || !place || document.querySelector(".htmx-request")) return;
  try {
    const response = await fetch(place.dataset.liveUrl, { headers: { Accept: "application/json" } });
    if (leaveIfSignedOut(response) || !response.ok || response.redirected) return;
    const { rows, balance: digits } = await response.json();
    const balance = BigInt(digits); // a number of JavaScript's would be rounded above 2^53
    // The page may have been exchanged while the answer was on its way.
    if (!place.isConnected) return;
    for (const figure of document.querySelectorAll("[data-live-balance]")) {
      // Where no words beside it say that it is owed, the sign does.
      const isSigned = figure.dataset.liveBalance === "signed";
      figure.replaceChildren(...folded(numbers.format(isSigned || balance >= 0n ? balance : -balance)));
    }
    for (const words of document.querySelectorAll("[data-live-words]")) {
      words.textContent = words.dataset.liveWords.split("|")[balance < 0n ? 1 : 0];
    }
    const button = place.querySelector("a");
    button.hidden = rows === 0;
    const words = `${numbers.format(rows)} new ${rows === 1 ? "row" : "rows"} – show`;
    if (rows && button.textContent !== words) button.textContent = words;
  } catch {
    // No connection now: the next time will tell.
  }
};

setInterval(ask, EVERY_MS);
document.addEventListener("visibilitychange", ask);
