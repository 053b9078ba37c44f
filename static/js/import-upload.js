// Uploads a file in parts, so that a lost connection costs one part and a reload loses nothing.
// The server keeps the parts; which import a file belongs to is remembered here by the file's name,
// size and last change. Without this script the form sends the whole file at once, up to a few MB.

const IN_FLIGHT_MAX = 3;
const PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 15_000];
const SPOKEN_STEP = 25;

const form = document.querySelector("form[data-upload]");
const numbers = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });
const token = () => form.querySelector("[name=csrfmiddlewaretoken]").value;
const part = (name) => form.querySelector(`[data-${name}]`);

class Refused extends Error {}

const inWords = (bytes, unit) => {
  const [name, size] = unit >= 1e6 ? ["MB", 1e6] : unit >= 1e3 ? ["kB", 1e3] : ["bytes", 1];
  return `${numbers.format(bytes / size)} ${name}`;
};

const say = (words) => {
  part("said").textContent = words;
};

const hex = (buffer) =>
  Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");

// Browsers hash only on pages that were sent over HTTPS, and on this very machine.
const digest = async (content) =>
  crypto.subtle ? hex(await crypto.subtle.digest("SHA-256", content)) : "";

const remembered = (file) =>
  `import ${form.dataset.upload} ${file.name} ${file.size} ${file.lastModified}`;

const recall = (file) => {
  try {
    return localStorage.getItem(remembered(file));
  } catch {
    return null; // The browser keeps nothing for this site: the upload begins anew.
  }
};

const remember = (file, address) => {
  try {
    if (address) localStorage.setItem(remembered(file), address);
    else localStorage.removeItem(remembered(file));
  } catch {
    // As above.
  }
};

// Waits, but not beyond the moment at which the connection is back.
const pause = (milliseconds, signal) =>
  new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    addEventListener("online", done);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });

// Sends until there is an answer. Raises Refused with the server's words where it says no.
const send = async (address, options, signal) => {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const answer = await fetch(address, {
        ...options,
        signal,
        headers: { Accept: "application/json", "X-CSRFToken": token(), ...options.headers },
      });
      if (answer.redirected) throw new Refused("You are signed out. Sign in again, then choose the same file: the upload goes on where it stopped.");
      if (answer.ok) {
        part("trouble").hidden = true;
        return answer;
      }
      if (answer.status < 500 && answer.status !== 408 && answer.status !== 429) {
        const told = await answer.json().catch(() => ({}));
        throw new Refused(told.problem ?? "The server did not take the file. Load the page again, then choose the file once more.");
      }
    } catch (error) {
      if (error instanceof Refused || signal.aborted) throw error;
    }
    const wait = PAUSES_MS[Math.min(attempt, PAUSES_MS.length - 1)];
    const trouble = part("trouble");
    if (trouble.hidden) {
      trouble.hidden = false;
      say("The connection is lost. The upload goes on by itself when it is back.");
    }
    await pause(wait, signal);
  }
};

const forget = (address) =>
  fetch(address, { method: "POST", headers: { "X-CSRFToken": token() } }).catch(() => {});

const begin = async (file, signal) => {
  const known = form.dataset.goesOn || recall(file);
  if (known) {
    try {
      return await (await send(known, { method: "GET" }, signal)).json();
    } catch (error) {
      if (!(error instanceof Refused) || form.dataset.goesOn) throw error;
      remember(file, "");
    }
  }
  const body = new URLSearchParams({ name: file.name, size: file.size });
  // Not given up in the middle: what has begun on the server must be known to be stopped there.
  const whole = new AbortController().signal;
  const begun = await (await send(form.dataset.upload, { method: "POST", body }, whole)).json();
  if (signal.aborted) {
    await forget(begun.stop);
    throw signal.reason;
  }
  remember(file, begun.parts);
  return begun;
};

let stopping = new AbortController();
let stop = null;

const upload = async (file) => {
  const { signal } = stopping;
  const bytes = Number(form.dataset.partBytes);
  const count = Math.ceil(file.size / bytes);
  const { parts, finish, page, stop: stopAddress, name, size, have } = await begin(file, signal);
  if (size !== file.size) {
    throw new Refused(`This is not the same file. Choose “${name}” (${inWords(size, size)}) to go on, or import this one by itself.`);
  }
  stop = stopAddress;
  const hashes = new Array(count).fill("");
  const begunAt = performance.now();
  let next = 0;
  let done = 0;
  let sent = 0;
  let spoken = 0;

  const show = () => {
    part("bar").value = done / count;
    const seconds = (performance.now() - begunAt) / 1_000;
    const left = Math.ceil((seconds / Math.max(sent, 1)) * (count - done));
    const time = seconds > 3 && sent && left > 0
      ? `, about ${left < 90 ? `${left} s` : `${Math.ceil(left / 60)} min`} left`
      : "";
    const there = Math.min(done * bytes, file.size);
    part("words").textContent = `${inWords(there, file.size)} of ${inWords(file.size, file.size)}${time}`;
    const percent = Math.floor((100 * done) / count);
    if (percent >= spoken + SPOKEN_STEP) {
      spoken = percent;
      say(`${percent} % uploaded`);
    }
  };

  const worker = async () => {
    while (next < count) {
      const number = next;
      next += 1;
      const content = await file.slice(number * bytes, (number + 1) * bytes).arrayBuffer();
      const hash = await digest(content);
      hashes[number] = hash;
      // What is there already is sent again only if the file has changed since.
      if (!have[number] || (hash && hash !== have[number])) {
        const headers = { "Content-Type": "application/octet-stream", "X-Part-SHA256": hash };
        await send(`${parts}${number}/`, { method: "PUT", body: content, headers }, signal);
        sent += 1;
      }
      done += 1;
      show();
    }
  };

  show();
  await Promise.all(Array.from({ length: IN_FLIGHT_MAX }, worker));
  part("words").textContent = "Uploaded. Looking at the file…";
  say("Uploaded. Looking at the file.");
  const whole = crypto.subtle ? await digest(new TextEncoder().encode(hashes.join(""))) : "";
  const body = new URLSearchParams({ parts: count, size: file.size, sha256: whole });
  await send(finish, { method: "POST", body }, signal);
  remember(file, "");
  location.assign(page);
};

const rest = (problem = "") => {
  part("chooser").hidden = false;
  part("progress").hidden = true;
  part("problem").hidden = !problem;
  part("problem").textContent = problem;
  form.querySelector("input[type=file]").value = "";
  if (problem) say(problem);
};

const start = async (file) => {
  stopping = new AbortController();
  stop = null;
  part("chooser").hidden = true;
  part("problem").hidden = true;
  part("progress").hidden = false;
  part("name").textContent = file.name;
  part("bar").value = 0;
  part("words").textContent = inWords(file.size, file.size);
  say(`Uploading ${file.name}`);
  part("cancel").focus();
  try {
    if (!file.size) throw new Refused("This file is empty. Choose another one.");
    await upload(file);
  } catch (error) {
    if (stopping.signal.aborted) return;
    // One of several parts was refused: the others need not go on.
    stopping.abort();
    rest(
      error instanceof Refused
        ? error.message
        : "The file could not be read. It may have been moved or changed: choose it again.",
    );
  }
};

const cancel = async () => {
  stopping.abort();
  const address = stop;
  const file = form.querySelector("input[type=file]").files[0];
  if (file) remember(file, "");
  rest();
  form.querySelector("input[type=file]").focus();
  say("The upload was stopped.");
  if (address) await forget(address);
};

if (form) {
  const input = form.querySelector("input[type=file]");
  part("submit").hidden = true;
  input.addEventListener("change", () => {
    if (input.files.length) start(input.files[0]);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.files.length) start(input.files[0]);
  });
  part("cancel").addEventListener("click", cancel);
  // Chosen while this script was still on its way; on the way back, browsers fill forms by themselves.
  const [visit] = performance.getEntriesByType("navigation");
  if (input.files.length && visit?.type === "navigate") start(input.files[0]);

  // The whole page takes the file, so that missing the box does not open the file instead.
  let depth = 0;
  const isFile = (event) => event.dataTransfer?.types.includes("Files") && !part("chooser").hidden;
  const mark = (over) => part("chooser").classList.toggle("drop-over", over);
  document.addEventListener("dragenter", (event) => {
    if (!isFile(event)) return;
    depth += 1;
    mark(true);
  });
  document.addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (!depth) mark(false);
  });
  document.addEventListener("dragover", (event) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    depth = 0;
    mark(false);
    if (part("chooser").hidden) return;
    const { files } = event.dataTransfer;
    if (files.length > 1) rest("One file at a time: put several into one, or import them one after the other.");
    else if (files.length) {
      input.files = files; // Also tells a screen reader and the form what was dropped.
      start(files[0]);
    }
  });
  form.dataset.ready = "true";
}
